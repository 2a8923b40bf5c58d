"""Pressure: how much of the time work stood still for want of CPU, memory or I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, dashes, label, noted
from qos.report.rows import Rows, span_of
from qos.report.run import Run, chosen, contended, left_out
from qos.report.series import compact, rate, thinned

_RESOURCES: Final = {
    "CPU": "cpu_pressure_some_total",
    "memory": "memory_pressure_some_total",
    "I/O": "io_pressure_some_total",
}


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A row a resource, a line a workload: part of the time in which some task waited for it."""
    runs = contended(runs)
    workloads = chosen(runs)
    rows = [
        resource
        for resource, column in _RESOURCES.items()
        if any(_moved(run, name, column) for run in runs for name in workloads)
    ]
    if not rows:
        return Absent("no pressure (cpu, memory, io.pressure) was read, or there was none")
    return Picture(
        "Where did work stand still?",
        "Part of the time in which some task waited for the resource (pressure some), the worst container of "
        "each workload. CPU pressure includes the wait for a workload's own limit.",
        tuple(Panel(run.policy, _panel(run, runs, rows, workloads)) for run in runs),
        tuple(
            Key(name, "line", theme.class_colour(runs[0].qos_class(name)), dash)
            for name, dash in dashes(runs[0], workloads).items()
        ),
        noted(left_out(runs)),
    )


def _moved(run: Run, name: str, column: str) -> bool:
    values = run.column(name, column)
    return values is not None and float(np.nanmax(values)) > float(np.nanmin(values))


def _panel(
    run: Run, runs: Sequence[Run], resources: Sequence[str], workloads: Sequence[str]
) -> dict[str, Any]:
    rows = Rows(len(resources), span_of(runs))
    styles = dashes(run, workloads)
    for row, resource in enumerate(resources, start=1):
        rows.headline(row, f"{resource} pressure", theme.INK)
        rows.quantity(row, "of time", tickformat=".0%")
        for name in workloads:
            values = run.column(name, _RESOURCES[resource])
            if values is not None:
                rows.add(row, _line(run, name, values, styles[name]))
    return rows.figure()


def _line(run: Run, name: str, values: Any, dash: str) -> dict[str, Any]:
    times, rates = zip(*(rate(run.recording.samples.times, series) for series in values.T), strict=True)
    x, y = thinned(times[0], np.fmax.reduce(np.array(rates), axis=0) / 1e6)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": compact(x),
        "y": compact(np.clip(y, 0.0, 1.0)),
        "name": label(name),
        "line": {"color": theme.class_colour(run.qos_class(name)), "width": 1.4, "dash": dash},
        "hovertemplate": f"{label(name)} %{{y:.1%}}<extra></extra>",
    }

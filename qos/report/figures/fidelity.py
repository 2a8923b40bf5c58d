"""A simulated and a measured run of one scenario over each other: CPU and memory of each workload."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, noted
from qos.report.rows import span_of, workload_rows
from qos.report.run import Run, chosen, left_out
from qos.report.series import compact, rate, summed, thinned

Floats = NDArray[np.float64]
_DASHES: Final = {"simulated": "dash", "measured": "solid"}


@dataclass(frozen=True, slots=True)
class _Quantity:
    """What is drawn of a column: its title, unit, and times and values from a run's readings."""

    title: str
    unit: str
    column: str
    of: Callable[[Floats, Floats], tuple[Floats, Floats]]


def _cpus(times: Floats, usec: Floats) -> tuple[Floats, Floats]:
    at, rates = rate(times, usec)
    return at, rates / 1e6


def _mebibytes(times: Floats, held: Floats) -> tuple[Floats, Floats]:
    return times, held / 2**20


_QUANTITIES: Final = (
    _Quantity("CPUs used", "CPUs", "cpu_stat_usage_usec", _cpus),
    _Quantity("memory held", "MiB", "memory_current", _mebibytes),
)


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A row a workload, in it the prediction (dashed) and the measurement (line); CPU beside memory."""
    workloads = chosen(runs)
    drawn = [
        quantity
        for quantity in _QUANTITIES
        if any(run.column(name, quantity.column) is not None for run in runs for name in workloads)
    ]
    if not drawn:
        return Absent("neither CPU nor memory was read")
    return Picture(
        "Does the kernel do what was predicted?",
        "Each workload's CPU and memory over time, predicted and measured over each other.",
        tuple(Panel(quantity.title, _panel(quantity, runs, workloads)) for quantity in drawn),
        (Key("predicted", "line", theme.INK, "dash"), Key("measured", "line", theme.INK)),
        noted(left_out(runs)),
    )


def _panel(quantity: _Quantity, runs: Sequence[Run], workloads: Sequence[str]) -> dict[str, Any]:
    rows = workload_rows(runs[-1], workloads, span_of(runs))
    for row, name in enumerate(workloads, start=1):
        top = 0.01
        for run in runs:
            values = run.column(name, quantity.column)
            if values is None:
                continue
            times, told = quantity.of(run.recording.samples.times, summed(values))
            top = max(top, float(np.nanmax(told, initial=0.0)))
            rows.add(row, _line(run, name, times, told, quantity.unit))
        rows.quantity(row, quantity.unit, range=[0, top * 1.12])
    return rows.figure()


def _line(run: Run, workload: str, times: Floats, values: Floats, unit: str) -> dict[str, Any]:
    source = run.recording.samples.source
    x, y = thinned(times, values)
    colour = theme.INK if source == "simulated" else theme.class_colour(run.qos_class(workload))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": compact(x),
        "y": compact(y),
        "name": source,
        "line": {"color": colour, "width": 1.6, "dash": _DASHES.get(source, "solid")},
        "hovertemplate": f"{source} %{{y:.3~g}} {unit}<extra></extra>",
    }

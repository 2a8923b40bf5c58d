"""CPU used over time, against request and limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, noted
from qos.report.rows import level, span_of, workload_rows
from qos.report.run import Run, chosen, contended, left_out
from qos.report.series import compact, rate, summed, thinned

_COLUMN = "cpu_stat_usage_usec"


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """Rows of workloads: CPUs used (area), requested (dots), allowed by cpu.max (line)."""
    runs = contended(runs)
    workloads = [name for name in chosen(runs) if any(run.column(name, _COLUMN) is not None for run in runs)]
    if not workloads:
        return Absent("no cpu.stat usage_usec was read")
    panels = tuple(Panel(run.policy, _panel(run, runs, workloads)) for run in runs)
    return Picture(
        "Who got the CPU, and when?",
        "CPUs used over time, in the colour of the class, against what was requested and what is allowed.",
        panels,
        tuple(_keys(runs, workloads)),
        noted(left_out(runs)),
    )


def _keys(runs: Sequence[Run], workloads: Sequence[str]) -> Iterator[Key]:
    """The legend: the lines that some workload has."""
    if any(run.total(name, "cpuRequest") is not None for run in runs for name in workloads):
        yield Key("request", "line", theme.INK, "dot")
    if any(run.cpu_limit(name) is not None for run in runs for name in workloads):
        yield Key("limit (cpu.max)", "line", theme.INK)


def _panel(run: Run, runs: Sequence[Run], workloads: Sequence[str]) -> dict[str, Any]:
    span = span_of(runs)
    rows = workload_rows(run, workloads, span)
    for row, name in enumerate(workloads, start=1):
        values = run.column(name, _COLUMN)
        if values is not None:
            times, rates = rate(run.recording.samples.times, summed(values))
            rows.add(row, _area(times, rates / 1e6, run.qos_class(name)))
        request, limit = run.total(name, "cpuRequest"), run.cpu_limit(name)
        if request is not None:
            rows.add(row, level("request", request, span, "dot"))
        if limit is not None:
            rows.add(row, level("limit", limit, span, "solid"))
        rows.quantity(row, "CPUs", range=[0, _top(runs, name) * 1.12])
    return rows.figure()


def _area(times: Any, cpus: Any, qos_class: str) -> dict[str, Any]:
    colour = theme.class_colour(qos_class)
    x, y = thinned(times, cpus)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": compact(x),
        "y": compact(y),
        "name": "used",
        "line": {"color": colour, "width": 1.2},
        "fill": "tozeroy",
        "fillcolor": theme.faint(colour),
        "hovertemplate": "used %{y:.3~g} CPUs<extra></extra>",
    }


def _top(runs: Sequence[Run], name: str) -> float:
    """The highest value over all policies, so that panels can be compared."""
    tops = [0.01]
    for run in runs:
        values = run.column(name, _COLUMN)
        if values is not None and len(values) > 1:
            tops.append(
                float(np.nanmax(rate(run.recording.samples.times, summed(values))[1], initial=0.0)) / 1e6
            )
        tops += [value for value in (run.total(name, "cpuRequest"), run.cpu_limit(name)) if value is not None]
    return max(tops)

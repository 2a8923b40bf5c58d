"""Latency of request-serving workloads, from the median to the tail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, label, noted
from qos.report.run import Run, chosen, left_out

_PERCENTILES: Final = np.array([10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.9])
_TICKS: Final = (10, 50, 90, 99, 99.9)
_MARKED: Final = frozenset({50, 90, 99, 99.9})


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A chart a workload: latency at each percentile, a line a policy, the tail stretched."""
    runs = sorted(runs, key=lambda run: run.is_baseline)
    workloads = [name for name in chosen(runs) if any(len(_latencies(run, name)) > 1 for run in runs)]
    if not workloads:
        return Absent("no requests were completed, or the kernel does not tell (a real one does not)")
    return Picture(
        "How slow did it get, and for how many?",
        "Latency (log scale) of the fastest x % of requests; to the right is the tail: at 99, one request "
        "in a hundred took longer.",
        tuple(Panel(_title(runs, name), _panel(runs, name)) for name in workloads),
        tuple(
            Key(run.policy, "line", theme.policy_colour(index), theme.DASHES[index % len(theme.DASHES)])
            for index, run in enumerate(runs)
        ),
        noted(left_out(runs)),
    )


def _title(runs: Sequence[Run], name: str) -> str:
    qos_class = next((run.qos_class(name) for run in runs if run.qos_class(name)), "")
    return f"{name} · {qos_class}" if qos_class else name


def _latencies(run: Run, name: str) -> NDArray[np.float64]:
    parts = [run.recording.completions.of(cgroup) for cgroup in run.cgroups(name)]
    return np.concatenate(parts) if parts else np.empty(0)


def stretched(percentiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a percentile stands on an axis that gives each nine the same room: 0 → 0, 90 → 1, 99 → 2.

    >>> stretched(np.array([0.0, 90.0, 99.0])).round(9).tolist()
    [0.0, 1.0, 2.0]
    """
    place: NDArray[np.float64] = np.log10(100.0 / (100.0 - percentiles))
    return place


def _panel(runs: Sequence[Run], name: str) -> dict[str, Any]:
    traces = [
        _line(run, index, values)
        for index, run in enumerate(runs)
        if len(values := _latencies(run, name)) > 1
    ]
    lowest = [float(trace["y"].min()) for trace in traces]
    highest = [float(trace["y"].max()) for trace in traces]
    return {
        "data": traces,
        "layout": theme.layout(
            340,
            margin={"l": 8, "r": 16, "t": 8, "b": 44},
            hovermode="x unified",
            xaxis=theme.axis(
                "percentile of requests",
                tickvals=stretched(np.array(_TICKS, dtype=np.float64)).tolist(),
                ticktext=[f"{tick:g}" for tick in _TICKS],
                range=[0.02, float(stretched(np.array([99.9]))[0]) + 0.06],
            ),
            yaxis=theme.axis("latency (ms)", **theme.log_ticks(min(lowest), max(highest))),
        ),
    }


def _line(run: Run, index: int, values: NDArray[np.float64]) -> dict[str, Any]:
    """A policy's line, later ones thinner so that equal ones both show.

    Percentiles beyond what the number of requests can tell are left out.
    """
    known = _PERCENTILES[(1.0 - _PERCENTILES / 100.0) * len(values) >= 1.0]
    colour = theme.policy_colour(index)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(run.policy),
        "x": stretched(known),
        "y": np.percentile(values, known) * 1000,
        "text": [f"p{point:g}" for point in known],
        "line": {
            "color": colour,
            "width": max(2.0, 5.0 - 1.5 * index),
            "dash": theme.DASHES[index % len(theme.DASHES)],
        },
        "marker": {
            "color": colour,
            "symbol": theme.SYMBOLS[index % len(theme.SYMBOLS)],
            "size": [8 if point in _MARKED else 0 for point in known],
        },
        "hovertemplate": "%{text}: %{y:.3~g} ms",
    }

"""Memory used, against protection and limits, with what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, label, noted
from qos.report.rows import level, span_of, workload_rows
from qos.report.run import Run, chosen, contended, left_out
from qos.report.series import compact, summed, thinned

_COLUMN: Final = "memory_current"
_PROTECTION: Final = ("memory.min", "memory.low")
_LEVELS: Final = {"memory.max": "solid", "memory.high": "dash"}
_MARKS: Final = {
    "oom_kill": ("OOM kill", "x"),
    "global_oom_kill": ("OOM kill", "x"),
    "evict": ("eviction", "triangle-down"),
    "restart": ("restart", "triangle-up"),
}
_UNITS: Final = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """Rows of workloads: memory used, bands of memory.min and memory.low, lines of high and max, events."""
    runs = contended(runs)
    workloads = [name for name in chosen(runs) if any(run.column(name, _COLUMN) is not None for run in runs)]
    if not workloads:
        return Absent("memory.current was not read")
    unit = _unit(max(_top(runs, name) for name in workloads))
    return Picture(
        "Did the memory fit, and who was protected or killed?",
        f"Memory in {unit[0]}, in the colour of the class (anonymous memory darker), against limits; "
        "the band at the bottom is protected.",
        tuple(Panel(run.policy, _panel(run, runs, workloads, unit)) for run in runs),
        tuple(_keys(runs, workloads)),
        noted(left_out(runs)),
    )


def _keys(runs: Sequence[Run], workloads: Sequence[str]) -> Iterator[Key]:
    """The legend: the files that have a value and the events that happened."""
    files = {
        "memory.max": Key("memory.max", "line", theme.INK),
        "memory.high": Key("memory.high", "line", theme.INK, "dash"),
        "memory.min": Key("memory.min (never reclaimed)", "box", theme.PURPLE, alpha=0.5),
        "memory.low": Key("memory.low (reclaimed last)", "box", theme.PURPLE, alpha=0.25),
    }
    for file, key in files.items():
        if any(run.memory_knob(name, file) is not None for run in runs for name in workloads):
            yield key
    kinds = {event.kind for run in runs for event in run.summary.events}
    for title, symbol in dict.fromkeys(mark for kind, mark in _MARKS.items() if kind in kinds):
        yield Key(title, symbol, _event_colour(title))


def _event_colour(title: str) -> str:
    return theme.INK if title == "restart" else theme.VERMILION


def _panel(
    run: Run, runs: Sequence[Run], workloads: Sequence[str], unit: tuple[str, float]
) -> dict[str, Any]:
    span = span_of(runs)
    rows = workload_rows(run, workloads, span)
    times = run.recording.samples.times
    for row, name in enumerate(workloads, start=1):
        knobs = {file: run.memory_knob(name, file) for file in (*_PROTECTION, *_LEVELS)}
        set_to = {file: value / unit[1] for file, value in knobs.items() if value is not None}
        for file in _PROTECTION:
            if file in set_to:
                rows.add(row, _band(file, set_to[file], span))
        for title, column, alpha in (("used", _COLUMN, 0.22), ("anonymous", "memory_stat_anon", 0.4)):
            values = run.column(name, column)
            if values is not None:
                colour = theme.class_colour(run.qos_class(name))
                rows.add(row, _area(title, times, summed(values) / unit[1], colour, alpha))
        for file, dash in _LEVELS.items():
            if file in set_to:
                rows.add(row, level(file, set_to[file], span, dash))
        for trace in _events(run, name, unit[1]):
            rows.add(row, trace)
        rows.quantity(row, unit[0], range=[0, _top(runs, name) / unit[1] * 1.15])
    return rows.figure()


def _area(name: str, times: Any, values: Any, colour: str, alpha: float) -> dict[str, Any]:
    x, y = thinned(times, values)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": compact(x),
        "y": compact(y),
        "name": name,
        "line": {"color": colour, "width": 1.2 if name == "used" else 0},
        "fill": "tozeroy",
        "fillcolor": theme.faint(colour, alpha),
        "hovertemplate": f"{name} %{{y:.3~g}}<extra></extra>",
    }


def _band(file: str, value: float, span: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(span),
        "y": [value, value],
        "name": file,
        "line": {"width": 1, "color": theme.PURPLE, "dash": "solid" if file == "memory.min" else "dot"},
        "fill": "tozeroy",
        "fillcolor": theme.faint(theme.PURPLE, 0.22 if file == "memory.min" else 0.1),
        "hovertemplate": f"{file} %{{y:.3~g}}<extra></extra>",
    }


def _events(run: Run, name: str, scale: float) -> list[dict[str, Any]]:
    """A trace of marks for each kind of event that hit the workload, at the memory just before it."""
    mine = {
        CgroupName(str(n))
        for r in run.workloads.get(name, ())
        for n in (r.get("podCgroup"), r["cgroup"])
        if n
    }
    values = run.column(name, _COLUMN)
    times = run.recording.samples.times
    found: dict[str, list[Event]] = {}
    for event in run.summary.events:
        if event.kind in _MARKS and event.cgroup in mine:
            found.setdefault(_MARKS[event.kind][0], []).append(event)
    used = summed(values) / scale if values is not None else np.zeros(len(times))
    traces = []
    for title, events in sorted(found.items(), key=lambda entry: entry[0] != "restart"):
        before = np.clip(np.searchsorted(times, [event.time for event in events]) - 1, 0, None)
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [event.time for event in events],
                "y": np.zeros(len(events)) if title == "restart" else np.nan_to_num(used[before]),
                "text": [label(event.reason) for event in events],
                "name": title,
                "marker": {
                    "symbol": next(symbol for word, symbol in _MARKS.values() if word == title),
                    "size": 10,
                    "color": _event_colour(title),
                    "line": {"width": 1, "color": theme.PAPER},
                },
                "hovertemplate": f"{title} at %{{x:.4~g}} s: %{{text}}<extra></extra>",
            }
        )
    return traces


def _top(runs: Sequence[Run], name: str) -> float:
    """The highest value of a row in bytes over all policies; a limit far above what is used is cut off."""
    used = [0.0]
    for run in runs:
        values = run.column(name, _COLUMN)
        if values is not None:
            used.append(float(np.nanmax(summed(values))))
    most = max(used) or 1.0
    limits = [run.memory_knob(name, file) or 0.0 for run in runs for file in ("memory.max", "memory.high")]
    return max([most, *(limit for limit in limits if limit <= 3 * most)])


def _unit(most: float) -> tuple[str, float]:
    return next((unit for unit in _UNITS if most >= unit[1]), ("bytes", 1.0))

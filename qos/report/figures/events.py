"""What happened when: kills, evictions, restarts, throttling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qos.model.event import Event
from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, Table, label, noted
from qos.report.rows import span_of
from qos.report.run import Run, contended

_MOST_ROWS: Final = 14
_MARKS: Final[Mapping[str, tuple[str, str, str]]] = {
    "oom_kill": ("OOM kill", "x", theme.VERMILION),
    "global_oom_kill": ("OOM kill by the node", "x-open", theme.VERMILION),
    "evict": ("eviction", "triangle-down", theme.VERMILION),
    "admit_reject": ("rejected at admission", "cross", theme.VERMILION),
    "node_pressure": ("node under pressure", "diamond", theme.ORANGE),
    "throttle": ("throttling begins", "line-ns", theme.PURPLE),
    "restart": ("restart", "triangle-up", theme.INK),
    "backoff": ("back-off", "triangle-up-open", theme.INK),
    "exit": ("exit", "circle", theme.GREEN),
}
_TOLD: Final = frozenset({"oom_kill", "global_oom_kill", "evict", "node_pressure", "admit_reject"})
_MOST_TOLD: Final = 12
_OTHER: Final = ("other", "circle-open", theme.GREY)


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A row a workload, a mark an event; point at a mark for its reason."""
    runs = contended(runs)
    if not any(run.summary.events for run in runs):
        return Absent("nothing was killed, evicted, restarted or throttled")
    rows, hidden = _rows(runs)
    return Picture(
        "What happened, to whom, and why?",
        "Events over time; point at a mark for the kernel's or the agent's reason.",
        tuple(Panel(run.policy, _panel(run, runs, rows)) for run in runs),
        tuple(Key(title, symbol, colour) for title, symbol, colour in _kinds(runs)),
        noted(f"{hidden} more workloads or cgroups had events; they are in the recording." if hidden else ""),
        table=_table(runs),
    )


def _table(runs: Sequence[Run]) -> Table:
    """Kills, evictions and the like with their reasons; the rest is in the chart only."""
    found = [
        (event.time, run.policy, _MARKS.get(event.kind, _OTHER)[0], _owner(run, event), event.reason)
        for run in runs
        for event in run.summary.events
        if event.kind in _TOLD
    ]
    rows = [(f"{time:.1f} s", *words) for time, *words in found[:_MOST_TOLD]]
    if len(found) > _MOST_TOLD:
        rows.append(("", "", "", "", f"and {len(found) - _MOST_TOLD} more, in the recordings"))
    return Table(("time", "policy", "what", "who", "why"), tuple(rows))


def _kinds(runs: Sequence[Run]) -> list[tuple[str, str, str]]:
    """Title, symbol and colour of the kinds of event that happened."""
    kinds = {event.kind for run in runs for event in run.summary.events}
    return [mark for kind, mark in _MARKS.items() if kind in kinds] + (
        [_OTHER] if kinds - set(_MARKS) else []
    )


def _owner(run: Run, event: Event) -> str:
    """The workload an event hit; else the last part of its cgroup's name, "node" for the root."""
    for name, records in run.workloads.items():
        if any(event.cgroup in (record["cgroup"], record.get("podCgroup")) for record in records):
            return name
    return event.cgroup.rpartition("/")[2] or "node"


def _rows(runs: Sequence[Run]) -> tuple[list[str], int]:
    """Whose events are drawn, those with most first kept; and how many are not."""
    count: dict[str, int] = {}
    for run in runs:
        for event in run.summary.events:
            name = _owner(run, event)
            count[name] = count.get(name, 0) + (1000 if event.kind in {"oom_kill", "evict"} else 1)
    kept = set(sorted(count, key=lambda name: -count[name])[:_MOST_ROWS])
    return [name for name in count if name in kept], len(count) - len(kept)


def _panel(run: Run, runs: Sequence[Run], rows: Sequence[str]) -> dict[str, Any]:
    found: dict[str, list[tuple[str, Event]]] = {}
    for event in run.summary.events:
        name = _owner(run, event)
        if name in rows:
            found.setdefault(event.kind if event.kind in _MARKS else "other", []).append((name, event))
    # the worst are drawn last, on top
    traces = [_marks(kind, found[kind]) for kind in reversed([*_MARKS, "other"]) if kind in found]
    # an invisible mark in each row keeps the rows of all panels alike
    traces.append(
        {"type": "scatter", "mode": "markers", "x": [None] * len(rows), "y": [label(n) for n in rows]}
    )
    traces[-1]["hoverinfo"] = "skip"
    return {
        "data": traces,
        "layout": theme.layout(
            56 + 28 * len(rows),
            xaxis=theme.axis("time (s)", range=list(span_of(runs))),
            yaxis=theme.axis(
                type="category", categoryorder="array", categoryarray=[label(n) for n in rows[::-1]]
            ),
        ),
    }


def _marks(kind: str, marked: Sequence[tuple[str, Event]]) -> dict[str, Any]:
    title, symbol, colour = _MARKS.get(kind, _OTHER)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "x": [event.time for _, event in marked],
        "y": [label(name) for name, _ in marked],
        "text": [
            label(_wrapped(f"{event.kind}: {event.reason}")).replace("\n", "<br>") for _, event in marked
        ],
        "marker": {
            "symbol": symbol,
            "size": 10,
            "color": colour,
            "line": _edge(symbol, colour),
        },
        "hovertemplate": "%{y} at %{x:.5~g} s<br>%{text}<extra></extra>",
    }


def _edge(symbol: str, colour: str) -> dict[str, Any]:
    """Symbols without an inside are drawn by a thick line; the others get a rim where they overlap."""
    hollow = symbol.endswith(("-open", "-ns"))
    return {"width": 2.0 if hollow else 1.0, "color": colour if hollow else theme.PAPER}


def _wrapped(text: str, width: int = 60) -> str:
    lines: list[str] = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines)

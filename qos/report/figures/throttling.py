"""Why each workload waited for the CPU: its own limit, or a busy node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, label, noted
from qos.report.run import Run, chosen, contended, left_out

_NOTE: Final = (
    "A real kernel does not tell both waits apart: throttled_usec is taken for the wait for the limit, and "
    "the time of cpu.pressure some beyond it for the busy node's part, which is therefore a lower bound."
)


# the hatching tells the two waits apart on a grey print as well
_HATCH: Final = {"fillmode": "overlay", "fgcolor": theme.PAPER, "fgopacity": 0.7, "size": 6, "solidity": 0.2}


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """Bars of all time a workload wanted CPU: ran, waited for its limit, waited for a busy node."""
    runs = contended(runs)
    workloads = [name for name in chosen(runs) if any(_parts(run, name) is not None for run in runs)]
    if not workloads:
        return Absent("neither throttled_usec of cpu.stat nor cpu.pressure was read, or nobody wanted CPU")
    estimated = any(run.recording.samples.source == "measured" for run in runs)
    return Picture(
        "Why did it wait: its own limit, or a busy node?",
        "Of all the time that a workload wanted CPU: running (its class's colour), kept back by a CPU limit, "
        "or runnable while others had the node. Beside it: periods of cpu.max in which it was throttled.",
        tuple(Panel(run.policy, _panel(run, workloads)) for run in runs),
        (
            Key("ran", "box", theme.GREY),
            Key("kept back by a CPU limit", "box", theme.OWN_LIMIT),
            Key("waited for a busy node", "box", theme.BUSY_NODE),
        ),
        noted(left_out(runs), _NOTE if estimated else ""),
    )


def _parts(run: Run, name: str) -> tuple[float, float] | None:
    fared = run.fared(name)
    if fared.waited_for_quota is None and fared.waited_for_cpu is None:
        return None
    return fared.waited_for_quota or 0.0, fared.waited_for_cpu or 0.0


def _panel(run: Run, workloads: Sequence[str]) -> Any:
    names = [label(name) for name in workloads]
    parts = [_parts(run, name) for name in workloads]
    ran = [None if part is None else 1.0 - sum(part) for part in parts]
    bars = (
        ("ran", ran, [theme.class_colour(run.qos_class(name)) for name in workloads], ""),
        ("kept back by a limit", [part and part[0] for part in parts], theme.OWN_LIMIT, "/"),
        ("waited for a busy node", [part and part[1] for part in parts], theme.BUSY_NODE, ""),
    )
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": title,
            "x": values,
            "y": names,
            "marker": {"color": colour, "pattern": {"shape": shape} | _HATCH},
            "hovertemplate": f"%{{y}}: {title} %{{x:.1%}}<extra></extra>",
        }
        for title, values, colour, shape in bars
    ]
    return {
        "data": traces,
        "layout": theme.layout(
            56 + 34 * len(workloads),
            barmode="stack",
            bargap=0.35,
            margin={"l": 8, "r": 96, "t": 4, "b": 40},
            xaxis=theme.axis(
                "time it wanted CPU", range=[0, 1], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1]
            ),
            yaxis=theme.axis(autorange="reversed", showgrid=False),
            annotations=[_throttled(run, name) for name in workloads],
        ),
    }


def _throttled(run: Run, name: str) -> dict[str, Any]:
    value = run.fared(name).throttled_ratio
    text = "no limit" if run.cpu_limit(name) is None else "" if value is None else f"{value:.0%} of periods"
    return {
        "text": text,
        "x": 1.02,
        "xref": "paper",
        "xanchor": "left",
        "y": label(name),
        "showarrow": False,
        "font": {"size": 11, "color": theme.INK if value and value >= 0.005 else theme.MUTED},
    }

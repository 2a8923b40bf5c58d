"""The policies compared: each workload's key figures, one chart a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qos.model.summary import WorkloadSummary
from qos.report import theme
from qos.report.numbers import digits, percent
from qos.report.picture import Absent, Key, Panel, Picture, label, noted
from qos.report.run import Run, chosen, contended, left_out


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure a policy is judged by: title, unit of the axis, value, and how it is written."""

    title: str
    unit: str
    value: Callable[[WorkloadSummary], float | None]
    form: Callable[[float], str] = digits


def _p99_ms(fared: WorkloadSummary) -> float | None:
    value = fared.latency_seconds.get("p99") if fared.completion_seconds is None else None
    return None if value is None else value * 1000


def _peak_mib(fared: WorkloadSummary) -> float | None:
    return None if fared.memory_peak_bytes is None else fared.memory_peak_bytes / 2**20


def _killed(fared: WorkloadSummary) -> float | None:
    return float(fared.oom_kills + fared.evictions)


MEASURES: Final[tuple[Measure, ...]] = (
    Measure("p99 latency", "ms", _p99_ms),
    Measure("throttled by its own limit", "of periods", lambda fared: fared.throttled_ratio, percent),
    Measure("waiting for a busy node", "of its time", lambda fared: fared.waited_for_cpu, percent),
    Measure("CPU received", "CPU seconds", lambda fared: fared.cpu_seconds),
    Measure("batch done after", "s", lambda fared: fared.completion_seconds),
    Measure("peak memory", "MiB", _peak_mib),
    Measure("OOM kills and evictions", "count", _killed),
)


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A chart for each measure that tells the policies apart; rows of workloads, a mark for each policy."""
    runs = contended(runs)
    if len(runs) < 2:
        return Absent("only one policy ran")
    workloads = chosen(runs)
    told = [(measure, names) for measure in MEASURES if (names := _telling(runs, workloads, measure))]
    if not told:
        return Absent("the policies do not differ in any figure")
    same = [measure.title for measure in MEASURES if measure not in [entry[0] for entry in told]]
    return Picture(
        "Which policy serves whom better?",
        "Each workload's figures under each policy, bars from the first policy (strong) to the last (faint); "
        "shorter is better, except for CPU received.",
        tuple(Panel(measure.title, _panel(runs, names, measure)) for measure, names in told),
        tuple(Key(run.policy, "box", theme.GREY, alpha=_strength(index)) for index, run in enumerate(runs)),
        noted(
            left_out(runs), f"The same under every policy, or not known: {', '.join(same)}." if same else ""
        ),
    )


def _telling(runs: Sequence[Run], workloads: Sequence[str], measure: Measure) -> list[str]:
    """The workloads with a value under some policy, if any of them differs by more than 1 %."""
    names, differs = [], False
    for name in workloads:
        values = [measure.value(run.fared(name)) for run in runs]
        known = [value for value in values if value is not None]
        if known and (max(known) > 0 or min(known) > 0):
            names.append(name)
            differs = differs or len(known) < len(values) or max(known) > min(known) * 1.01
    return names if differs else []


def _panel(runs: Sequence[Run], workloads: Sequence[str], measure: Measure) -> dict[str, Any]:
    names = [label(name) for name in workloads]
    classes = [next((run.qos_class(name) for run in runs if run.qos_class(name)), "") for name in workloads]
    colours = [theme.class_colour(qos_class) for qos_class in classes]
    values = [[measure.value(run.fared(name)) for name in workloads] for run in runs]
    most = max(value for row in values for value in row if value is not None)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label(run.policy),
            "x": row,
            "y": names,
            "marker": {"color": [theme.faint(colour, _strength(index)) for colour in colours]},
            "text": ["" if value is None else measure.form(value) for value in row],
            "textposition": "outside",
            "textfont": {"size": 11, "color": theme.INK},
            "cliponaxis": False,
            "hovertemplate": f"%{{y}} under {label(run.policy)}: %{{text}} {measure.unit}<extra></extra>",
        }
        for index, (run, row) in enumerate(zip(runs, values, strict=True))
    ]
    ticks = {"tickformat": ".0%"} if measure.form is percent else {}
    return {
        "data": traces,
        "layout": theme.layout(
            52 + len(workloads) * (10 + 16 * len(runs)),
            barmode="group",
            bargap=0.25,
            bargroupgap=0.12,
            # room for a label beside the axis would change the ticks, and they the room, without end
            xaxis=theme.axis(measure.unit, range=[0, most * 1.22], nticks=6, automargin="height", **ticks),
            yaxis=theme.axis(autorange="reversed", type="category", showgrid=False),
        ),
    }


def _strength(index: int) -> float:
    """How strong a policy's bars are: the first full, the others fainter."""
    return max(0.25, 1.0 - 0.3 * index)

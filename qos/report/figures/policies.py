"""The policies compared: each workload's key figures, one chart a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qos.model.summary import WorkloadSummary
from qos.report import theme
from qos.report.picture import Absent, Panel, Picture, label, noted
from qos.report.run import Run, chosen, left_out


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure a policy is judged by: title, unit of the axis, value, and its number format."""

    title: str
    unit: str
    value: Callable[[WorkloadSummary], float | None]
    form: str = ".3~g"


def _p99_ms(fared: WorkloadSummary) -> float | None:
    value = fared.latency_seconds.get("p99") if fared.completion_seconds is None else None
    return None if value is None else value * 1000


def _peak_mib(fared: WorkloadSummary) -> float | None:
    return None if fared.memory_peak_bytes is None else fared.memory_peak_bytes / 2**20


def _killed(fared: WorkloadSummary) -> float | None:
    return float(fared.oom_kills + fared.evictions)


MEASURES: Final[tuple[Measure, ...]] = (
    Measure("p99 latency", "ms, log scale", _p99_ms),
    Measure("throttled by its own limit", "of periods", lambda fared: fared.throttled_periods, ".0%"),
    Measure("waiting for a busy node", "of its time", lambda fared: fared.waited_for_cpu, ".1%"),
    Measure("CPU received", "CPU seconds", lambda fared: fared.cpu_seconds),
    Measure("batch done after", "s", lambda fared: fared.completion_seconds),
    Measure("peak memory", "MiB", _peak_mib),
    Measure("OOM kills and evictions", "count", _killed),
)


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A chart for each measure that tells the policies apart; rows of workloads, a mark for each policy."""
    if len(runs) < 2:
        return Absent("only one policy ran")
    workloads = chosen(runs)
    told = [(measure, names) for measure in MEASURES if (names := _telling(runs, workloads, measure))]
    if not told:
        return Absent("the policies do not differ in any figure")
    same = [measure.title for measure in MEASURES if measure not in [entry[0] for entry in told]]
    return Picture(
        "Which policy serves whom better?",
        "Each workload's figures under each policy; further left is better, except for CPU received.",
        tuple(Panel(measure.title, _panel(runs, names, measure)) for measure, names in told),
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
    traces = [_range(runs, workloads, measure)] + [
        {
            "type": "scatter",
            "mode": "markers",
            "name": label(run.policy),
            "x": [measure.value(run.fared(name)) for name in workloads],
            "y": names,
            "marker": {
                "symbol": theme.SYMBOLS[index % len(theme.SYMBOLS)] + ("-open" if index else ""),
                "size": 11,
                "color": colours,
                "line": {"width": 2, "color": colours},
            },
            "hovertemplate": f"%{{y}} under {label(run.policy)}: %{{x:{measure.form}}} {measure.unit}"
            "<extra></extra>",
        }
        for index, run in enumerate(runs)
    ]
    log = {"type": "log", "dtick": 1} if measure.value is _p99_ms else {"rangemode": "tozero", "nticks": 6}
    percent = {"tickformat": ".0%"} if measure.form.endswith("%") else {}
    return {
        "data": traces,
        "layout": theme.layout(
            112 + 34 * len(workloads),
            margin={"l": 8, "r": 16, "t": 46, "b": 40},
            xaxis=theme.axis(measure.unit, **log, **percent),
            yaxis=theme.axis(autorange="reversed", type="category"),
        ),
    }


def _range(runs: Sequence[Run], workloads: Sequence[str], measure: Measure) -> dict[str, Any]:
    """A faint line from the least to the greatest value of each workload, so that rows can be followed."""
    x: list[float | None] = []
    y: list[str | None] = []
    for name in workloads:
        known = [value for run in runs if (value := measure.value(run.fared(name))) is not None]
        x += [min(known), max(known), None]
        y += [label(name), label(name), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "showlegend": False,
        "hoverinfo": "skip",
        "line": {"color": theme.RULE, "width": 3},
    }

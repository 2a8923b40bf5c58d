"""One page of a sweep: each figure against the swept value, with the band that holds its mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qos.report import theme
from qos.report.numbers import digits, percent
from qos.report.page import NO_SCRIPT, answer_box, facts_of, header_of, html_document, section, write_html
from qos.report.picture import Key, Panel, Picture, label, noted

MOST_PANELS: Final = 12
_MOVED: Final = 1.01


@dataclass(frozen=True, slots=True)
class SweepAxis:
    """A swept field: its path, its values as typed, and where they stand on an axis (None: as names)."""

    text: str
    values: tuple[str, ...]
    positions: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class SweepLine:
    """One figure of one workload under one policy, a value for each point of the grid.

    Attributes:
        means: one a point in order of the grid, the last axis fastest; None where there is none.
        lows: lower end of the confidence interval, None where unknown.
        highs: its upper end.
    """

    workload: str
    figure: str
    policy: str
    means: tuple[float | None, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What the page tells."""

    title: str
    question: str
    axes: tuple[SweepAxis, ...]
    policies: tuple[str, ...]
    seeds: int
    interval: str
    lines: tuple[SweepLine, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Measure:
    figure: str
    words: str
    unit: str
    factor: float = 1.0
    part: bool = False


_MEASURES: Final = (
    _Measure("latency_p99_seconds", "p99 latency", "ms", 1000.0),
    _Measure("latency_p50_seconds", "median latency", "ms", 1000.0),
    _Measure("completion_seconds", "the end of the job", "s"),
    _Measure("throttled_ratio", "throttling by its own limit", "of periods", part=True),
    _Measure("waited_for_cpu", "waiting for a busy node", "of its time", part=True),
    _Measure("killed", "OOM kills and evictions", "count"),
    _Measure("cpu_seconds", "CPU received", "CPU seconds"),
    _Measure("memory_peak_bytes", "peak memory", "MiB", 1 / 2**20),
)


def write_sweep_page(report: SweepReport, answer: Sequence[str], path: Path) -> None:
    """Write the page of :func:`render_sweep_page`, whole or not at all.

    Raises:
        RecordingError: the disk refused.
    """
    write_html(render_sweep_page(report, answer), path)


def render_sweep_page(report: SweepReport, answer: Sequence[str]) -> str:
    """The page as HTML; it loads nothing from anywhere."""
    told = [(measure, lines) for measure in _MEASURES if (lines := _telling(report, measure))]
    same = [measure.words for measure in _MEASURES if measure not in [each[0] for each in told]]
    said = f"{', '.join(report.policies)} · {_points(report)} × {report.seeds} seeds, simulated"
    left_out = (
        f'<p class="note">The same at every point, or not known: {", ".join(same)}.</p>' if same else ""
    )
    main = [
        answer_box(answer),
        NO_SCRIPT,
        *(section(measure.figure, _picture(report, measure, lines)) for measure, lines in told),
        left_out,
        facts_of(report.facts),
    ]
    return html_document(report.title, header_of(report.title, report.question, said), main)


def _points(report: SweepReport) -> str:
    count = math.prod(len(axis.values) for axis in report.axes)
    return "1 point" if count == 1 else f"{count} points"


def _telling(report: SweepReport, measure: _Measure) -> list[SweepLine]:
    """The lines of the workloads whose figure moves; without an axis, of all that have it."""
    lines = [line for line in report.lines if line.figure == measure.figure]
    names = dict.fromkeys(line.workload for line in lines)
    return [
        line
        for name in names
        if _moves(report, [line for line in lines if line.workload == name])
        for line in lines
        if line.workload == name
    ]


def _moves(report: SweepReport, lines: Sequence[SweepLine]) -> bool:
    values = [value for line in lines for value in line.means if value is not None]
    if not values or max(values) <= 0:
        return False
    gaps = any(value is None for line in lines for value in line.means)
    return not report.axes or gaps or max(values) > min(values) * _MOVED


def _picture(report: SweepReport, measure: _Measure, lines: Sequence[SweepLine]) -> Picture:
    swept = " and ".join(axis.text for axis in report.axes)
    question = (
        f"What does {swept} do to {measure.words}?"
        if swept
        else f"How sure is {measure.words} over the seeds?"
    )
    panels = list(_panels(report, measure, lines))
    several = len(report.policies) > 1 and report.axes
    band = f", band: {report.interval}" if report.seeds > 1 else ""
    return Picture(
        question,
        f"Mean over {report.seeds} seeds{band}; {measure.unit}."
        if report.seeds > 1
        else f"In {measure.unit}.",
        tuple(panels[:MOST_PANELS]),
        tuple(
            Key(policy, "line", theme.policy_colour(index), theme.DASHES[index % len(theme.DASHES)])
            for index, policy in enumerate(report.policies)
        )
        if several
        else (),
        noted(f"{MOST_PANELS} of {len(panels)} charts are drawn." if len(panels) > MOST_PANELS else ""),
    )


def _panels(report: SweepReport, measure: _Measure, lines: Sequence[SweepLine]) -> Iterator[Panel]:
    """A chart a workload, and one for each combination of the axes behind the first."""
    inner = math.prod(len(axis.values) for axis in report.axes[1:])
    for workload in dict.fromkeys(line.workload for line in lines):
        mine = [line for line in lines if line.workload == workload]
        for offset in range(inner):
            title = label(" · ".join([workload, *_others(report, offset)]))
            yield Panel(title, _figure(report, measure, mine, offset, inner))


def _others(report: SweepReport, offset: int) -> list[str]:
    told: list[str] = []
    for axis in reversed(report.axes[1:]):
        offset, index = divmod(offset, len(axis.values))
        told.insert(0, f"{axis.text.rpartition('].')[2]}={axis.values[index]}")
    return told


def _figure(
    report: SweepReport, measure: _Measure, lines: Sequence[SweepLine], offset: int, inner: int
) -> dict[str, Any]:
    traces: list[dict[str, Any]] = []
    for line in lines:
        index = report.policies.index(line.policy)
        colour = theme.policy_colour(index)
        values = [_scaled(each[offset::inner], measure) for each in (line.means, line.lows, line.highs)]
        traces += _traces(
            report, measure, line.policy, colour, theme.DASHES[index % len(theme.DASHES)], values
        )
    ticks = {"tickformat": ".0%"} if measure.part else {}
    return {
        "data": traces,
        "layout": theme.layout(
            260,
            xaxis=_x_axis(report),
            yaxis=theme.axis(measure.unit, rangemode="tozero", **ticks),
        ),
    }


def _scaled(values: Sequence[float | None], measure: _Measure) -> list[float | None]:
    return [None if value is None else value * measure.factor for value in values]


def _x_axis(report: SweepReport) -> dict[str, Any]:
    if not report.axes:
        return theme.axis("", type="category")
    axis = report.axes[0]
    if axis.positions is None:
        return theme.axis(label(axis.text), type="category")
    few = len(axis.values) <= 9
    step = 1 if few else math.ceil(len(axis.values) / 8)
    return theme.axis(
        label(axis.text), tickvals=list(axis.positions[::step]), ticktext=list(axis.values[::step])
    )


def _traces(
    report: SweepReport,
    measure: _Measure,
    policy: str,
    colour: str,
    dash: str,
    values: Sequence[Sequence[float | None]],
) -> list[dict[str, Any]]:
    means, lows, highs = values
    axis = report.axes[0] if report.axes else None
    places: Sequence[Any] = [label(policy)] if axis is None else (axis.positions or axis.values)
    form = percent if measure.part else digits
    texts = [
        ""
        if mean is None
        else form(mean) + ("" if low is None or high is None else f" ({form(low)} to {form(high)})")
        for mean, low, high in zip(means, lows, highs, strict=True)
    ]
    line = {
        "type": "scatter", "mode": "lines+markers", "name": label(policy),
        "x": list(places), "y": list(means),
        "line": {"color": colour, "width": 2, "dash": dash}, "marker": {"color": colour, "size": 6},
        "text": texts, "hovertemplate": f"%{{x}}, {label(policy)}: %{{text}} {measure.unit}<extra></extra>",
    }  # fmt: skip
    if axis is None:
        half = [
            None if high is None or mean is None else high - mean
            for mean, high in zip(means, highs, strict=True)
        ]
        return [line | {"mode": "markers", "error_y": {"type": "data", "array": half, "color": colour}}]
    known = [index for index, low in enumerate(lows) if low is not None]
    if not known:
        return [line]
    shared = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"width": 0, "color": colour},
              "x": [places[index] for index in known]}  # fmt: skip
    return [
        shared | {"y": [lows[index] for index in known]},
        shared
        | {"y": [highs[index] for index in known], "fill": "tonexty", "fillcolor": theme.faint(colour, 0.2)},
        line,
    ]

"""Charts of answers that are no run: bars side by side, curves with a limit, and a page of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qos.report import theme
from qos.report.numbers import digits
from qos.report.page import NO_SCRIPT, answer_box, facts_of, header_of, html_document, section, write_html
from qos.report.picture import Key, Picture, label

_BAR_HEIGHT: Final = 17
_GAP_HEIGHT: Final = 14


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """A page that answers one question.

    Attributes:
        title: its name.
        question: what is asked.
        said: what it rests on, in a line.
        answer: sentences, the most important one first.
        pictures: (name for links, picture), in order.
        facts: how to get the same result.
    """

    title: str
    question: str
    said: str
    answer: tuple[str, ...]
    pictures: tuple[tuple[str, Picture], ...]
    facts: tuple[tuple[str, str], ...]


def render_answer(page: AnswerPage) -> str:
    """The page as HTML; it loads nothing from anywhere."""
    main = [
        answer_box(page.answer),
        NO_SCRIPT,
        *(section(name, picture) for name, picture in page.pictures),
        facts_of(page.facts),
    ]
    return html_document(page.title, header_of(page.title, page.question, page.said), main)


def write_answer(page: AnswerPage, path: Path) -> None:
    """Write the page of :func:`render_answer`, whole or not at all.

    Raises:
        RecordingError: the disk refused.
    """
    write_html(render_answer(page), path)


def series_keys(names: Sequence[str]) -> tuple[Key, ...]:
    """The legend of bars or curves, in the order of their colours."""
    return tuple(Key(name, "box", _colour(index, name)) for index, name in enumerate(names))


def _colour(index: int, name: str) -> str:
    """That of a QOSClass where the series is one, else by its place."""
    return theme.CLASS_COLOUR.get(name) or theme.policy_colour(index)


def bars(
    rows: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    axis: str,
    words: Callable[[float], str] = digits,
    *,
    stacked: bool = False,
) -> dict[str, Any]:
    """Horizontal bars: a group a row, a bar a series; each tells its value beside it.

    Args:
        rows: what the groups are of, the first on top.
        series: (name, a value a row; None or infinite is told as such and not drawn).
        axis: the quantity and its unit.
        words: a value as text.
        stacked: parts of 100 end to end instead of bars one below the other.
    """
    shown = [label(name) for name in rows]
    traces = []
    for index, (name, values) in enumerate(series):
        drawn = [value if value is not None and math.isfinite(value) else 0.0 for value in values]
        told = [
            "" if value is None else words(value) if math.isfinite(value) else "never" for value in values
        ]
        traces.append(
            {
                "type": "bar", "orientation": "h", "name": label(name), "y": shown, "x": drawn, "text": told,
                "textposition": "none" if stacked else "outside", "cliponaxis": False,
                "marker": {"color": _colour(index, name)},
                "textfont": {"size": 11, "color": theme.INK},
                "hovertemplate": f"%{{y}}, {label(name)}: %{{text}}<extra></extra>",
            }
        )  # fmt: skip
    most = max((x for trace in traces for x in trace["x"]), default=0.0)  # type: ignore[attr-defined]
    each = 1 if stacked else len(series)
    layout = theme.layout(
        90 + len(rows) * (each * _BAR_HEIGHT + _GAP_HEIGHT),
        barmode="stack" if stacked else "group",
        bargap=0.25,
        xaxis=theme.axis(axis, rangemode="tozero", range=[0, 100 if stacked else most * 1.25 or 1]),
        yaxis=theme.axis("", autorange="reversed", type="category"),
    )
    return {"data": traces, "layout": layout}


def curve(
    times: Sequence[float | str],
    lines: Sequence[tuple[str, Sequence[float | None]]],
    axes: tuple[str, str],
    *,
    limit: tuple[str, float] | None = None,
    mark: tuple[float | str, str] | None = None,
) -> dict[str, Any]:
    """Curves over time, each value until the next, with a limit across and a moment marked.

    Args:
        times: of the values; ISO dates or numbers.
        lines: (name, a value a time).
        axes: titles of the horizontal and vertical axis.
        limit: (name, value) of a horizontal line.
        mark: (time, name) of a vertical line.
    """
    traces: list[dict[str, Any]] = []
    for index, (name, values) in enumerate(lines):
        colour, dash = theme.policy_colour(index), theme.DASHES[index % len(theme.DASHES)]
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": label(name), "x": list(times), "y": list(values),
                "line": {"color": colour, "width": 2, "dash": dash, "shape": "hv"},
                "hovertemplate": f"%{{x}}, {label(name)}: %{{y:.4~g}}<extra></extra>",
            }
        )  # fmt: skip
    shapes, notes = _limit_and_mark(limit, mark)
    layout = theme.layout(
        320, xaxis=theme.axis(axes[0]), yaxis=theme.axis(axes[1], rangemode="tozero"),
        shapes=shapes, annotations=notes,
    )  # fmt: skip
    return {"data": traces, "layout": layout}


def _limit_and_mark(
    limit: tuple[str, float] | None, mark: tuple[float | str, str] | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if limit:
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit[1], "y1": limit[1],
             "line": {"color": theme.VERMILION, "width": 2, "dash": "dash"}}
        )  # fmt: skip
        notes.append(
            {"xref": "paper", "x": 0.01, "xanchor": "left", "y": limit[1], "yanchor": "bottom",
             "showarrow": False, "text": label(limit[0]), "font": {"size": 11, "color": theme.VERMILION}}
        )  # fmt: skip
    if mark:
        shapes.append(
            {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": mark[0], "x1": mark[0],
             "line": {"color": theme.MUTED, "width": 1, "dash": "dot"}}
        )  # fmt: skip
        notes.append(
            {"yref": "paper", "y": 0.03, "yanchor": "bottom", "x": mark[0], "xanchor": "right",
             "showarrow": False, "text": label(mark[1]), "font": {"size": 11, "color": theme.MUTED}}
        )  # fmt: skip
    return shapes, notes

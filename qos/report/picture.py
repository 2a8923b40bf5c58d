"""A picture: the question it answers, how to read it, and one chart or one for each policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from qos.report import theme
from qos.report.run import Run


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: its title ("" where the picture has only one) and a plotly figure."""

    title: str
    figure: Any


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend.

    Attributes:
        text: what it stands for.
        shape: "line", "box", or a marker's symbol ("circle", "diamond-open" …).
        colour: one of the theme's.
        dash: style of a line.
        alpha: how strong a box is filled.
    """

    text: str
    shape: str
    colour: str
    dash: str = "solid"
    alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a picture; the last column may be long."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a figure's file draws.

    Attributes:
        question: what the picture answers, as its title.
        reading: one sentence on how to read it, units included.
        panels: the charts, side by side where there is room.
        keys: the legend that all of them share.
        notes: what is left out or estimated.
        wide: whether each chart needs the page's whole width.
        table: what must be readable without pointing, below the charts.
    """

    question: str
    reading: str
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    wide: bool = False
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Why a picture cannot be drawn of these recordings, in words."""

    reason: str


def label(text: str) -> str:
    """A name from outside as plotly shall show it: to the letter, whatever tags it holds."""
    return escape(text, quote=False)


def dashes(run: Run, workloads: Sequence[str]) -> dict[str, str]:
    """A line style for each workload; workloads of one class, which share a colour, differ in it."""
    count: dict[str, int] = {}
    styles = {}
    for name in workloads:
        qos_class = run.qos_class(name)
        styles[name] = theme.DASHES[count.get(qos_class, 0) % len(theme.DASHES)]
        count[qos_class] = count.get(qos_class, 0) + 1
    return styles


def noted(*notes: str) -> tuple[str, ...]:
    """The notes that say something."""
    return tuple(note for note in notes if note)


def row_titles(workloads: Sequence[str], run: Run) -> Iterator[tuple[str, str]]:
    """The title of a workload's row and its colour: "web · Burstable · 2 containers"."""
    for name in workloads:
        qos_class, count = run.qos_class(name), len(run.cgroups(name))
        parts = (name, qos_class, f"{count} containers" if count > 1 else "")
        yield label(" · ".join(filter(None, parts))), theme.class_colour(qos_class)

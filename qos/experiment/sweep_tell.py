"""A sweep told: the sentences that answer first, and a table of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qos.experiment.sweep_result import KILLED, Row, SweepResult
from qos.record.spread import METHOD
from qos.record.words import duration_text, percent_text

_MOST_SENTENCES: Final = 5
_MOVED: Final = 1.02


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as people read it: its column, its name in a sentence, and how a value is written."""

    name: str
    head: str
    words: str
    text: Callable[[float], str]


def _count_text(value: float) -> str:
    return f"{value:.3g}"


FIGURES: Final = (
    Figure("latency_p99_seconds", "P99", "p99", duration_text),
    Figure("completion_seconds", "DONE AT", "done at", duration_text),
    Figure("throttled_ratio", "THROTTLED", "throttled", percent_text),
    Figure("waited_for_cpu", "WAITED", "waiting for a busy node", percent_text),
    Figure(KILLED, "KILLED", "kills and evictions", _count_text),
)


def answer(found: SweepResult) -> list[str]:
    """What a reader wants to know first: which figures move most from end to end of the sweep."""
    seeds = len(found.sweep.seeds)
    if not found.sweep.axes:
        sentences = list(_over_seeds(found))
    else:
        sentences = [text for _, text in sorted(_moves(found), key=lambda each: -each[0])]
    if not sentences:
        more = " by more than the seeds' own spread" if seeds > 1 else ""
        sentences = [f"No figure of a workload moves over this sweep{more}."]
    if seeds > 1:
        told = f"Means over {seeds} seeds, ± half of the 95 % confidence interval of the mean ({METHOD})."
        return [*sentences[:_MOST_SENTENCES], told]
    return sentences[:_MOST_SENTENCES]


def _over_seeds(found: SweepResult) -> Iterator[str]:
    for workload in found.classes:
        for figure in _shown(found, workload)[:2]:
            values = [
                f"{_text(figure, row)} under {policy}"
                for policy in found.sweep.policies
                for row in found.of(workload, figure.name, policy).values()
            ]
            if values:
                yield f"{workload} {figure.words} {', '.join(values)}"


def _moves(found: SweepResult) -> Iterator[tuple[float, str]]:
    """How far each figure moves, with a sentence, the intervals of whose ends lie apart."""
    for workload in found.classes:
        for figure in _shown(found, workload):
            for policy in found.sweep.policies:
                rows = sorted(
                    found.of(workload, figure.name, policy).values(), key=lambda row: row.spread.mean
                )
                if len(rows) < 2 or not _apart(rows[0], rows[-1]):
                    continue
                low, high = rows[0], rows[-1]
                first, last = sorted((low, high), key=lambda row: row.point)
                ratio = high.spread.mean / max(low.spread.mean, 1e-9)
                under = f" under {policy}" if len(found.sweep.policies) > 1 else ""
                yield (
                    min(ratio, 1e6) * (100.0 if figure is FIGURES[0] else 1.0),
                    _moved_text(found, figure, first, last) + under,
                )


def _moved_text(found: SweepResult, figure: Figure, first: Row, last: Row) -> str:
    ends = [f"{_text(figure, row)} at {_at(found, row)}" for row in (first, last)]
    return f"{first.workload} {figure.words}: {' → '.join(ends)}"


def _apart(low: Row, high: Row) -> bool:
    if low.spread.high is not None and high.spread.low is not None:
        return low.spread.high < high.spread.low
    return high.spread.mean > low.spread.mean * _MOVED and high.spread.mean > 1e-9


def _at(found: SweepResult, row: Row) -> str:
    names = _short_names(found)
    return " ".join(
        f"{name}={value}" for name, value in zip(names, found.place(row.point).values(), strict=True)
    )


def _text(figure: Figure, row: Row) -> str:
    half = row.spread.half
    text = figure.text(row.spread.mean)
    if half is not None:
        number, _, unit = text.partition(" ")
        wide = figure.text(half)
        # "38 ±2 %" where both have one unit, else "1.2 s ±40 ms"
        text = f"{number if unit == wide.partition(' ')[2] else text} ±{wide}"
    return text if row.spread.n == row.runs else f"{text} ({row.spread.n}/{row.runs})"


def _shown(found: SweepResult, workload: str) -> list[Figure]:
    """The figures a workload is told by; a batch job has an end instead of latencies."""
    there = set(found.figures(workload))
    batch = "completion_seconds" in there
    return [
        each for each in FIGURES if each.name in there and not (batch and each.name.startswith("latency"))
    ]


def table(found: SweepResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headers and cells: a line a workload, and below it one a point and policy."""
    several = len(found.sweep.policies) > 1
    figures = [
        figure
        for figure in FIGURES
        if any(row.figure == figure.name and row.spread.most > 0 for row in found.rows)
    ]
    heads = (*_short_names(found), *(["POLICY"] if several or not found.sweep.axes else []))
    rows: list[tuple[str, ...]] = []
    for workload, class_ in found.classes.items():
        mine = _shown(found, workload)
        cells = {
            (figure.name, policy): found.of(workload, figure.name, policy)
            for figure in mine
            for policy in found.sweep.policies
        }
        rows.append((f"{workload} ({class_ or 'no class'})", *[""] * (len(heads) + len(figures) - 1)))
        for point in range(len(found.sweep.points)):
            for policy in found.sweep.policies:
                where = [
                    *found.place(point).values(),
                    *([policy] if len(heads) > len(found.sweep.axes) else []),
                ]
                rows.append((f"  {where[0]}", *where[1:], *_cells(figures, mine, cells, point, policy)))
    return ("  " + heads[0], *heads[1:], *(figure.head for figure in figures)), rows


def _cells(
    figures: Sequence[Figure],
    mine: Sequence[Figure],
    cells: Mapping[tuple[str, str], Mapping[int, Row]],
    point: int,
    policy: str,
) -> list[str]:
    made = []
    for figure in figures:
        row = cells[figure.name, policy].get(point) if figure in mine else None
        made.append(
            "-" if row is None or (figure.name == KILLED and not row.spread.most) else _text(figure, row)
        )
    return made


def _short_names(found: SweepResult) -> list[str]:
    """The swept fields without what they belong to, where that is enough to tell them apart."""
    full = [axis.text for axis in found.sweep.axes]
    short = [text.rpartition("]")[2].lstrip(".") or text for text in full]
    return short if len(set(short)) == len(short) else full

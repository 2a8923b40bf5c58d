"""Which errors of stored measurements are accepted: the gate that keeps a prediction as close as it was.

A line that came closer is taken over at once; one that moved away only with a reason, kept beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from qos.record.fidelity import Line

SLACK: Final = 0.001
"""A tenth of a per cent, or of a point: less than any measurement here can tell."""


@dataclass(frozen=True, slots=True)
class Held:
    """The accepted error of one line.

    Attributes:
        error: without its sign; infinite where only one side has the metric.
        reason: why it was once let grow; empty if it never was.
    """

    error: float
    reason: str = ""

    def to_json(self) -> float | list[Any] | None:
        """The error, null for infinite; with a reason a list of both."""
        error = round(self.error, 5) if math.isfinite(self.error) else None
        return [error, self.reason] if self.reason else error

    @classmethod
    def from_json(cls, told: float | list[Any] | None) -> Self:
        """What :meth:`to_json` gave."""
        error, reason = told if isinstance(told, list) else (told, "")
        return cls(math.inf if error is None else float(error), str(reason))


@dataclass(frozen=True, slots=True)
class Move:
    """A line whose error is not the accepted one; ``before``: None if new, ``after``: None if lost."""

    line: str
    before: float | None
    after: float | None
    worse: bool

    def words(self) -> str:
        """``cpu_usage web/c: 0.0012 -> 0.0340, worse``."""
        told = (self.before, self.after)
        before, after = ("none" if value is None else f"{value:.4f}" for value in told)
        how = "worse" if self.worse else "new" if self.before is None else "closer, or in the noise"
        return f"{self.line}: {before} -> {after}, {how}"


def line_name(line: Line) -> str:
    """``metric subject``: what a line is called where its error is kept."""
    return f"{line.metric} {line.subject}"


def moves(lines: Sequence[Line], held: Mapping[str, Held]) -> list[Move]:
    """What differs from the accepted errors by more than :data:`SLACK`, the worse first.

    A line is worse if it is farther off than accepted and the noise of the measurement does not excuse it, or
    if it is no longer there; a line not held before is new.
    """
    found = []
    for line in lines:
        error, before = abs(line.error), held.get(line_name(line))
        if before is None:
            found.append(Move(line_name(line), None, error, worse=False))
        elif not (error == before.error or abs(error - before.error) <= SLACK):
            worse = error > before.error and line.verdict != "in noise"
            found.append(Move(line_name(line), before.error, error, worse))
    there = {line_name(line) for line in lines}
    found += [Move(name, each.error, None, worse=True) for name, each in held.items() if name not in there]
    return sorted(found, key=lambda move: not move.worse)


def accept(lines: Sequence[Line], held: Mapping[str, Held], reason: str = "") -> dict[str, Held]:
    """The errors to hold from now on: all that moved, but what became worse only with a reason.

    Args:
        lines: of today.
        held: accepted before.
        reason: why what became worse shall be accepted; empty: it is not.
    """
    kept = dict(held)
    for move in moves(lines, held):
        if move.worse and not reason:
            continue
        if move.after is None:
            del kept[move.line]
        else:
            kept[move.line] = Held(move.after, reason if move.worse else "")
    return kept

"""How many copies until an objective breaks: doubling, then halving, over judged numbers of copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qos.capacity.objective import Judged

Probe = Callable[[int], tuple[Judged, ...]]


@dataclass(frozen=True, slots=True)
class Break:
    """Where objectives break.

    Attributes:
        sure: so many copies hold every objective with the asked confidence; 0 where not even one does.
        broken: from so many on one certainly breaks; None where none was seen to break. Between ``sure`` and
            ``broken`` more runs would be needed to tell.
        binding: what does not hold any more at ``sure`` + 1; () where all that was asked for holds.
        probed: copies → every objective there, in order of copies.
        most: the largest number looked at.
    """

    sure: int
    broken: int | None
    binding: tuple[Judged, ...]
    probed: Mapping[int, tuple[Judged, ...]]
    most: int


def find_break(probe: Probe, most: int) -> Break:
    """The largest number of copies that holds, and the smallest that surely breaks, up to ``most``.

    Takes it that more copies are never better. Looks at about 2·log2(most) numbers.
    """
    probed: dict[int, tuple[Judged, ...]] = {}

    def look(copies: int) -> tuple[Judged, ...]:
        if copies not in probed:
            probed[copies] = probe(copies)
        return probed[copies]

    def holds(copies: int) -> bool:
        return all(each.holds for each in look(copies))

    def whole(copies: int) -> bool:
        return not any(each.breaks for each in look(copies))

    sure = _last(holds, 0, most)
    unbroken = sure if sure == most else _last(whole, sure, most)
    broken = None if unbroken == most else unbroken + 1
    binding = tuple(each for each in look(sure + 1) if not each.holds) if sure < most else ()
    return Break(sure, broken, binding, dict(sorted(probed.items())), most)


def _last(fine: Callable[[int], bool], known: int, most: int) -> int:
    """The last number from ``known`` (which is fine) to ``most`` that is fine."""
    low, step = known, 1
    while low < most:
        there = min(most, low + step)
        if not fine(there):
            break
        low, step = there, step * 2
    else:
        return most
    high = there
    while high - low > 1:
        middle = (low + high) // 2
        if fine(middle):
            low = middle
        else:
            high = middle
    return low

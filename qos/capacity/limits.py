"""Keep CPU limits, remove them, or give them burst: decided from how everybody fares under each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Choice = Literal["no matter", "remove", "burst", "keep"]
WITH, WITHOUT, BURST = "kubelet", "no-cpu-limits", "cpu-burst"
BETTER: Final = 0.9
"""A p99 of at most this part of another is better."""
WORSE: Final = 1.1
_SELDOM: Final = 0.01
_TINY_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class Fared:
    """How one container fared.

    Attributes:
        p50_seconds: median time of a piece of work; None where it has none.
        p99_seconds: 99th percentile; inf where more than 1 % were never served.
        throttled: part of its periods.
        throttled_queues: run queues throttled, on average.
        waited: part of the time in which a thread of it waited (cpu.pressure), None if not known.
        cpus: used on average.
    """

    p50_seconds: float | None
    p99_seconds: float | None
    throttled: float
    throttled_queues: float
    waited: float | None
    cpus: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, for whom and against whom.

    Attributes:
        choice: what is best.
        victim: the container the limit hurts most; None where it hurts nobody.
        neighbour: the one that removing limits hurts most; None where there is no other with a p99.
    """

    choice: Choice
    victim: str | None
    neighbour: str | None


def decide(members: Sequence[tuple[str, Mapping[str, Fared]]]) -> Verdict:
    """The verdict; the first member is the victim.

    Removing limits is right where the victim's p99 falls to 90 % or less and nobody else's rises above 110 %;
    burst where that holds for burst only; a limit that throttles in at most 1 % of periods does not matter.
    """
    if not members:
        return Verdict("no matter", None, None)
    victim, fared = members[0]
    others = members[1:]
    neighbour = max(others, key=lambda each: _rise(each[1], WITHOUT), default=None)
    name = neighbour[0] if neighbour and neighbour[1][WITH].p99_seconds is not None else None
    if fared[WITH].throttled <= _SELDOM:
        return Verdict("no matter", None, name)
    choice: Choice = "keep"
    for policy, said in ((WITHOUT, "remove"), (BURST, "burst")):
        if _gains(fared, policy) and all(not _hurts(each, policy) for _, each in others):
            choice = "remove" if said == "remove" else "burst"
            break
    return Verdict(choice, victim, name)


def _gains(fared: Mapping[str, Fared], policy: str) -> bool:
    before, after = fared[WITH].p99_seconds, fared[policy].p99_seconds
    if before is None or after is None:
        return fared[policy].cpus > fared[WITH].cpus * WORSE
    return after <= before * BETTER and after < math.inf


def _hurts(fared: Mapping[str, Fared], policy: str) -> bool:
    before, after = fared[WITH].p99_seconds, fared[policy].p99_seconds
    if before is None or after is None:
        return False
    return after > before * WORSE and after - before > _TINY_SECONDS


def _rise(fared: Mapping[str, Fared], policy: str) -> float:
    before, after = fared[WITH].p99_seconds, fared[policy].p99_seconds
    if before is None or after is None:
        return -math.inf
    return (after + 1e-9) / (before + 1e-9) if after < math.inf else math.inf

"""A recommendation replayed on usage it has not seen: OOM kills, CPU that comes late, waste, cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from qos.capacity.price import Price
from qos.model.usage import Floats, Usage, lengths

_BACKOFF_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a recommendation fared.

    Attributes:
        oom_kills: times the memory wanted passed the limit; one for every five minutes it stays there, which
            is the longest back-off between restarts. None where memory is not known.
        late: part of the CPU time wanted that came after its interval, the container held to its request:
            by a limit as large, or by neighbours that take all they can.
        wasted_cpus: requested and not used, on average over the time.
        wasted_bytes: the same of memory.
        cost_a_month: of what is requested, by the price given.
    """

    oom_kills: int | None
    late: float | None
    wasted_cpus: float
    wasted_bytes: float
    cost_a_month: float


def late_share(cpu: Floats, times: Floats, cpus: float) -> float:
    """Part of the work that is not done in the interval it came in, with ``cpus`` at most; 0 for no work.

    Work left over is done first. 2 CPUs wanted in one of two equal intervals, with 1: half of 2 is late.

    >>> late_share(np.array([2.0, 0.0]), np.array([0.0, 60.0]), 1.0)
    0.5
    """
    if not len(cpu):
        return 0.0
    length = lengths(times)
    work, can = cpu * length, cpus * length
    total = float(work.sum())
    if total <= 0:
        return 0.0
    level = np.cumsum(work - can)
    backlog = level - np.minimum.accumulate(np.minimum(level, 0.0))
    before = np.concatenate([[0.0], backlog[:-1]])
    late = np.maximum(0.0, work - np.maximum(0.0, can - before))
    return float(late.sum()) / total


def replay(usage: Usage, cpu_milli: int | None, memory_bytes: int | None, price: Price) -> Replayed:
    """Usage replayed with a request of CPU and a request and limit of memory; None: not recommended."""
    late, kills = None, None
    wasted_cpus = wasted_bytes = 0.0
    if cpu_milli is not None and len(usage.cpu):
        cpus, length = cpu_milli / 1000, lengths(usage.cpu_times)
        late = late_share(usage.cpu, usage.cpu_times, cpus)
        wasted_cpus = float((np.maximum(0.0, cpus - usage.cpu) * length).sum() / length.sum())
    if memory_bytes is not None and len(usage.memory):
        length = lengths(usage.memory_times)
        over = usage.memory > memory_bytes
        kills = _kills(over, length)
        wasted_bytes = float((np.maximum(0.0, memory_bytes - usage.memory) * length).sum() / length.sum())
    cost = price.a_month((cpu_milli or 0) / 1000, float(memory_bytes or 0))
    return Replayed(kills, late, wasted_cpus, wasted_bytes, cost)


def _kills(over: np.ndarray[tuple[int], np.dtype[np.bool_]], length: Floats) -> int:
    """Each stretch above the limit kills when it begins, and again after every back-off."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(np.int8)))
    ends = np.concatenate([[0.0], np.cumsum(length)])
    starts, stops = edges[::2], edges[1::2]
    return (
        int(np.ceil((ends[stops] - ends[starts]) / _BACKOFF_SECONDS - 1e-9).clip(1).sum())
        if len(edges)
        else 0
    )

"""A CPU shape's feed of work, cut into the pieces that a load's workers take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Feed = Iterator[tuple[Floats, Floats]]
Kind = Literal["spin", "work", "requests", "batch"]

_BATCH_PIECES: Final = 200
_BATCH_PIECE_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class CpuDemand:
    """What a CPU shape wants, ready to be carried out.

    Attributes:
        kind: ``spin`` (always running), ``work`` (pieces shared by the threads), ``requests`` (each on one
            thread), ``batch`` (one finite job).
        threads: processes that work, each on one CPU at a time.
        feed: (times (N,), CPU seconds (N,)), again and again in order of time; of ``spin`` the start, and
            the stop if there is one.
        whole: each piece of ``work`` is for one thread, not a part for each.
    """

    kind: Kind
    threads: int
    feed: Feed
    whole: bool = False


def cut(cpu: CpuDemand, times: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """A feed's chunk as pieces for the workers: each thread its part; a batch finer, so that all end at once.

    Requests and pieces of a tick stay whole. Pieces without work are left out.
    """
    if cpu.kind == "requests":
        return times, costs
    parts = 1 if cpu.whole else cpu.threads
    if cpu.kind == "batch":
        finest = max(_BATCH_PIECE_SECONDS, float(costs.sum()) / _BATCH_PIECES)
        parts = max(parts, int(float(costs.max()) / finest))
        parts += -parts % cpu.threads
    wanted = costs > 0.0
    return np.repeat(times[wanted], parts), np.repeat(costs[wanted] / parts, parts)

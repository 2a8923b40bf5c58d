"""Which of a machine's scheduler is computed: a fluid share, or slices from tick to tick on one CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.model.profile import Version
from qos.simulate.layout import AT_ONCE, LEFT, QUEUED
from qos.simulate.slices import COARSE, CURRENT, EEVDF, SLICE_FIELDS, TICK
from qos.simulate.vruntime import CREDIT

EEVDF_SINCE: Final[Version] = (6, 6)
LEFT_SINCE: Final[Version] = (6, 18)
"""Tasks are throttled on their way back to user mode (record_throttle_clock in kernel/sched/fair.c)."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """The scheduler's tick of a machine.

    Attributes:
        seconds: between two, 1/CONFIG_HZ: 0.004 on Debian and most cloud images, 0.001 on others.
        coarse_clock: runtime is read from a clock that moves with it: User Mode Linux, no real host.
        wake_seconds: so long after its time a sleeper runs: 50 us of timer slack, and the way to the CPU.
        slices: CPU is given from tick to tick; else shared as a fluid, and only quotas go by ticks.
    """

    seconds: float
    coarse_clock: bool = False
    wake_seconds: float = 0.0001
    slices: bool = True


def slices_of(ticks: Ticks | None, cpus: int, version: Version) -> NDArray[np.float64]:
    """The engine's clock of slices; a machine of several CPUs is shared as a fluid."""
    clock = np.zeros(SLICE_FIELDS)
    if ticks is not None and ticks.slices and cpus == 1:
        clock[TICK] = ticks.seconds
        clock[COARSE] = float(ticks.coarse_clock)
        clock[EEVDF] = float(version >= EEVDF_SINCE)
    clock[CURRENT] = -1.0
    return clock


def quota_ticks(ticks: Ticks | None, version: Version) -> tuple[float, int]:
    """At multiples of what an empty quota is noticed (0: at once), and when a throttled wait begins."""
    if ticks is None or ticks.slices:
        return 0.0, AT_ONCE
    return ticks.seconds, LEFT if version >= LEFT_SINCE else QUEUED if version >= EEVDF_SINCE else AT_ONCE


def wake_of(ticks: Ticks | None, slices: NDArray[np.float64]) -> float:
    """How late a sleeper runs, in seconds; 0 where neither CPU nor quotas go by ticks."""
    return ticks.wake_seconds if ticks is not None and (slices[TICK] or not ticks.slices) else 0.0


def credit_of(slices: NDArray[np.float64]) -> float | None:
    """How far ahead a waking thread is put of its leaf's others; None: CPU is not given in slices."""
    if slices[TICK] == 0.0:
        return None
    return 0.0 if slices[EEVDF] else CREDIT

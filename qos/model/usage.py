"""Usage of one container over time, to fit a recommendation to and to replay it on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _none() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one container used.

    Attributes:
        name: what to call it: ``namespace/pod:container`` where known.
        cpu_times: (T,) start of each interval in seconds, rising; an interval ends where the next begins.
        cpu: (T,) CPUs used on average in the interval.
        memory_times: (M,) seconds, rising.
        memory: (M,) highest bytes in the interval; empty where unknown.
        oom: (time, bytes) of each OOM kill seen, with the limit it died at.
    """

    name: str
    cpu_times: Floats = field(default_factory=_none)
    cpu: Floats = field(default_factory=_none)
    memory_times: Floats = field(default_factory=_none)
    memory: Floats = field(default_factory=_none)
    oom: tuple[tuple[float, float], ...] = ()

    def until(self, fraction: float) -> tuple[Usage, Usage]:
        """The first part of the time and the rest; a fraction of 0.5 halves the time, not the rows."""
        times = np.concatenate([self.cpu_times, self.memory_times])
        if not len(times):
            return self, self
        at = float(times.min() + (times.max() - times.min()) * fraction)
        return self._between(-np.inf, at), self._between(at, np.inf)

    def _between(self, start: float, end: float) -> Usage:
        of_cpu = (self.cpu_times >= start) & (self.cpu_times < end)
        of_memory = (self.memory_times >= start) & (self.memory_times < end)
        return replace(
            self,
            cpu_times=self.cpu_times[of_cpu], cpu=self.cpu[of_cpu],
            memory_times=self.memory_times[of_memory], memory=self.memory[of_memory],
            oom=tuple(each for each in self.oom if start <= each[0] < end),
        )  # fmt: skip


def lengths(times: Floats) -> Floats:
    """(T,) seconds of each interval; a gap counts as one ordinary (median) interval, as does the last.

    >>> lengths(np.array([0.0, 60.0, 120.0, 9000.0])).tolist()
    [60.0, 60.0, 60.0, 60.0]
    """
    if len(times) < 2:
        return np.ones(len(times))
    steps = np.diff(times)
    usual = float(np.median(steps))
    steps = np.where(steps > 3 * usual, usual, steps)
    return np.append(steps, usual)

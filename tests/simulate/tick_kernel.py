"""One CPU, a pod and its only container under cpu.max, as kernel/sched/fair.c has them from Linux 6.4 on.

Slow and literal, in exact fractions: one task that always runs; runtime goes from a pool to the run queue in
slices and is looked at on ticks, and each period's timer has an offset of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

SLICE: Final = Fraction(5, 1000)
KEPT: Final = Fraction(1, 1000)


@dataclass
class Level:
    """A cgroup's bandwidth: its pool, what lies on its run queue, and what was counted. Times in seconds."""

    quota: Fraction
    ends: Fraction  # when the period does
    period: Fraction = Fraction(1, 10)
    pool: Fraction = field(init=False)
    local: Fraction = KEPT
    throttled: bool = False
    idle: bool = False
    clock: Fraction | None = None
    nr_periods: int = 0
    nr_throttled: int = 0
    throttled_time: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        """Begin with a full pool."""
        self.pool = self.quota

    def take(self, wanted: Fraction) -> bool:
        """Get runtime from the pool until ``wanted`` lies on the run queue; whether any lies there then."""
        amount = min(self.pool, wanted - self.local)
        self.pool -= amount
        self.local += amount
        self.idle = self.idle and amount == 0
        return self.local > 0


class TickKernel:
    """The machine.

    Args:
        container: its cgroup.
        pod: the one above.
        tick: seconds between two.
        waits_begin: "queued" (6.6 to 6.17) or "left" (from 6.18).
    """

    def __init__(
        self,
        container: Level,
        pod: Level,
        tick: Fraction,
        waits_begin: str,
    ) -> None:
        self.levels = (container, pod)
        self.tick, self.waits_begin = tick, waits_begin
        self.now = self.usage = self.booked = Fraction(0)
        self.running = False
        self._run_if_it_may()

    def advance(self, until: Fraction) -> None:
        """Let time pass, from one thing that may happen to the next."""
        while True:
            then = min(level.ends for level in self.levels)
            if self.running:
                then = min(then, (self.now // self.tick + 1) * self.tick)
            if then > until:
                self._pass(until)
                return
            self._pass(then)
            for level in self.levels:
                if level.ends == self.now:
                    self._period_ends(level)
            if self.running and self.now % self.tick == 0:
                self._look()
            self._run_if_it_may()

    def _pass(self, then: Fraction) -> None:
        if self.running:
            self.usage += then - self.now
        self.now = then

    def _book(self) -> None:
        for level in self.levels:
            level.local -= self.usage - self.booked
        self.booked = self.usage

    def _look(self) -> None:
        """A tick: update_curr on each level, throttle_cfs_rq where nothing is left."""
        self._book()
        dry = [level for level in self.levels if level.local <= 0 and not level.take(SLICE)]
        for level in dry:
            level.throttled = True
        if not dry:
            return
        self.running = False
        container = self.levels[0]
        for level in dry:
            has_queued = level is container or container not in dry
            if has_queued or self.waits_begin == "left":
                level.clock = self.now
        if container not in dry and self.waits_begin == "queued":
            return  # only the pod was taken off; container and task stay queued in it
        for level in self.levels:
            level.pool += max(level.local - KEPT, Fraction(0))
            level.local = min(level.local, KEPT)

    def _run_if_it_may(self) -> None:
        container, pod = self.levels
        if not container.throttled and pod.throttled and pod.clock is None:
            pod.clock = self.now
        self.running = not container.throttled and not pod.throttled

    def _period_ends(self, level: Level) -> None:
        level.ends += level.period
        level.nr_periods += 1
        level.pool = min(level.pool + level.quota, level.quota)
        if not level.throttled:
            level.idle = True
            return
        level.nr_throttled += 1
        level.take(Fraction(0))
        level.throttled = level.pool <= 0
        if not level.throttled and level.clock is not None:
            level.throttled_time += self.now - level.clock
            level.clock = None

"""A slow, obvious model of CPU on a cgroup v2 machine, exact in fractions, that the engine must agree with.

Nothing is skipped and nothing is clever: every period of every quota is a step, sharing is a recursion,
time jumps to the nearest of all things that could happen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

FOREVER = Fraction(10**9)


@dataclass
class Group:
    """A cgroup: its files, its pool of runtime, and what was counted."""

    name: str
    weight: int = 1024
    quota: Fraction | None = None
    period: Fraction = Fraction(1, 10)
    burst: Fraction = Fraction(0)
    children: list[Group] = field(default_factory=list)
    job: Job | None = None
    pool: Fraction = Fraction(0)
    snapshot: Fraction = Fraction(0)
    timer_on: bool = True
    idle: bool = False
    throttled: bool = False
    width: Fraction = Fraction(0)
    rate: Fraction = Fraction(0)
    wanted: Fraction = Fraction(0)
    can: Fraction = Fraction(0)
    usage: Fraction = Fraction(0)
    waited: Fraction = Fraction(0)
    waited_for_quota: Fraction = Fraction(0)
    nr_periods: int = 0
    nr_throttled: int = 0
    throttled_time: Fraction = Fraction(0)
    stands: Fraction = Fraction(0)
    nr_bursts: int = 0
    burst_time: Fraction = Fraction(0)


class Job:
    """What the tasks of a leaf do: pieces of work (CPU-seconds) that come at given times.

    ``shared``: all pieces are one heap of work done by ``threads`` together; else each piece is a request on
    a thread of its own, at most ``threads`` at once, first come first served.
    """

    def __init__(self, pieces: list[tuple[Fraction, Fraction]], threads: int, *, shared: bool) -> None:
        self.pieces = list(pieces)
        self.threads = threads
        self.shared = shared
        self.heap = Fraction(0)
        self.queue: list[tuple[Fraction, Fraction]] = []
        self.serving: list[list[Fraction]] = []
        self.latencies: list[Fraction] = []

    def runnable(self) -> int:
        """Threads that want a CPU."""
        if self.shared:
            return self.threads if self.heap > 0 else 0
        return len(self.serving)

    def until_change(self, now: Fraction, rate: Fraction) -> Fraction:
        """Seconds until something comes or is done."""
        times = [self.pieces[0][0] - now] if self.pieces else []
        if rate > 0 and self.shared and self.heap > 0:
            times.append(self.heap / rate)
        if rate > 0 and self.serving:
            times.append(min(left for left, _ in self.serving) * len(self.serving) / rate)
        return min(times, default=FOREVER)

    def run(self, rate: Fraction, span: Fraction) -> None:
        """Work for ``span`` seconds on ``rate`` CPUs."""
        if self.shared:
            self.heap -= rate * span
        for request in self.serving:
            request[0] -= rate * span / len(self.serving)

    def settle(self, now: Fraction) -> None:
        """Take leave of what is done, take in what came."""
        self.latencies += [now - arrival for left, arrival in self.serving if left <= 0]
        self.serving = [request for request in self.serving if request[0] > 0]
        while self.pieces and self.pieces[0][0] <= now:
            time, work = self.pieces.pop(0)
            if self.shared:
                self.heap += work
            else:
                self.queue.append((work, time))
        while self.queue and len(self.serving) < self.threads:
            work, time = self.queue.pop(0)
            self.serving.append([work, time])


class SlowKernel:
    """The machine: ``root`` holds the tree, ``cpus`` CPUs."""

    def __init__(self, root: Group, cpus: int) -> None:
        self.root, self.cpus, self.now = root, cpus, Fraction(0)
        for group in self.groups():
            if group.quota is not None:
                group.pool = group.snapshot = group.quota + group.burst

    def groups(self, top: Group | None = None) -> list[Group]:
        """A group and all below it."""
        top = top or self.root
        return [top, *(below for child in top.children for below in self.groups(child))]

    def advance(self, until: Fraction) -> None:
        """Let time pass."""
        while True:
            self._settle()
            if self.now >= until:
                return
            span = min(self._nearest(), until - self.now)
            self._pass(span)
            self.now += span

    def _settle(self) -> None:
        for group in self.groups():
            if group.job:
                group.job.settle(self.now)
        for group in self.groups():
            on_tick = self.now > 0 and (self.now / group.period).denominator == 1
            if group.quota is not None and group.timer_on and on_tick:
                self._period_ends(group)
        self._want(self.root)
        self.root.rate = min(self.root.wanted, Fraction(self.cpus))
        self._share(self.root)
        for group in self.groups():
            if group.quota is not None and group.rate > 0:
                group.timer_on = True

    def _want(self, group: Group) -> Fraction:
        if group.job:
            group.wanted = Fraction(group.job.runnable())
        else:
            group.wanted = sum((self._want(child) for child in group.children), Fraction(0))
        can = min(group.wanted, Fraction(self.cpus))
        if group.quota is not None:
            # put_prev_entity checks every level that ran: a pod whose container ran dry at once too
            stopped = any(child.throttled and child.rate > 0 for child in group.children)
            if group.pool <= 0 and (can > 0 or stopped):
                group.throttled = True
            # a run queue once throttled stays so until the period ends, whatever its children do
            group.width = max(can, group.width) if group.throttled else can
            if group.throttled:
                can = Fraction(0)
        group.can = can
        return can

    def _share(self, group: Group) -> None:
        """Sort by what fills a child up first, give each its part of what is left."""
        left = group.rate
        hungry = sorted(group.children, key=lambda child: child.can / child.weight)
        weights = sum(child.weight for child in hungry if child.can > 0)
        for child in hungry:
            child.rate = min(child.can, left * child.weight / weights) if child.can > 0 else Fraction(0)
            left -= child.rate
            weights -= child.weight if child.can > 0 else 0
            self._share(child)

    def _nearest(self) -> Fraction:
        spans = [FOREVER]
        for group in self.groups():
            if group.job:
                spans.append(group.job.until_change(self.now, group.rate))
            if group.quota is not None:
                ticks = self.now / group.period
                spans.append((Fraction(int(ticks)) + 1 - ticks) * group.period)
                if group.rate > 0:
                    spans.append(group.pool / group.rate)
        return min(spans)

    def _pass(self, span: Fraction, *, held: bool = False, group: Group | None = None) -> None:
        group = group or self.root
        held = held or group.throttled
        group.usage += group.rate * span
        if group.throttled:
            group.stands += group.width * span
        if group.quota is not None and group.rate > 0:
            group.pool -= group.rate * span
            group.idle = False
        if group.job:
            waiting = (group.wanted - group.rate) * span
            group.waited += waiting
            group.waited_for_quota += waiting if held else 0
            group.job.run(group.rate, span)
        for child in group.children:
            self._pass(span, held=held, group=child)

    def _period_ends(self, group: Group) -> None:
        assert group.quota is not None
        group.nr_periods += 1
        group.pool += group.quota
        if group.snapshot > group.pool:
            group.nr_bursts += 1
            group.burst_time += group.snapshot - group.pool
        group.pool = group.snapshot = min(group.pool, group.quota + group.burst)
        if group.throttled:
            group.nr_throttled += 1
            group.throttled_time += group.stands  # counted when the wait ends (unthrottle_cfs_rq)
            group.stands = Fraction(0)
            group.throttled = group.idle = False
        elif group.idle:
            group.timer_on = False
        else:
            group.idle = True

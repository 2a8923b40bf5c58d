"""cpu.max and cpu.max.burst: a pool of runtime refilled every period, and what cpu.stat counts of it.

Runtime is burned by all threads below together. When the pool is empty, everything below stops until the
period timer refills it. The timer runs only while runtime is used: after a whole period without use it
stops, which is why nr_periods does not count idle time.

Periods in which nothing can happen are not stepped through: at a constant rate that the quota covers, any
number of them is accounted at once.

Source: kernel/sched/fair.c of Linux 6.12, do_sched_cfs_period_timer, __refill_cfs_bandwidth_runtime,
start_cfs_bandwidth; Documentation/scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import (
    BURST,
    EPSILON,
    EVENT_THROTTLE,
    LEFT,
    NR_BURSTS,
    NR_PERIODS,
    NR_THROTTLED,
    QUEUED,
    THROTTLED,
)

_ROUNDING: Final = 1e-7
"""A sum of times is as good as at a tick."""
_LEAST: Final = 2e-7
"""What a throttled run queue gets when its period ends: a nanosecond, here more than rounding."""
NEVER: Final = float("inf")
SLICE: Final = 0.005
"""sched_cfs_bandwidth_slice: runtime goes to a run queue 5 ms at a time; what lies there is not capped."""
KEPT: Final = 0.001
"""min_cfs_rq_runtime: so much stays there when nobody runs."""


@inner
def following(node: Any, time: float) -> float:
    """The first end of a period after ``time``, from the phase: no rounding adds up over a day."""
    periods = math.floor((time + EPSILON - node.phase) / node.period) + 1.0
    return float(node.phase + periods * node.period)


@inner
def refill(node: Any, counters: Any) -> None:
    """One period ends: count it, refill the pool, wake what was throttled, or stop an idle timer.

    quota 50 ms, burst 20 ms, 60 ms used of a full 70 ms: one burst of 10 ms, pool 10 + 50 = 60 ms.
    """
    counters[NR_PERIODS] += 1.0
    node.pool += node.quota
    burst = node.snapshot - node.pool
    if burst > EPSILON:
        counters[NR_BURSTS] += 1.0
        counters[BURST] += burst
    node.pool = min(node.pool, node.quota + node.burst + node.local * max(node.width, 1.0))
    node.snapshot = node.pool
    if node.throttled:
        counters[NR_THROTTLED] += 1.0
        if node.pool > EPSILON:  # else a tick's overrun is still being paid back
            node.throttled = 0
            if node.grain > 0.0:
                node.local = _LEAST
            counters[THROTTLED] += node.waited
            node.waited = 0.0
        node.idle = 0
        node.tick = following(node, node.tick)
    elif node.idle:
        node.tick = NEVER
    else:
        node.idle = 1
        node.tick = following(node, node.tick)


@inner
def account(node: Any, counters: Any, now: float) -> None:
    """Burn runtime at the cgroup's rate from when it was last accounted until ``now``, periods included.

    The rate was constant over that time.
    """
    while node.tick <= now + EPSILON:
        burn_until(node, max(node.tick, node.synced))
        refill(node, counters)
        whole = math.floor((now + EPSILON - node.synced) / node.period) - 1.0
        if whole > 0.0 and 0.0 < node.burn * node.period <= node.quota:
            counters[NR_PERIODS] += whole
            saved = whole * (node.quota - node.burn * node.period)
            node.pool = min(node.pool + saved, node.quota + node.burst)
            node.snapshot = node.pool
            node.synced += whole * node.period
            node.tick = following(node, node.synced)
    burn_until(node, max(now, node.synced))


@inner
def burn_until(node: Any, time: float) -> None:
    """Burn runtime, or stand throttled, until ``time`` within one period."""
    span = time - node.synced
    node.synced = time
    if node.throttled:
        node.waited += node.width * span
    if node.burn > 0.0 and span > 0.0:
        node.pool -= node.burn * span
        if node.grain > 0.0:
            draw(node, span)
        if span > EPSILON:  # less is rounding right after a period's end, not use in the next one
            node.idle = 0


@inner
def draw(node: Any, span: float) -> None:
    """Take what was burned from what lies on each run queue; a tick after it is gone it is a slice again.

    With ticks of 4 ms 5 ms last for two of them, 8 ms.
    """
    queues = max(node.width, 1.0)
    rate = node.burn / queues
    node.local -= rate * span
    if node.local <= 0.0:
        gone = node.synced + node.local / rate
        noticed = next_tick(node, gone)
        if noticed <= node.synced + EPSILON:
            lasts = math.ceil(SLICE / (rate * node.grain) - EPSILON) * node.grain
            node.local = SLICE - rate * ((node.synced - noticed + EPSILON) % lasts)
    node.local = min(node.local, node.pool / queues)


@inner
def put_back(node: Any) -> None:
    """Nobody is on the run queue any more: all but a little of what lies there goes back."""
    node.local = min(node.local if node.local > 0.0 else SLICE, KEPT, node.pool / max(node.width, 1.0))


@inner
def next_tick(node: Any, time: float) -> float:
    """The first tick at or after ``time``."""
    return float(math.ceil((time - _ROUNDING) / node.grain) * node.grain)


@inner
def throttle(node: Any, now: float, can_use: float, left: bool) -> bool:
    """Throttle a group that has used up its runtime where that is noticed now; returns whether it was.

    Args:
        node: the cgroup; its runtime is as of now.
        now: the time.
        can_use: CPUs that its children, or tasks, can use.
        left: a task below was throttled, and so taken off the run queue, at this moment.
    """
    # where ticks count, less than a sum of times can tell is nothing, or time would stand still
    if node.pool > (max(EPSILON, node.rate * _ROUNDING) if node.grain > 0.0 else EPSILON):
        return False
    if node.grain > 0.0 and can_use > 0.0 and next_tick(node, now) > now + _ROUNDING:
        return False  # update_curr comes with the tick, or with the end of who ran
    node.throttled = 1
    if can_use <= 0.0 and (node.begins == QUEUED or (node.begins == LEFT and not left)):
        node.width = 0.0
    return True


@inner
def start_timer(node: Any, now: float) -> None:
    """Start the period timer when runtime is used again; its phase stays that of its creation."""
    if node.tick == NEVER and node.burn > 0.0:
        node.tick = following(node, now)


@inner
def next_event(node: Any, now: float) -> float:
    """When this quota next changes what can run: the pool runs dry, or a period ends that matters."""
    if node.throttled:
        return float(node.tick)
    if node.burn <= 0.0:
        return NEVER
    dry = now + max(node.pool, 0.0) / node.burn
    if node.grain > 0.0:
        dry = next_tick(node, dry)
    if dry < node.tick - EPSILON:
        return float(dry)
    if node.burn * node.period > node.quota + EPSILON:
        return float(node.tick)
    return NEVER


@inner
def log_throttled(nodes: Any, log: Any, used: int, now: float) -> int:
    """Note the cgroups throttled now that were not in the ten seconds before."""
    for index in range(1, len(nodes)):
        node = nodes[index]
        if node.throttled:
            if now - node.last_throttled > 10.0 and used < len(log):
                entry = log[used]
                entry.time = now
                entry.kind = EVENT_THROTTLE
                entry.node = index
                entry.about = index
                # a pod whose containers are throttled too: what ran
                entry.a = max(node.runnable + node.touching, node.width)
                used += 1
            node.last_throttled = now
    return used

"""One CPU given in slices: who runs from tick to tick, as the kernel picks it, instead of a fluid share.

A busy CPU is looked at on every tick (1/CONFIG_HZ): the runtime of who ran is booked, an empty quota is
noticed, and somebody else may be picked. In between only a wake-up that preempts, a sleep or a period's end
changes who runs. So a request waits for the tick that ends its neighbour's slice, and a group may overrun its
quota by up to a tick, which it pays back in its next period.

Two rules, by kernel version. CFS (to 6.5): the smallest virtual runtime runs; who slept is placed up to 3 ms
of virtual time before the others, and preempts if it is ahead by more than 1 ms · 1024 / weight. EEVDF (6.6
on): among those that have had no more than their share the earliest deadline runs, until a slice of 0.75 ms.

``coarse``: a clock that moves with the tick (User Mode Linux): who runs at a tick is booked all of it.

Source: kernel/sched/fair.c of Linux 6.1 (place_entity, check_preempt_tick, check_preempt_wakeup) and 6.12
(avg_vruntime, update_deadline, pick_eevdf); kernel/sched/clock.c, sched_clock of jiffies.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import ANEW, BOOKED, EPSILON, THROTTLED, UNLIMITED
from qos.simulate.queueing import next_request
from qos.simulate.quota import KEPT, NEVER, SLICE, account, following
from qos.simulate.serve import catch_up
from qos.simulate.share import gather
from qos.simulate.vruntime import (
    charge_path,
    dequeue,
    enqueue,
    pick,
    preempts,
    slice_is_over,
)  # fmt: skip

# The clock of slices, an array of its own.
TICK: Final = 0  # seconds; 0: CPU is shared as a fluid
COARSE: Final = 1  # runtime is read from a clock that moves on ticks only
EEVDF: Final = 2
CURRENT: Final = 3  # the leaf that runs, or -1
NEXT_TICK: Final = 4
CHARGED: Final = 5  # runtime is booked until here
IDLE_SINCE: Final = 6
TICKED: Final = 7  # a tick fell on this moment
SLICE_FIELDS: Final = 8


@inner
def before(slices: Any, now: float) -> float:
    """What the coarse clock says when a period's timer runs at ``now``.

    It runs before the tick of the same moment, so a wait of 90 to 100 ms on ticks of 10 ms is none; the tick
    of a CPU idle for more than a tick is stopped, and its clock is put right first.
    """
    tick = slices[TICK]
    idle = slices[CURRENT] < 0 and now - math.floor((slices[IDLE_SINCE] + EPSILON) / tick) * tick > 1.5 * tick
    return float(math.floor((now + (EPSILON if idle else -EPSILON)) / tick) * tick)


@inner
def book(state: Any, seconds: float) -> None:
    """Book runtime of who runs: virtual runtime of all levels, with a coarse clock also what files say."""
    slices, nodes = state.slices, state.nodes
    current = int(slices[CURRENT])
    if current < 0 or seconds <= 0.0:
        return
    charge_path(nodes, current, seconds, slices[EEVDF] > 0.0)
    if slices[COARSE] > 0.0:
        state.counters[current, BOOKED] += seconds
        at = current
        while at > 0:
            node = nodes[at]
            if node.quota < UNLIMITED:
                node.pool -= seconds
                node.idle = 0
                if node.tick == NEVER:
                    node.tick = following(node, slices[NEXT_TICK])
            at = node.parent


@inner
def begin_moment(state: Any, now: float) -> bool:
    """Let periods end and the tick come that are due; returns whether somebody may be picked anew."""
    slices, nodes = state.slices, state.nodes
    changed = False
    back = False
    coarse = slices[COARSE] > 0.0
    for index in range(len(nodes)):
        node = nodes[index]
        if node.quota < UNLIMITED:
            throttled = node.throttled
            node.local = min(max(node.pool, 0.0), SLICE if node.rate > 0.0 else KEPT)
            changed = changed or node.tick <= now + EPSILON
            account(node, state.counters[index], now)
            if throttled and not node.throttled:
                back = True
                if coarse:
                    waited = before(slices, now) - node.throttled_at
                    state.counters[index, THROTTLED] += max(waited, 0.0)
    if back:  # they are on the run queue again before the tick of this moment is counted
        gather(nodes, state.counters, now)
        queue_up(nodes, slices[EEVDF] > 0.0)
    if not coarse:
        book(state, now - slices[CHARGED])
    slices[CHARGED] = now
    slices[TICKED] = 0.0
    if slices[CURRENT] >= 0 and slices[NEXT_TICK] <= now + EPSILON:
        slices[TICKED] = 1.0
        if coarse:
            book(state, slices[TICK])
        changed = True
    slices[NEXT_TICK] = (math.floor((now + EPSILON) / slices[TICK]) + 1.0) * slices[TICK]
    return changed


@inner
def next_moment(state: Any) -> float:
    """The next tick of a busy CPU, or the next end of a period."""
    then = state.slices[NEXT_TICK] if state.slices[CURRENT] >= 0.0 else UNLIMITED
    for index in range(len(state.nodes)):
        node = state.nodes[index]
        if node.quota < UNLIMITED:
            then = min(then, node.tick)
    return float(then)


@inner
def choose_requests(state: Any, now: float) -> None:
    """In the leaf that runs, the request whose turn it is."""
    for place in range(len(state.sources)):
        source = state.sources[place]
        if source.alive and source.sliced and source.in_service > 0 and state.slices[CURRENT] == source.node:
            chosen = next_request(source, state.turns, state.slices[TICKED])
            if chosen != source.running:
                catch_up(source, state.counters[source.node], state.keys, state.turns, now)
                source.running = chosen
                state.due[place] = ANEW


@inner
def decide(state: Any, now: float) -> None:
    """Set all rates, 1 for the leaf that runs now and what is above it, and the request whose turn it is."""
    slices, nodes = state.slices, state.nodes
    eevdf = slices[EEVDF] > 0.0
    current = int(slices[CURRENT])
    for index in range(len(nodes) - 1, 0, -1):
        if nodes[index].queued and nodes[index].cap <= 0.0:
            dequeue(nodes, index, eevdf)
    queue_up(nodes, eevdf)
    again = current < 0 or not _is_queued(nodes, current)
    if not again and slices[TICKED] > 0.0:
        again = slice_is_over(nodes, current, eevdf)
    for index in range(1, len(nodes)):
        node = nodes[index]
        if not again and node.woken and index != current and _is_queued(nodes, index):
            again = preempts(nodes, index, current, eevdf)
        node.woken = 0
    if again:
        was = current
        current = pick(nodes, eevdf)
        if current < 0 and was >= 0:
            slices[IDLE_SINCE] = now
        slices[CURRENT] = current
    for index in range(len(nodes)):
        nodes[index].rate = 0.0
    at = current
    while at >= 0:
        nodes[at].rate = 1.0
        at = nodes[at].parent if at > 0 else -1
    choose_requests(state, now)


@inner
def queue_up(nodes: Any, eevdf: bool) -> None:
    """Put on the run queues who wants the CPU again."""
    for index in range(1, len(nodes)):
        if nodes[index].cap > 0.0 and not nodes[index].queued:
            enqueue(nodes, index, eevdf)


@inner
def _is_queued(nodes: Any, index: int) -> bool:
    """Whether a cgroup and all above it wait for the CPU or have it."""
    at = index
    while at > 0:
        if not nodes[at].queued:
            return False
        at = nodes[at].parent
    return True


@inner
def note_throttled(state: Any, now: float) -> None:
    """With a coarse clock: when each group that is throttled now began to be."""
    slices = state.slices
    for index in range(1, len(state.nodes)):
        node = state.nodes[index]
        node.width = 0.0  # counted by the coarse clock
        if node.throttled and not node.was_throttled:
            node.throttled_at = math.floor((now + EPSILON) / slices[TICK]) * slices[TICK]
        node.was_throttled = node.throttled

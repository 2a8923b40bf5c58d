"""Virtual runtime: who is next on one CPU, level by level, by CFS and by EEVDF.

A cgroup is an entity on its parent's run queue; runtime counts there 1024 / weight times.

Source: kernel/sched/fair.c of Linux 6.1 and 6.12, on one CPU (tunables grow by 1 + log2 of CPUs).
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON

_NICE_0: Final = 1024.0
_LATENCY: Final = 0.006  # sysctl_sched_latency of 6.1
_LATENCY_COUNT: Final = 8.0
_GRANULARITY: Final = 0.00075  # sysctl_sched_min_granularity
_WAKEUP: Final = 0.001  # sysctl_sched_wakeup_granularity
CREDIT: Final = 0.003  # half of the latency (GENTLE_FAIR_SLEEPERS)
_BASE_SLICE: Final = 0.00075  # sysctl_sched_base_slice of 6.12
NOBODY: Final = -1


@inner
def least(nodes: Any, queue: int) -> float:
    """The smallest virtual runtime on a run queue; the queue's floor where it is empty."""
    found = -1.0
    for index in range(nodes[queue].first, nodes[queue].last):
        if nodes[index].queued and (found < 0.0 or nodes[index].vruntime < found):
            found = nodes[index].vruntime
    return float(nodes[queue].floor if found < 0.0 else found)


@inner
def average(nodes: Any, queue: int) -> float:
    """The virtual time of a run queue: the mean of virtual runtimes by weight (avg_vruntime)."""
    weights = 0.0
    total = 0.0
    for index in range(nodes[queue].first, nodes[queue].last):
        node = nodes[index]
        if node.queued:
            weights += node.weight
            total += node.weight * (node.vruntime - nodes[queue].floor)
    return float(nodes[queue].floor + (total / weights if weights > 0.0 else 0.0))


@inner
def charge_path(nodes: Any, leaf: int, seconds: float, eevdf: bool) -> None:
    """Who runs used ``seconds``: 10 ms at weight 2048 are 5 ms of virtual runtime."""
    at = leaf
    while at > 0:
        node = nodes[at]
        node.vruntime += seconds * _NICE_0 / node.weight
        node.ran += seconds
        if eevdf and node.vruntime >= node.deadline:
            node.deadline = node.vruntime + _BASE_SLICE * _NICE_0 / node.weight
            node.spent = 1
        queue = nodes[node.parent]
        queue.floor = max(queue.floor, average(nodes, node.parent) if eevdf else least(nodes, node.parent))
        at = node.parent


@inner
def enqueue(nodes: Any, index: int, eevdf: bool) -> None:
    """A cgroup wants the CPU again: where it stands among the others (place_entity)."""
    node = nodes[index]
    queue = nodes[node.parent]
    if not eevdf:
        queue.floor = max(queue.floor, least(nodes, node.parent))
        node.vruntime = max(node.vruntime, queue.floor - CREDIT)
    else:
        weights = 0.0
        for other in range(queue.first, queue.last):
            weights += nodes[other].weight if nodes[other].queued else 0.0
        time = average(nodes, node.parent)
        # who had too much stays in the race until its turn would have come (delayed dequeue): its lag is paid
        lag = node.lag if node.lag >= 0.0 else min(time - node.vruntime, 0.0)
        if weights > 0.0:
            lag *= (weights + node.weight) / weights
        node.vruntime = time - lag
        node.deadline = node.vruntime + _BASE_SLICE * _NICE_0 / node.weight
    node.queued = 1
    node.ran = 0.0
    node.spent = 1


@inner
def dequeue(nodes: Any, index: int, eevdf: bool) -> None:
    """A cgroup wants the CPU no more; EEVDF keeps what it is owed, at most two slices."""
    node = nodes[index]
    if eevdf:
        most = 2.0 * _BASE_SLICE * _NICE_0 / node.weight
        node.lag = min(max(average(nodes, node.parent) - node.vruntime, -most), most)
    node.queued = 0


@inner
def slice_of(nodes: Any, index: int) -> float:
    """How long a cgroup may run at a stretch under CFS (sched_slice): its part of 6 ms, level by level."""
    running = 0.0
    for other in range(1, len(nodes)):
        node = nodes[other]
        if node.queued and node.last == node.first:
            running += max(node.runnable + node.touching, 1.0)
    time = _LATENCY if running <= _LATENCY_COUNT else running * _GRANULARITY
    at = index
    while at > 0:
        weights = 0.0
        parent = nodes[at].parent
        for other in range(nodes[parent].first, nodes[parent].last):
            weights += nodes[other].weight if nodes[other].queued else 0.0
        time *= nodes[at].weight / weights
        at = parent
    return float(max(time, _GRANULARITY))


@inner
def slice_is_over(nodes: Any, leaf: int, eevdf: bool) -> bool:
    """At a tick: whether anybody else on any level may run now (entity_tick)."""
    at = leaf
    while at > 0:
        node = nodes[at]
        parent = node.parent
        others = False
        for other in range(nodes[parent].first, nodes[parent].last):
            others = others or (other != at and nodes[other].queued)
        if others and eevdf and node.spent:
            return True
        if others and not eevdf:
            most = slice_of(nodes, at)
            if node.ran > most + EPSILON:
                return True
            if node.ran >= _GRANULARITY and node.vruntime - least(nodes, parent) > most:
                return True
        at = parent
    return False


@inner
def preempts(nodes: Any, woken: int, leaf: int, eevdf: bool) -> bool:
    """Whether a leaf that woke takes the CPU from the one that runs, where their branches part."""
    other, mine = leaf, woken
    while nodes[other].parent != nodes[mine].parent:
        if other > mine:
            other = nodes[other].parent
        else:
            mine = nodes[mine].parent
    if eevdf:
        return bool(pick_eevdf(nodes, nodes[mine].parent, other) == mine)
    ahead = nodes[other].vruntime - nodes[mine].vruntime
    return bool(ahead > _WAKEUP * _NICE_0 / nodes[mine].weight)


@inner
def pick_eevdf(nodes: Any, queue: int, running: int) -> int:
    """The earliest deadline of those that are owed something; who runs goes on until its slice is spent."""
    time = average(nodes, queue)
    best = NOBODY
    if running != NOBODY and nodes[running].queued and nodes[running].vruntime <= time + EPSILON:
        if not nodes[running].spent:
            return running
        best = running
    for index in range(nodes[queue].first, nodes[queue].last):
        node = nodes[index]
        if node.queued and node.vruntime <= time + EPSILON:  # noqa: SIM102 — compiled
            if best == NOBODY or node.deadline < nodes[best].deadline - EPSILON:
                best = index
    return best


@inner
def pick(nodes: Any, eevdf: bool) -> int:
    """The leaf that runs next, or -1."""
    at = 0
    while nodes[at].last > nodes[at].first:
        best = NOBODY
        running = NOBODY
        for index in range(nodes[at].first, nodes[at].last):
            node = nodes[index]
            if node.rate > 0.0:
                running = index
            if node.queued and (best == NOBODY or node.vruntime < nodes[best].vruntime - EPSILON):
                best = index
        if eevdf:
            best = pick_eevdf(nodes, at, running)
        if best == NOBODY:
            return NOBODY
        if best != running:
            nodes[best].ran = 0.0
            nodes[best].spent = 0
        at = best
    return at if at > 0 else NOBODY

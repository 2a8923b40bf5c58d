"""Who gets how much CPU now: weighted max-min sharing, level by level.

Bottom-up, each cgroup can use what its children can use together, at most the CPUs of its cpuset, and
nothing while it is frozen or has no runtime left. Top-down, a cgroup's CPU is shared among its children
by cpu.weight; what a child cannot use goes to the others (work-conserving).

Source: Documentation/scheduler/sched-design-CFS.rst (ideal multi-tasking CPU) and
Documentation/admin-guide/cgroup-v2.rst, cpu.weight, of Linux 6.12.
"""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON, FREE, FROZEN, STARVED, UNLIMITED
from qos.simulate.quota import account, throttle


@inner
def gather(nodes: Any, counters: Any, now: float) -> int:
    """Sum up what can be used, from the leaves to the root; throttle where runtime is used up.

    A leaf's ``runnable`` was set by its workload. Returns how many cgroups became throttled.
    """
    throttled = 0
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        stopped = False
        left = False
        if node.last > node.first:
            total = 0.0
            for child in range(node.first, node.last):
                total += nodes[child].cap
                if nodes[child].throttled and nodes[child].rate > 0.0:
                    stopped = True
                    left = left or nodes[child].width > 0.0
            node.runnable = total
        can_use = min(node.runnable + node.touching, node.cpus)
        if node.frozen:
            can_use = 0.0
        elif node.quota < UNLIMITED:
            # put_prev_entity checks every level that ran: a pod whose container ran dry at once too
            ran = stopped or (node.grain > 0.0 and node.rate > 0.0)
            if not node.throttled and (can_use > 0.0 or ran) and (node.pool <= EPSILON or node.grain > 0.0):
                account(node, counters[index], now)
                throttled += throttle(node, now, can_use, left)
            if node.throttled:
                can_use = 0.0
        node.cap = can_use
    return throttled


@inner
def fits(nodes: Any, index: int) -> bool:
    """Sum up what can be used from one cgroup to the root; False where a quota or too few CPUs bound it."""
    while True:
        node = nodes[index]
        if node.quota < UNLIMITED:
            return False
        if node.last > node.first:
            total = 0.0
            for child in range(node.first, node.last):
                total += nodes[child].cap
            node.runnable = total
            if total > node.cpus:
                return False
        node.cap = min(node.runnable + node.touching, node.cpus)
        if index == 0:
            return True
        index = node.parent


@inner
def share(nodes: Any) -> None:
    """Set every ``rate`` (and why it is held at 0) from ``cap`` and ``weight``, from the root to the leaves.

    Weights 100 and 300 with caps 1 and 1 on one CPU: rates 0.25 and 0.75.
    """
    root = nodes[0]
    root.rate = min(root.cap, root.cpus)
    for index in range(len(nodes)):
        node = nodes[index]
        hold(nodes, index)
        if node.last > node.first:
            fill_children(nodes, node.first, node.last, node.rate)


@inner
def hold(nodes: Any, index: int) -> None:
    """Set why nothing below a cgroup can run, if so; its parent's was set before."""
    node = nodes[index]
    node.held = nodes[node.parent].held if index > 0 else FREE
    if node.frozen:
        node.held = FROZEN
    elif node.throttled and node.held == FREE:
        node.held = STARVED


@inner
def fill_children(nodes: Any, first: int, last: int, supply: float) -> None:
    """Share ``supply`` among children [first, last): clip those who want less than their part, repeat."""
    wanted = 0.0
    weights = 0.0
    unfilled = 0
    for index in range(first, last):
        child = nodes[index]
        child.rate = child.cap
        wanted += child.cap
        if child.cap > 0.0:
            weights += child.weight
            unfilled += 1
    if wanted <= supply + EPSILON:
        return
    for index in range(first, last):
        if nodes[index].cap > 0.0:
            nodes[index].rate = -1.0
    per_weight = 0.0
    while unfilled > 0:
        per_weight = supply / weights
        clipped = False
        for index in range(first, last):
            child = nodes[index]
            if child.rate < 0.0 and child.cap <= child.weight * per_weight:
                child.rate = child.cap
                supply -= child.cap
                weights -= child.weight
                unfilled -= 1
                clipped = True
        if not clipped:
            break
    for index in range(first, last):
        child = nodes[index]
        if child.rate < 0.0:
            child.rate = child.weight * per_weight

"""cpu.pressure and memory.pressure: the part of the time in which some, or all, of a cgroup's tasks wait.

Of n threads that want a CPU, min(n, CPUs) run queues hold one each or more. A run queue with one thread
waits while that thread does not run; with more threads than CPUs somebody always waits. All wait while
nobody runs. A throttled thread waits like any other. A task waits for memory while it sleeps above
memory.high or writes to swap; that is full while no other task of the cgroup wants a CPU.

Source: kernel/sched/psi.c of Linux 6.12 (test_states: cpu some is NR_RUNNING > NR_ONCPU, full none on CPU;
states of CPUs are weighed by their non-idle time; the machine as a whole has no full).
"""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import CPU_FULL, CPU_SOME, EPSILON, FROZEN, MEMORY_FULL, MEMORY_SOME


@inner
def press(node: Any, counters: Any, now: float) -> None:
    """Count the pressure since it last changed."""
    span = now - node.pressed
    node.pressed = now
    counters[CPU_SOME] += node.some * span
    counters[CPU_FULL] += node.full * span


@inner
def find_pressure(nodes: Any, counters: Any, now: float) -> None:
    """Set what waits from now on, from rates and runnable threads.

    Two spinners of one cgroup on a busy CPU that gives it half: some 1.0, full 0.5.
    """
    for index in range(len(nodes) - 1, -1, -1):
        find_pressure_of(nodes, index, counters, now)


@inner
def find_pressure_of(nodes: Any, index: int, counters: Any, now: float) -> None:
    """Set what waits in one cgroup; that of its children was set before."""
    node = nodes[index]
    if node.last > node.first:
        node.wanting = 0.0
        for child in range(node.first, node.last):
            node.wanting += nodes[child].wanting
    else:
        node.wanting = node.runnable + node.touching
    if node.held == FROZEN:
        node.wanting = 0.0
    queues = min(node.wanting, node.cpus)
    idle = max(1.0 - node.rate / queues, 0.0) if queues > EPSILON else 0.0
    some = 1.0 if node.wanting > queues + EPSILON else idle
    full = idle if index > 0 else 0.0
    if some != node.some or full != node.full:
        press(node, counters[index], now)
        node.some, node.full = some, full


@inner
def press_memory(nodes: Any, counters: Any, now: float) -> None:
    """Count the waits for memory since they last changed."""
    for index in range(len(nodes)):
        node = nodes[index]
        if node.stalled > 0:
            span = now - node.stalled_since
            counters[index, MEMORY_SOME] += span
            if node.stalled_fully:
                counters[index, MEMORY_FULL] += span
            node.stalled = 0


@inner
def find_memory_pressure(nodes: Any, holders: Any, now: float) -> int:
    """Set who waits for memory from now on; returns how many tasks do."""
    waiting = 0
    for place in range(len(holders)):
        holder = holders[place]
        if holder.alive and holder.stalled_until > now and nodes[holder.node].held != FROZEN:
            waiting += 1
            at = holder.node
            while True:
                node = nodes[at]
                node.stalled += 1
                node.stalled_fully = node.wanting <= EPSILON
                node.stalled_since = now
                if at == 0:
                    break
                at = node.parent
    return waiting

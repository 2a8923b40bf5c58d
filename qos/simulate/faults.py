"""New memory costs CPU time: a process that touches it is held by weights and quotas as any other work.

A thread of the leaf puts pages in place, ``fault_bytes_per_second`` of them in a second of CPU time. While
memory grows as it should, it wants as much CPU as that takes; where it is late, a CPU.

Source: mm/memory.c of Linux 6.12 (handle_mm_fault: a page is found, cleared and charged in the task's time).
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import (
    DEMAND,
    EPSILON,
    FROZEN,
    STARVED,
    SUBMITTED,
    UNLIMITED,
    USAGE,
    WAIT_CPU,
    WAIT_QUOTA,
)
from qos.simulate.reclaim import PAGE

FAULT_BYTES_PER_SECOND: Final = 2.0 * 2**30
"""0.5 s of CPU time a GiB. Measured: 0.61 s by MADV_POPULATE_WRITE and 0.88 s page by page on the reference
machine, a virtual one, pages of 4 KiB; 0.4 s on User Mode Linux 6.1 once its own memory is there."""

EVERY_SECONDS: Final = 0.017
"""Where CPU is given in slices: growth is looked at as often, as the load does."""


@inner
def catch_up_faults(node: Any, counters: Any, now: float) -> None:
    """Let the time since the last look pass: CPU time that memory can be made of, and what was waited."""
    span = now - node.touched_since
    node.touched_since = now
    if span <= 0.0 or node.touching <= 0.0 or node.touched_held == FROZEN:
        return
    used = node.touched * span
    node.touched_seconds += used
    counters[USAGE] += used
    counters[SUBMITTED] += used
    counters[DEMAND] += node.touching * span
    counters[WAIT_QUOTA if node.touched_held == STARVED else WAIT_CPU] += (
        node.touching - node.touched
    ) * span


@inner
def share_faults(nodes: Any, holders: Any, counters: Any, now: float) -> bool:
    """Give each leaf's thread that touches memory its part of the leaf's CPU; returns whether any changed.

    A leaf of 0.5 CPUs with one spinner: 0.25, or less where it wants less.
    """
    changed = False
    for place in range(len(holders)):
        node = nodes[holders[place].node]
        if node.touching <= 0.0 and node.touched <= 0.0:
            continue
        left_over = node.rate - node.runnable
        part = min(node.touching, max(node.rate / (node.runnable + 1.0), left_over))
        if node.rate >= node.runnable + node.touching - EPSILON:
            part = node.touching
        elif node.runnable <= 0.0:
            part = min(node.touching, node.rate)
        if part != node.touched or node.held != node.touched_held:
            catch_up_faults(node, counters[holders[place].node], now)
            changed = changed or part != node.touched
            node.touched, node.touched_held = part, node.held
    return changed


@inner
def stop_faults(node: Any, counters: Any, now: float) -> None:
    """Its processes ended: nothing is touched any more."""
    catch_up_faults(node, counters, now)
    node.touching = node.touched = node.touched_seconds = 0.0


@inner
def want_faults(node: Any, need: float, slope: float, per_second: float, sliced: bool) -> bool:
    """Set the CPUs that a leaf wants for ``need`` bytes that are due and ``slope`` bytes a second more.

    Returns whether that is another number than before.
    """
    before = node.touching
    pace = min(max(slope, 0.0) / per_second, 1.0)
    late = need > PAGE or (before > 0.0 and node.touched < pace - EPSILON)
    node.touching = 1.0 if late else pace
    if sliced:
        node.touching = 1.0 if need > 0.5 * PAGE else 0.0
    if node.touching > before:
        node.woken = 1
    return bool(node.touching != before)


@inner
def touched_until(node: Any, need: float, slope: float, per_second: float, now: float, sliced: bool) -> float:
    """When a leaf that is late will have caught up; in slices, when its growth is looked at again."""
    if sliced and node.touching <= 0.0:
        return now + EVERY_SECONDS if slope > 0.0 else UNLIMITED
    ahead = node.touched * per_second - slope
    if need <= 0.5 * PAGE or ahead <= 0.0:
        return UNLIMITED
    return float(now + max(need / ahead, 1e-6))

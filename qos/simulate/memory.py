"""Memory over time: what each process wants to hold now, and when that next meets a limit.

Between limits memory grows in straight lines and costs no step. At a limit it is charged in small pieces,
as the kernel does.
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.faults import catch_up_faults, touched_until, want_faults
from qos.simulate.jit import inner
from qos.simulate.layout import (
    ANON,
    FILE,
    FROZEN,
    INACTIVE_FILE,
    MEMORY,
    PEAK,
    PIDS,
    SWAP,
    SWAP_PEAK,
    UNLIMITED,
)
from qos.simulate.obtain import BATCH_PAGES, FAULT_RATE, obtain, slow_down
from qos.simulate.reclaim import PAGE, charge, charge_swap

_BATCH: Final = BATCH_PAGES * PAGE
_AT_HIGH_SECONDS: Final = 1e-4
_AT_MAX_SECONDS: Final = 0.01
_AT_MAX_BYTES: Final = 4.0 * _BATCH
_REFILL_PART: Final = 0.02
"""A reader that misses what reclaim took is looked at again after this part of a round through its file."""


@inner
def wanted_anon(holder: Any, times: Any, values: Any, now: float) -> tuple[float, float, float]:
    """Anonymous bytes wanted now, how fast that grows, and when it grows differently."""
    while holder.corner + 1 < holder.corner_end and times[holder.corner + 1] <= now:
        holder.corner += 1
    here = holder.corner
    if here >= holder.corner_end or times[here] > now:
        return 0.0, 0.0, times[here] if here < holder.corner_end else UNLIMITED
    if here + 1 >= holder.corner_end:
        return values[here], 0.0, UNLIMITED
    slope = (values[here + 1] - values[here]) / (times[here + 1] - times[here])
    return values[here] + slope * (now - times[here]), slope, times[here + 1]


@inner
def release(groups: Any, holder: Any, surplus: float) -> None:
    """Free anonymous memory, what is swapped in the same part as what is not."""
    group = groups[holder.node]
    held = group.anon + holder.swap
    if held <= 0.0:
        return
    from_swap = surplus * holder.swap / held
    holder.swap -= from_swap
    group.anon -= surplus - from_swap
    charge_swap(groups, holder.node, -from_swap)
    charge(groups, holder.node, from_swap - surplus)


@inner
def missing_rate(holder: Any, group: Any, now: float) -> float:
    """Bytes a second of page cache that reading brings in: all in the first round, later what was lost.

    A reader meets the part that reclaim took all along its next round: after one round it has all again.
    """
    if group.file >= holder.file_size - PAGE:
        holder.file_left, holder.file_missing = holder.file_size, 0.0
        return 0.0
    if holder.read_rate <= 0.0 or now < holder.file_start:
        return 0.0
    if holder.file_read < holder.file_size - PAGE:
        return float(holder.read_rate)
    if group.file < holder.file_left - PAGE or holder.file_missing <= 0.0:
        holder.file_missing = 1.0 - group.file / holder.file_size
    holder.file_left = group.file
    return float(holder.read_rate * holder.file_missing)


@inner
def place_first(groups: Any, holder: Any, amount: float) -> float:
    """What a workload holds when it starts is there then, where it fits; else it has to be touched.

    Returns the bytes put in place.
    """
    holder.first = 0.0
    at = holder.node
    while True:
        group = groups[at]
        if group.usage + amount > min(group.max, group.high):
            return 0.0
        if at == 0:
            break
        at = group.parent
    groups[holder.node].anon += amount
    charge(groups, holder.node, amount)
    return amount


@inner
def touch(
    groups: Any, nodes: Any, holders: Any, times: Any, values: Any, counters: Any,
    place: int, machine: Any, killed: Any, log: Any, used: int, now: float,
) -> tuple[int, int]:  # fmt: skip
    """Let one holder allocate and read what it wanted since it was last looked at."""
    holder = holders[place]
    group, node = groups[holder.node], nodes[holder.node]
    catch_up_faults(node, counters[holder.node], now)
    touched = machine[FAULT_RATE] * node.touched_seconds
    node.touched_seconds = 0.0
    began = max(holder.synced, holder.stalled_until)
    reading_from = max(began, holder.file_start)
    missing = missing_rate(holder, group, reading_from)
    holder.synced = now
    if node.held == FROZEN:
        return 0, used
    target, slope, _ = wanted_anon(holder, times, values, now)
    need = target - group.anon - holder.swap
    if need < -0.5:
        release(groups, holder, -need)
    if holder.first > 0.0:
        need -= place_first(groups, holder, min(holder.first, need))
    span = now - began
    if span <= 0.0:
        return 0, used
    brought = 0.0
    if holder.read_rate > 0.0 and now > reading_from:
        holder.file_read += holder.read_rate * (now - reading_from)
        brought = min(missing * (now - reading_from), holder.file_size - group.file)
    deaths = 0
    for is_file in (False, True):
        amount = brought if is_file else min(need, touched + 1.0 if touched > 0.0 else 0.0)
        if amount > 0.5 and holder.alive:
            growth = slope if slope > 0.0 else machine[FAULT_RATE]
            holder.growth = missing if is_file else growth
            deaths, used = obtain(
                groups, holders, counters, place, amount, is_file, machine, killed, deaths, log, used, now
            )
            slow_down(groups, holders, counters, place, amount, machine, now)
    return deaths, used


@inner
def plan_ahead(
    groups: Any, nodes: Any, holders: Any, times: Any, values: Any, machine: Any, now: float, sliced: bool
) -> tuple[float, bool]:
    """Sum up what flows in where, and how much CPU time that takes.

    Returns when a holder or a limit has to be looked at again, and whether CPU time must be shared anew.
    """
    then = UNLIMITED
    changed = False
    for index in range(len(groups)):
        groups[index].inflow = 0.0
    for place in range(len(holders)):
        holder = holders[place]
        node = nodes[holder.node]
        if not holder.alive or node.held == FROZEN:
            continue
        if holder.stalled_until > now:
            then = min(then, holder.stalled_until)
            changed = want_faults(node, 0.0, 0.0, machine[FAULT_RATE], sliced) or changed
            continue
        group = groups[holder.node]
        target, slope, corner = wanted_anon(holder, times, values, now)
        need = target - group.anon - holder.swap
        changed = want_faults(node, need, slope, machine[FAULT_RATE], sliced) or changed
        rate = node.touched * machine[FAULT_RATE]
        then = min(then, corner, touched_until(node, need, slope, machine[FAULT_RATE], now, sliced))
        missing = missing_rate(holder, group, now)
        if now < holder.file_start and holder.read_rate > 0.0:
            then = min(then, holder.file_start)
        if missing > 0.0:
            first_round = (holder.file_size - holder.file_read) / holder.read_rate
            again = max(_REFILL_PART * holder.file_size / holder.read_rate, 1e-3)
            then = min(then, now + (max(first_round, 1e-3) if first_round > 0.0 else again))
        holder.growth = rate + missing
        group.inflow += rate + missing
    for index in range(len(groups) - 1, -1, -1):
        group = groups[index]
        if group.inflow > 0.0:
            then = min(then, now + until_limit(group))
            if index > 0:
                groups[group.parent].inflow += group.inflow
    return float(then), changed


@inner
def until_limit(group: Any) -> float:
    """Seconds until a cgroup's inflow meets its memory.high or memory.max; a small step where it has."""
    room = group.max - group.usage
    wait = (
        room / group.inflow if room > PAGE else min(max(_AT_MAX_BYTES / group.inflow, 1e-3), _AT_MAX_SECONDS)
    )
    if group.high < UNLIMITED:
        room = group.high - group.usage
        wait = min(wait, room / group.inflow if room > PAGE else max(_BATCH / group.inflow, _AT_HIGH_SECONDS))
    return float(wait)


@inner
def write_memory(groups: Any, holders: Any, row: Any) -> None:
    """Put the gauges of memory and pids into the counters (C, COUNTERS)."""
    for index in range(len(groups)):
        group = groups[index]
        row[index, ANON] = group.anon
        row[index, FILE] = group.file
        row[index, INACTIVE_FILE] = group.file * (1.0 - group.active)
        row[index, MEMORY] = group.usage
        row[index, PIDS] = 0.0
        row[index, PEAK] = group.peak
        row[index, SWAP] = group.swap
        row[index, SWAP_PEAK] = group.swap_peak
    for place in range(len(holders)):
        holder = holders[place]
        if holder.alive:
            row[holder.node, PIDS] += holder.tasks

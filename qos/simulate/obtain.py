"""Charging memory: up to the limits, by reclaim beyond them, by the OOM killer where that does not help.

Also memory.high: who allocates above it sleeps by the kernel's formula.

Source: mm/memcontrol.c (try_charge_memcg, mem_cgroup_handle_over_high, calculate_high_delay) of Linux 6.12.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import EVENT_OOM, EVENT_OOM_GLOBAL, EVENT_OOM_TOGETHER, HIGH, MAX, OOM
from qos.simulate.oom import NOBODY, badness, choose, kill
from qos.simulate.reclaim import PAGE, charge, count_event, reclaim

BATCH_PAGES: Final = 64.0
"""MEMCG_CHARGE_BATCH: memory is charged 64 pages at a time."""
_CLUSTER: Final = 32.0 * PAGE
"""SWAP_CLUSTER_MAX: one round of reclaim frees at least 32 pages."""
_RETRIES: Final = 16
"""MAX_RECLAIM_RETRIES of mm/memcontrol.c."""
_LONGEST_DELAY: Final = 2.0
_SHORTEST_DELAY: Final = 0.01
_MARGIN: Final = 0.005
"""Part of the machine's memory that is freed at once when it is full, as kswapd frees up to its high mark."""

# Facts of the machine, one float64 array.
FAULT_RATE: Final = 0
SWAP_RATE: Final = 1
TOTAL: Final = 2  # memory and swap
RAM: Final = 3
MACHINE_FIELDS: Final = 4


@inner
def high_delay(usage: float, high: float, pages: float) -> float:
    """Seconds that a task sleeps for charging ``pages`` while ``usage`` is over ``high``.

    64 · overage² seconds per 64 pages, at most 2, none below 10 ms. 36 MiB over a high of 32 MiB (12.5 %),
    64 pages: 1.0.
    """
    if usage <= high:
        return 0.0
    overage = (usage - high) / max(high, PAGE)
    delay = 64.0 * overage * overage * pages / BATCH_PAGES
    return 0.0 if delay <= _SHORTEST_DELAY else min(delay, _LONGEST_DELAY)


@inner
def room_of(groups: Any, index: int, amount: float) -> tuple[float, int]:
    """How much of ``amount`` fits, and the first cgroup from the leaf up whose limit is in the way.

    Of a container and its pod with one limit it is the pod, which holds some more: the memory of making
    the container's cgroup is charged to it (mem_cgroup_css_alloc). Reclaim then begins there, so that the
    container's own memory.min holds: page cache under min = max is never given up.
    """
    at = index
    while True:
        group = groups[at]
        if group.usage + amount > group.max:
            room = max(group.max - group.usage, 0.0)
            above = at
            while above > 0:
                above = groups[above].parent
                further = max(groups[above].max - groups[above].usage, 0.0)
                if above > 0 and further <= room:
                    at = above
                room = min(room, further)
            return room, at
        if at == 0:
            return amount, NOBODY
        at = group.parent


@inner
def note_oom(
    groups: Any,
    holders: Any,
    victim: int,
    where: int,
    growth: float,
    total: float,
    log: Any,
    used: int,
    now: float,
) -> int:
    """Write down whom the OOM killer takes and why; returns how many rows of the log are used."""
    group = groups[holders[victim].node]
    entry = log[used]
    entry.time = now
    entry.kind = EVENT_OOM if where > 0 else EVENT_OOM_GLOBAL
    entry.node = holders[victim].node
    entry.about = where
    entry.a = groups[where].max
    entry.b = growth
    entry.c = group.anon
    entry.d = holders[victim].swap if where > 0 else badness(holders[victim], group, total) * 1000.0 / total
    return used + 1


@inner
def kill_for(
    groups: Any, holders: Any, counters: Any, victim: int, where: int, growth: float, total: float,
    killed: Any, deaths: int, log: Any, used: int, now: float,
) -> tuple[int, int]:  # fmt: skip
    """Kill a victim and who dies with it, and write that down; returns deaths and rows of the log."""
    used = note_oom(groups, holders, victim, where, growth, total, log, used, now)
    before = deaths
    deaths = kill(groups, holders, counters, victim, where, killed, deaths)
    for nth in range(before, deaths):
        if killed[nth] != victim:
            entry = log[used]
            entry.time = now
            entry.kind = EVENT_OOM_TOGETHER
            entry.node = holders[killed[nth]].node
            entry.about = holders[victim].node
            used += 1
    return deaths, used


@inner
def enforce(
    groups: Any, holders: Any, counters: Any, killed: Any, log: Any, used: int, now: float
) -> tuple[int, int]:
    """After limits were lowered: reclaim down to memory.high and memory.max, and kill where that fails."""
    deaths = 0
    for index in range(1, len(groups)):
        group = groups[index]
        if group.usage > group.high:
            reclaim(groups, holders, counters, index, group.usage - group.high)
        while group.usage > group.max:
            reclaim(groups, holders, counters, index, group.usage - group.max)
            if group.usage <= group.max:
                break
            count_event(groups, counters, index, OOM, 1.0)
            victim = choose(groups, holders, index, group.max)
            if victim == NOBODY:
                break
            deaths, used = kill_for(
                groups, holders, counters, victim, index, 0.0, group.max, killed, deaths, log, used, now
            )
    return deaths, used


@inner
def obtain(
    groups: Any, holders: Any, counters: Any, place: int, amount: float, is_file: bool,
    machine: Any, killed: Any, deaths: int, log: Any, used: int, now: float,
) -> tuple[int, int]:  # fmt: skip
    """Charge ``amount`` bytes for a holder, whatever it takes; ``killed`` receives who died of it.

    Returns how many are in ``killed``, and how many rows of the log are used.
    """
    holder = holders[place]
    node = holder.node
    left = amount
    while left > 0.5 and holder.alive:
        room, where = room_of(groups, node, left)
        fits = min(room, left)
        if fits > 0.0:
            charge(groups, node, fits)
            if is_file:
                groups[node].file += fits
            else:
                groups[node].anon += fits
            left -= fits
        if where == NOBODY or left <= 0.5:
            break
        wanted = left if where > 0 else left + _MARGIN * machine[RAM]
        freed, swapped = reclaim(groups, holders, counters, where, wanted)
        if swapped > 0.0:
            holder.stalled_until = max(holder.stalled_until, now) + swapped / machine[SWAP_RATE]
        if freed > 0.5:
            if where > 0:
                count_event(groups, counters, where, MAX, float(math.ceil(freed / _CLUSTER)))
            continue
        total = machine[TOTAL] if where == 0 else groups[where].max
        victim = choose(groups, holders, where, total)
        if where > 0:
            count_event(groups, counters, where, MAX, _RETRIES + 2.0)
            count_event(groups, counters, where, OOM, 1.0)
        if victim == NOBODY:
            break
        deaths, used = kill_for(
            groups, holders, counters, victim, where, holder.growth, total, killed, deaths, log, used, now
        )
    return deaths, used


@inner
def slow_down(
    groups: Any, holders: Any, counters: Any, place: int, amount: float, machine: Any, now: float
) -> None:
    """After ``amount`` bytes were charged: reclaim from every cgroup over its memory.high, then sleep."""
    holder = holders[place]
    pages = amount / PAGE
    delay = 0.0
    at = holder.node
    while at > 0:
        group = groups[at]
        if group.usage > group.high:
            count_event(groups, counters, at, HIGH, 1.0)
            over = group.usage - group.high
            swapped = reclaim(groups, holders, counters, at, over)[1]
            if swapped > 0.0:
                holder.stalled_until = max(holder.stalled_until, now) + swapped / machine[SWAP_RATE]
            wait = high_delay(group.usage, group.high, min(pages, over / PAGE))
            if wait > 0.0:
                count_event(groups, counters, at, HIGH, float(_RETRIES))
            delay = max(delay, wait)
        if group.swap > group.swap_high:
            delay = max(delay, high_delay(group.swap, group.swap_high, pages))
        at = group.parent
    if delay > 0.0:
        holder.stalled_until = max(holder.stalled_until, now) + delay

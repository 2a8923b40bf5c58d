"""Reclaim: protection shared down the tree, page cache given up, anonymous memory swapped.

Source: mm/page_counter.c (page_counter_calculate_protection, effective_protection) and mm/vmscan.c
(get_scan_count, shrink_node_memcgs) of Linux 6.12, with memory_recursiveprot as systemd mounts it.
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import EVENTS, EVENTS_LOCAL, LOW

PAGE: Final = 4096.0
_PASSES: Final = 12
"""As many as the kernel has priorities: each pass presses on what is left."""


@inner
def count_event(groups: Any, counters: Any, index: int, event: int, times: float) -> None:
    """Count in memory.events.local of a cgroup and in memory.events of it and all above it."""
    counters[index, EVENTS_LOCAL + event] += times
    at = index
    while at > 0:
        counters[at, EVENTS + event] += times
        at = groups[at].parent
    counters[0, EVENTS + event] += times


@inner
def charge(groups: Any, index: int, amount: float) -> None:
    """Add to the usage of a cgroup and of all above it; give back with a negative amount."""
    at = index
    while True:
        group = groups[at]
        group.usage = max(group.usage + amount, 0.0)
        group.peak = max(group.peak, group.usage)
        if at == 0:
            break
        at = group.parent


@inner
def charge_swap(groups: Any, index: int, amount: float) -> None:
    """As :func:`charge`, for swap."""
    at = index
    while True:
        group = groups[at]
        group.swap = max(group.swap + amount, 0.0)
        group.swap_peak = max(group.swap_peak, group.swap)
        if at == 0:
            break
        at = group.parent


@inner
def effective(
    usage: float, parent_usage: float, setting: float, parent_effective: float, siblings_used: float
) -> float:
    """Protection that a cgroup really has, given what its parent can afford.

    Two children use 60 and 40 of a claimed 60 and 40, the parent has 50: 30 and 20.
    """
    protected = min(usage, setting)
    if siblings_used > parent_effective:
        return float(protected * parent_effective / siblings_used)
    if parent_effective > siblings_used and parent_usage > siblings_used and usage > protected:
        unclaimed = parent_effective - siblings_used
        return protected + unclaimed * (usage - protected) / (parent_usage - siblings_used)
    return protected


@inner
def protect(groups: Any, top: int) -> None:
    """Set ``emin`` and ``elow`` for reclaim that starts at ``top``; its own protection does not count."""
    for index in range(len(groups)):
        groups[index].min_used = 0.0
        groups[index].low_used = 0.0
    for index in range(len(groups) - 1, 0, -1):
        group, above = groups[index], groups[groups[index].parent]
        above.min_used += min(group.usage, group.min)
        above.low_used += min(group.usage, group.low)
    for index in range(1, len(groups)):
        group, above = groups[index], groups[groups[index].parent]
        if group.parent == top:
            group.emin, group.elow = group.min, group.low
        else:
            group.emin = effective(group.usage, above.usage, group.min, above.emin, above.min_used)
            group.elow = effective(group.usage, above.usage, group.low, above.elow, above.low_used)
    groups[top].emin = groups[top].elow = 0.0


@inner
def below(groups: Any, index: int, top: int) -> bool:
    """Whether a cgroup is ``top`` or lies below it."""
    while index > top:
        index = groups[index].parent
    return index == top


@inner
def swap_room(groups: Any, index: int) -> float:
    """Bytes that may still be swapped out of a cgroup."""
    room = groups[0].swap_max - groups[0].swap
    at = index
    while at > 0:
        room = min(room, groups[at].swap_max - groups[at].swap)
        at = groups[at].parent
    return float(max(room, 0.0))


@inner
def pressure_on(group: Any, pool: float, spare_low: bool) -> float:
    """Bytes of a kind (``pool``) that reclaim may look at: the part that is not protected."""
    protection = max(group.emin, group.elow) if spare_low else group.emin
    if pool <= 0.0 or protection >= group.usage:
        return 0.0
    return float(pool * (1.0 - protection / group.usage))


@inner
def squeeze(
    groups: Any, holders: Any, counters: Any, top: int, wanted: float, spare_low: bool, swap: bool
) -> float:
    """Reclaim once over the subtree, each cgroup by its unprotected part; returns the bytes freed."""
    total = 0.0
    for index in range(top, len(groups)):
        group = groups[index]
        pool = group.anon if swap else group.file
        if pool > 0.0 and below(groups, index, top):
            total += pressure_on(group, pool, spare_low)
    if total <= 0.0:
        return 0.0
    share = min(wanted / total, 1.0)
    freed = 0.0
    for index in range(top, len(groups)):
        group = groups[index]
        pool = group.anon if swap else group.file
        if pool <= 0.0 or not below(groups, index, top):
            continue
        protection = max(group.emin, group.elow) if spare_low else group.emin
        taken = min(pressure_on(group, pool, spare_low) * share, max(group.usage - protection, 0.0))
        if swap:
            taken = min(taken, swap_room(groups, index))
        if taken <= 0.0:
            continue
        if not spare_low and group.elow > group.emin and group.usage <= group.elow:
            count_event(groups, counters, index, LOW, 1.0)
        if swap:
            group.anon -= taken
            charge_swap(groups, index, taken)
            for place in range(len(holders)):
                if holders[place].node == index:
                    holders[place].swap += taken
        else:
            group.file -= taken
        charge(groups, index, -taken)
        freed += taken
    return freed


@inner
def reclaim(groups: Any, holders: Any, counters: Any, top: int, wanted: float) -> tuple[float, float]:
    """Free ``wanted`` bytes below ``top``: page cache, then swap, then the same from memory.low.

    Returns the bytes freed, and how many of them went to swap.
    """
    protect(groups, top)
    freed = 0.0
    swapped = 0.0
    for spare_low in (True, False):
        for swap in (False, True):
            for _ in range(_PASSES):
                if freed >= wanted - 0.5:
                    return freed, swapped
                got = squeeze(groups, holders, counters, top, wanted - freed, spare_low, swap)
                if got <= 0.0:
                    break
                freed += got
                if swap:
                    swapped += got
                protect(groups, top)
    return freed, swapped

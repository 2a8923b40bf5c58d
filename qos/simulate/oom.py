"""Whom the OOM killer takes, and what is counted of it.

Source: mm/oom_kill.c (oom_badness, oom_kill_process) and mm/memcontrol.c (mem_cgroup_get_oom_group) of
Linux 6.12.
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.jit import compiled, inner
from qos.simulate.layout import OOM_GROUP_KILL, OOM_KILL
from qos.simulate.reclaim import below, charge, charge_swap, count_event

NOBODY: Final = -1
_UNKILLABLE: Final = -1000.0


@inner
def badness(holder: Any, group: Any, total: float) -> float:
    """Bytes a process counts for: what it holds, plus oom_score_adj thousandths of ``total``."""
    return float(group.anon + holder.swap + holder.adj * total / 1000.0)


@inner
def choose(groups: Any, holders: Any, top: int, total: float) -> int:
    """The worst process below ``top``, NOBODY if all are at -1000 or none is left."""
    chosen = NOBODY
    worst = -1e300
    for place in range(len(holders)):
        holder = holders[place]
        if holder.alive and holder.adj > _UNKILLABLE and below(groups, holder.node, top):
            points = badness(holder, groups[holder.node], total)
            if points > worst:
                worst, chosen = points, place
    return chosen


@compiled
def end(groups: Any, holders: Any, place: int) -> None:
    """A process dies: its anonymous memory and swap are free; page cache stays charged to the cgroup."""
    holder = holders[place]
    group = groups[holder.node]
    charge(groups, holder.node, -group.anon)
    charge_swap(groups, holder.node, -holder.swap)
    group.anon = 0.0
    holder.swap = 0.0
    holder.alive = 0


@inner
def kill(groups: Any, holders: Any, counters: Any, place: int, top: int, killed: Any, count: int) -> int:
    """Kill a victim, with memory.oom.group all of the highest such cgroup at or below ``top``.

    ``killed`` receives the places of the holders that died, from ``count`` on; returns how many it has now.
    """
    node = holders[place].node
    together = NOBODY
    at = node
    while at > 0:
        if groups[at].oom_group:
            together = at
        if at == top:
            break
        at = groups[at].parent
    count_event(groups, counters, node, OOM_KILL, 1.0)
    if together == NOBODY:
        end(groups, holders, place)
        killed[count] = place
        return count + 1
    count_event(groups, counters, together, OOM_GROUP_KILL, 1.0)
    for other in range(len(holders)):
        holder = holders[other]
        if holder.alive and holder.adj > _UNKILLABLE and below(groups, holder.node, together):
            count_event(groups, counters, holder.node, OOM_KILL, float(holder.tasks))
            end(groups, holders, other)
            killed[count] = other
            count += 1
    return count

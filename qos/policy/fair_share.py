"""CPU that each cgroup is sure to get when everyone wants everything: weighted max-min over the tree.

The kernel shares CPU among runnable siblings in proportion to ``cpu.weight``, level by level; what a
sibling cannot use for its quota goes to the others. ``cpu.idle`` counts as the least weight there is.
Source: Documentation/admin-guide/cgroup-v2.rst; kernel/sched/fair.c (WEIGHT_IDLEPRIO 3 of 1024).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Final, TypeVar

from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, CpuMax, parent, parse_cpu_list
from qos.model.plan import Plan

_Name = TypeVar("_Name", bound=Hashable)
_DEFAULT_WEIGHT: Final = 100
_IDLE_WEIGHT: Final = 3 * 100 / 1024


def shares_below(
    plan: Plan, tops: Mapping[CgroupName, float], ceilings: Mapping[CgroupName, float]
) -> dict[CgroupName, float]:
    """The shares of some cgroups of a plan, which are given, and of all cgroups beneath them."""
    children = children_of(plan)
    shares = dict(tops)
    for above in plan:
        siblings = children.get(above)
        if siblings and above in shares:
            shares.update(_split(shares[above], siblings, plan, ceilings))
    return shares


def children_of(plan: Plan) -> dict[CgroupName, list[CgroupName]]:
    """Cgroup → the cgroups directly beneath it."""
    children: dict[CgroupName, list[CgroupName]] = {}
    for name in plan:
        children.setdefault(parent(name), []).append(name)
    return children


def fair_share(plan: Plan, node_cpus: float, without: Collection[CgroupName] = ()) -> dict[CgroupName, float]:
    """CPUs each cgroup of a plan is sure to get of ``node_cpus``, every leaf wanting all it may use.

    ``without`` names leaves that run nothing, such as init containers that are done; they get 0. What
    is left where every quota is reached stays unused. Two leaves of weight 100 and 300 on 4 CPUs get 1
    and 3; if the second may use 2 at most, they get 2 and 2.
    """
    children = children_of(plan)
    ceilings = ceilings_of(plan, without)
    shares: dict[CgroupName, float] = {ROOT: node_cpus}
    for above in (ROOT, *plan):
        siblings = children.get(above)
        if siblings:
            shares.update(_split(shares[above], siblings, plan, ceilings))
    del shares[ROOT]
    return {name: shares[name] for name in plan}


def water_fill(
    amount: float, weights: Mapping[_Name, float], ceilings: Mapping[_Name, float]
) -> dict[_Name, float]:
    """Split ``amount`` by weight, nobody above its ceiling, what is left over again by weight."""
    given = dict.fromkeys(weights, 0.0)
    open_names = sorted(
        (name for name in weights if ceilings[name] > 0), key=lambda name: ceilings[name] / weights[name]
    )
    weight_left = math.fsum(weights[name] for name in open_names)
    for name in open_names:  # those that reach their ceiling at the lowest level of water come first
        share = min(ceilings[name], amount * weights[name] / weight_left)
        given[name] = share
        amount -= share
        weight_left -= weights[name]
    return given


def ceilings_of(plan: Plan, without: Collection[CgroupName] = ()) -> dict[CgroupName, float]:
    """The most each cgroup can use: its own quota and cpuset, and what its children can use."""
    children = children_of(plan)
    ceilings: dict[CgroupName, float] = {}
    for name in reversed(tuple(plan)):
        below = children.get(name)
        if name in without:
            wanted = 0.0
        elif below is None:
            wanted = math.inf
        else:
            wanted = sum(ceilings[child] for child in below)
        ceilings[name] = min(wanted, own_limit(plan.cgroups[name]))
    return ceilings


def own_limit(spec: CgroupSpec) -> float:
    """The most CPUs that a cgroup's own quota and cpuset allow."""
    limit = math.inf
    if isinstance(spec.cpu_max, CpuMax):
        limit = spec.cpu_max.cpus
    if spec.cpuset_cpus:
        limit = min(limit, len(parse_cpu_list(spec.cpuset_cpus)))
    return limit


def _split(
    amount: float, siblings: list[CgroupName], plan: Plan, ceilings: Mapping[CgroupName, float]
) -> dict[CgroupName, float]:
    weights = {name: weight_of(plan.cgroups[name]) for name in siblings}
    return water_fill(amount, weights, ceilings)


def weight_of(spec: CgroupSpec) -> float:
    """What a cgroup's share is in proportion to."""
    if spec.cpu_idle:
        return _IDLE_WEIGHT
    return _DEFAULT_WEIGHT if spec.cpu_weight is None else spec.cpu_weight

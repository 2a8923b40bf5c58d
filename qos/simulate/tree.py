"""A plan as arrays: cgroups in an order where loops run up and down the tree, with what each file says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import PlanError
from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, parent, parse_cpu_list
from qos.model.plan import Plan
from qos.simulate.layout import AT_ONCE, GROUP, NODE, UNLIMITED
from qos.simulate.quota import KEPT

DEFAULT_WEIGHT: Final = 100
IDLE_SHARES: Final = 3.0
"""WEIGHT_IDLEPRIO of kernel/sched/sched.h, on the scale where cpu.weight 100 is 1024."""

Nodes = NDArray[Any]


def order(plan: Plan) -> tuple[CgroupName, ...]:
    """ROOT, then level by level: parents before children, siblings side by side."""
    below: dict[CgroupName, list[CgroupName]] = {}
    for name in plan:
        below.setdefault(parent(name), []).append(name)
    names = [ROOT]
    for name in names:
        names.extend(below.get(name, ()))
    return tuple(names)


def link(names: Sequence[CgroupName]) -> Nodes:
    """Records with the tree's links set, nothing limited."""
    nodes = np.zeros(len(names), dtype=NODE)
    index = {name: place for place, name in enumerate(names)}
    nodes["parent"] = [index[parent(name)] if name != ROOT else 0 for name in names]
    for place in range(1, len(names)):
        above = nodes[nodes["parent"][place]]
        if above["last"] == 0:
            above["first"] = place
        above["last"] = place + 1
    nodes["quota"] = nodes["tick"] = nodes["snapshot"] = UNLIMITED
    nodes["last_throttled"] = -UNLIMITED
    return nodes


def shares_of(spec: CgroupSpec) -> float:
    """The scheduler's weight of a cgroup: 1024 for cpu.weight 100, 3 for cpu.idle.

    >>> shares_of(CgroupSpec(cpu_weight=39))
    399.0
    """
    if spec.cpu_idle:
        return IDLE_SHARES
    weight = spec.cpu_weight if spec.cpu_weight is not None else DEFAULT_WEIGHT
    return float((weight * 1024 + 50) // 100)


def set_cpu(
    nodes: Nodes,
    names: Sequence[CgroupName],
    plan: Plan,
    cpus: Sequence[int],
    now: float,
    phases: Mapping[CgroupName, float],
    ticks: tuple[float, int] = (0.0, AT_ONCE),
) -> Mapping[CgroupName, frozenset[int]]:
    """Put the CPU files of a plan in force; each write of cpu.max and cpu.max.burst refills the pool.

    ``phases`` has the seconds from now to the end of the first period; a whole period where it says nothing.
    ``ticks``: by which an empty quota is noticed, and when a throttled wait begins; see ``quota_ticks``.
    Returns the effective cpuset of every cgroup.

    Raises:
        PlanError: a cpuset holds no CPU of this machine.
    """
    effective: dict[CgroupName, frozenset[int]] = {ROOT: frozenset(cpus)}
    nodes[0]["weight"], nodes[0]["cpus"] = 1024.0, float(len(cpus))
    for place, name in enumerate(names):
        if name == ROOT:
            continue
        node, spec = nodes[place], plan.cgroups[name]
        effective[name] = cpuset(name, spec, effective[parent(name)])
        node["weight"], node["cpus"] = shares_of(spec), float(len(effective[name]))
        node["grain"], node["begins"] = ticks
        _set_quota(node, spec, now, phases.get(name))
    return effective


def cpuset(name: CgroupName, spec: CgroupSpec, above: frozenset[int]) -> frozenset[int]:
    """cpuset.cpus.effective: its own CPUs among the parent's; the parent's where it names none of them."""
    if not spec.cpuset_cpus:
        return above
    own = frozenset(parse_cpu_list(spec.cpuset_cpus))
    if not own & above:
        allowed = ",".join(map(str, sorted(above)))
        msg = f"cgroup {name}: cpuset.cpus {spec.cpuset_cpus} has none of the CPUs {allowed}"
        raise PlanError(msg)
    return own & above


def _set_quota(node: Any, spec: CgroupSpec, now: float, phase: float | None) -> None:
    limit = spec.cpu_max
    if limit is None or limit.quota_usec == "max":
        node["quota"] = node["tick"] = UNLIMITED
        node["throttled"] = 0
        return
    quota, period = limit.quota_usec / 1e6, limit.period_usec / 1e6
    burst = (spec.cpu_max_burst or 0) / 1e6
    if (node["quota"], node["period"], node["burst"]) == (quota, period, burst):
        return
    fresh = node["quota"] == UNLIMITED
    pool = quota + burst if fresh else node["pool"] + quota  # cpu.max, then cpu.max.burst: full
    node["quota"], node["period"], node["burst"] = quota, period, burst
    node["pool"] = node["snapshot"] = min(pool, quota + burst)
    if node["grain"] > 0.0:  # as those have it whose processes were started before
        node["pool"] += KEPT
        node["local"] = KEPT
    node["throttled"] = node["idle"] = 0
    node["synced"] = now
    if fresh:
        node["phase"] = node["tick"] = now + (period if phase is None else phase)
    elif node["tick"] < UNLIMITED:  # a running timer goes on to where it was set (start_cfs_bandwidth)
        node["phase"] = node["tick"]
    else:
        node["tick"] = node["phase"] + (math.floor((now - node["phase"]) / period) + 1.0) * period


def link_memory(nodes: Nodes) -> NDArray[Any]:
    """Memory records for the same tree, nothing limited."""
    groups = np.zeros(len(nodes), dtype=GROUP)
    for field in ("parent", "first", "last"):
        groups[field] = nodes[field]
    for field in ("high", "max", "swap_high", "swap_max"):
        groups[field] = UNLIMITED
    groups["active"] = 1.0
    return groups


def set_memory(groups: NDArray[Any], names: Sequence[CgroupName], plan: Plan, memory: int, swap: int) -> None:
    """Put the memory files of a plan in force; the root is the machine."""
    groups[0]["max"], groups[0]["swap_max"] = memory - reserve_bytes(memory), swap
    for place, name in enumerate(names):
        if name != ROOT:
            spec = plan.cgroups[name]
            group = groups[place]
            group["min"], group["low"] = _bytes(spec.memory_min, 0.0), _bytes(spec.memory_low, 0.0)
            group["high"], group["max"] = _bytes(spec.memory_high), _bytes(spec.memory_max)
            group["swap_high"], group["swap_max"] = (
                _bytes(spec.memory_swap_high),
                _bytes(spec.memory_swap_max),
            )
            group["oom_group"] = spec.memory_oom_group or 0


def reserve_bytes(memory: int) -> float:
    """Memory the kernel keeps free for itself: min_free_kbytes = 4 · √(kilobytes), 128 to 262144.

    >>> reserve_bytes(8 * 2**30)
    11862016.0

    Source: mm/page_alloc.c, calculate_min_free_kbytes.
    """
    return min(max(math.isqrt(16 * (memory // 1024)), 128), 262144) * 1024.0


def _bytes(value: int | str | None, unset: float = UNLIMITED) -> float:
    """A limit of a file as a number; whole pages, as the kernel keeps it."""
    if value is None:
        return unset
    return UNLIMITED if value == "max" else float(int(value) // 4096 * 4096)


def index_of(names: Sequence[CgroupName]) -> Mapping[CgroupName, int]:
    """Place of each cgroup in the arrays."""
    return {name: place for place, name in enumerate(names)}

"""A machine's plan as a frame of the stepped kernel: leaves, groups and quotas, with places from 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, parent, parse_cpu_list
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.layout import UNLIMITED
from qos.simulate.step_demand import Steps, reason_against, steps_of, with_growth
from qos.simulate.step_memory import Held, held_by, reasons_against_memory
from qos.simulate.tree import shares_of

_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of a fleet: what a SimKernel is given, before it runs.

    Attributes:
        plan: cgroups and their values.
        workloads: leaf → what its processes want.
        cpus: how many CPUs.
        names: leaf → the name its random draws are keyed by; its own where left out. Machines that share a
            plan tell their pods apart by it.
        memory_bytes: what it has; None: nobody is killed for want of the machine's memory.
    """

    plan: Plan
    workloads: Mapping[CgroupName, Workload]
    cpus: int
    names: Mapping[CgroupName, str] = field(default_factory=dict)
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """A cpu.max of a leaf: seconds a period, and the cgroups that count by it (bites, or only runs)."""

    leaf: int
    amount: float
    period: float
    throttled: tuple[CgroupName, ...]
    running: tuple[CgroupName, ...]


@dataclass(slots=True)
class Group:
    """A cgroup with several children that want CPU; places are those of its leaves and subgroups."""

    weight: float
    limit: float = UNLIMITED
    leaves: tuple[int, int] = (0, 0)
    subs: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Frame:
    """All leaves of a machine that want CPU.

    Attributes:
        cgroups: (L,) the leaves.
        weights: (L,) of the uppermost cgroup of each chain.
        demands: (L,) what each wants.
        below: cgroup → its leaves, for counters summed up the tree.
        held: memory of all leaves, of those without CPU too.
        ends: (step, leaf) from which on a leaf is dead.
    """

    cpus: int
    cgroups: list[CgroupName] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    demands: list[Steps] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quotas: list[Quota] = field(default_factory=list)
    below: dict[CgroupName, list[int]] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    ends: list[tuple[int, int]] = field(default_factory=list)


def reasons_against(machine: Machine, step_seconds: float) -> list[str]:
    """Why a machine cannot be computed in steps, one sentence each; none if it can."""
    found = []
    for name, workload in machine.workloads.items():
        if why := reason_against(workload.cpu, step_seconds):
            found.append(f"{name}: {why}")
    found += reasons_against_memory(machine.plan, machine.workloads)
    for name, spec in machine.plan.cgroups.items():
        if (
            spec.cpuset_cpus
            and len(set(parse_cpu_list(spec.cpuset_cpus)) & set(range(machine.cpus))) < machine.cpus
        ):
            found.append(f"{name}: cpuset.cpus shares CPUs in pools")
        if spec.cpu_max_burst:
            found.append(f"{name}: cpu.max.burst carries runtime over")
        limit = spec.cpu_max
        if limit and limit.quota_usec != "max" and not _divides(limit.period_usec / 1e6, step_seconds):
            found.append(
                f"{name}: periods of {limit.period_usec} µs do not fill a step of {step_seconds:g} s"
            )
    return found


def frame_of(machine: Machine, steps: int, step_seconds: float, known: dict[int, Steps]) -> Frame:
    """The frame of a machine whose demand runs for ``steps`` steps.

    Args:
        machine: one that :func:`reasons_against` has nothing against.
        steps: how many.
        step_seconds: how long each is.
        known: demand by identity of its workload, filled: machines share workloads.
    """
    children = _wanting(machine)
    frame = Frame(machine.cpus, groups=[Group(1024.0, float(machine.cpus))])
    waiting = [(0, ROOT)]
    for place, top in waiting:
        group = frame.groups[place]
        first, first_sub = len(frame.cgroups), len(frame.groups)
        found = [(chain, _demand(machine, chain[-1], steps, step_seconds, known, children))
                 for chain in _chains(top, children)]  # fmt: skip
        for chain, demand in sorted(found, key=lambda each: _kind(each[1])):
            weight = shares_of(machine.plan.cgroups[chain[0]])
            if demand is None:
                frame.groups.append(Group(weight, float(machine.cpus)))
                waiting.append((len(frame.groups) - 1, chain[-1]))
                _limit_group(frame.groups[-1], machine, chain, children)
            else:
                _add_quotas(frame, machine, chain)
                frame.cgroups.append(chain[-1])
                frame.weights.append(weight)
                frame.demands.append(demand)
        group.leaves, group.subs = (first, len(frame.cgroups)), (first_sub, len(frame.groups))
    for leaf, name in enumerate(frame.cgroups):
        above = name
        while above != ROOT:
            frame.below.setdefault(above, []).append(leaf)
            above = parent(above)
    frame.below[ROOT] = list(range(len(frame.cgroups)))
    frame.held = held_by(machine.plan, machine.workloads, machine.memory_bytes, steps * step_seconds)
    leaves = {name: leaf for leaf, name in enumerate(frame.cgroups)}
    # CPU is used up to the end of the step in which a leaf is killed.
    frame.ends = [
        (math.ceil(kill.time / step_seconds - _EPSILON), leaves[kill.cgroup])
        for kill in frame.held.kills
        if kill.cgroup in leaves
    ]
    return frame


def _wanting(machine: Machine) -> dict[CgroupName, list[CgroupName]]:
    """Parent → children below which something runs, in the plan's order."""
    wanting = set()
    for name, workload in machine.workloads.items():
        above = name if workload.cpu is not None else ROOT
        while above != ROOT:
            wanting.add(above)
            above = parent(above)
    children: dict[CgroupName, list[CgroupName]] = {}
    for name in machine.plan.cgroups:
        if name in wanting:
            children.setdefault(parent(name), []).append(name)
    return children


def _chains(
    top: CgroupName, children: Mapping[CgroupName, Sequence[CgroupName]]
) -> list[tuple[CgroupName, ...]]:
    """From each child down to where the tree branches or ends."""
    found = []
    for child in children.get(top, ()):
        chain = [child]
        while len(below := children.get(chain[-1], ())) == 1:
            chain.append(below[0])
        found.append(tuple(chain))
    return found


def _demand(
    machine: Machine, name: CgroupName, steps: int, step_seconds: float, known: dict[int, Steps],
    children: Mapping[CgroupName, Sequence[CgroupName]],
) -> Steps | None:  # fmt: skip
    if name in children:
        return None
    workload = machine.workloads[name]
    if id(workload) not in known:
        known[id(workload)] = with_growth(
            steps_of(workload.cpu, steps, step_seconds), workload.memory, steps, step_seconds
        )
    return known[id(workload)]


def _kind(demand: Steps | None) -> tuple[int, float]:
    """Leaves whose demand is made in one way stand together."""
    if demand is None:
        return 3, 0.0
    if demand.random is not None:
        return 0, demand.random.every
    return (1, 0.0) if demand.dense else (2, 0.0)


def _limits(machine: Machine, chain: Sequence[CgroupName]) -> list[tuple[CgroupName, float, float]]:
    specs: list[tuple[CgroupName, CgroupSpec]] = [(name, machine.plan.cgroups[name]) for name in chain]
    return [
        (name, spec.cpu_max.quota_usec / 1e6, spec.cpu_max.period_usec / 1e6)
        for name, spec in specs
        if spec.cpu_max is not None and spec.cpu_max.quota_usec != "max"
    ]


def _add_quotas(frame: Frame, machine: Machine, chain: Sequence[CgroupName]) -> None:
    """The tightest quota of a chain; equal ones bite together, looser ones only count periods."""
    limits = _limits(machine, chain)
    if not limits:
        return
    _, amount, period = min(limits, key=lambda each: each[1] / each[2])
    part = amount / period
    bite = tuple(name for name, other, span in limits if other / span <= part + _EPSILON)
    run = tuple(name for name, other, span in limits if other / span > part + _EPSILON)
    frame.quotas.append(Quota(len(frame.cgroups), amount, period, bite, run))


def _limit_group(
    group: Group,
    machine: Machine,
    chain: Sequence[CgroupName],
    children: Mapping[CgroupName, Sequence[CgroupName]],
) -> None:
    """A quota above several leaves limits them together, unless their own leave it nothing to do."""
    own = min((amount / period for _, amount, period in _limits(machine, chain)), default=math.inf)
    if own < _most(machine, chain[-1], children) - _EPSILON:
        group.limit = min(group.limit, own)


def _most(machine: Machine, name: CgroupName, children: Mapping[CgroupName, Sequence[CgroupName]]) -> float:
    """CPUs that everything below a cgroup can use by its own quotas."""
    total = 0.0
    for child in children.get(name, ()):
        own = min((amount / period for _, amount, period in _limits(machine, [child])), default=math.inf)
        total += min(own, _most(machine, child, children) if child in children else math.inf)
    return total


def _divides(period: float, step: float) -> bool:
    count = step / period
    return count > 0.5 and abs(count - round(count)) < 1e-9

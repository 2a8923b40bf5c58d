"""One scenario on the real kernel of this machine: the plan enforced, real processes, real readings."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from qos.errors import HostError, InputError
from qos.experiment.admission import as_stored
from qos.experiment.agents import build_agents
from qos.experiment.bandwidth import pod_network
from qos.experiment.drive import Driver
from qos.experiment.late_starts import outside_over_time, without_getting_ready
from qos.experiment.policies import policy_named
from qos.experiment.rig import Rig, rig_of
from qos.experiment.rig_network import check_network, pod_networks
from qos.experiment.simulate import bind, describe, pod_records, refuse_uncomputed
from qos.model.cgroup import ROOT, CgroupName, ancestors, parent
from qos.model.kernel import Agent
from qos.model.plan import Plan
from qos.model.pod import CPU, MEMORY
from qos.model.profile import parse_version
from qos.model.quantity import Quantity
from qos.model.sample import Recording, Samples
from qos.model.workload import Workload
from qos.policy.registry import plan_node
from qos.scenario.scenario import Scenario

if TYPE_CHECKING:
    from enforcer.kernel import HostKernel
    from qos.experiment.enforce import Host
    from qos.policy.base import PlanDetails

_ZERO: Final = Quantity.parse("0")
_BEGIN_ON_SECONDS: Final = 1.0
OFFSETS_SINCE: Final = (6, 4)
"""Linux up to 6.3 ends periods of cpu.max at multiples of the period on CLOCK_MONOTONIC, so a run that begins
on a whole second begins with whole periods; since 6.4 each cgroup has an offset of its own."""
_KERNEL_KEEPS: Final = 0.10
"""A kernel keeps a few per cent of a machine's memory for itself: of 1024 MiB it counts 983 to 1000."""


def node_size(scenario: Scenario) -> tuple[float, int]:
    """CPUs and bytes of memory that the scenario's node has."""
    capacity = scenario.node.status.capacity
    return capacity.get(CPU, _ZERO).nano / 1e9, capacity.get(MEMORY, _ZERO).value()


def check_size(
    scenario: Scenario,
    cpus: int,
    memory_bytes: int,
    machine: str,
    sizes: str | None = None,
    *,
    swap_bytes: int = 0,
) -> None:
    """A prediction for another machine than the measured one says nothing: refuse it.

    Args:
        scenario: whose node is meant.
        cpus: of the machine.
        memory_bytes: of the machine.
        machine: what to call it.
        sizes: which sizes would do, in words; None: the machine's own.
        swap_bytes: of the machine.

    Raises:
        InputError: the scenario has several nodes, its node is not as large as the machine, or it asks for
            what is not computed.
    """
    if len(scenario.nodes) > 1:
        raise InputError(
            "validate runs one node", source=scenario.source, field="spec.nodes", value=len(scenario.nodes)
        )
    if scenario.system:
        raise InputError(
            "validate loads pods only; what runs beside them is the machine's own", source=scenario.source,
            field="spec.workloads.cgroup", value=", ".join(scenario.system), expected="a selector of pods",
        )  # fmt: skip
    check_network(scenario)
    refuse_uncomputed(scenario)
    _check_swap(scenario, swap_bytes, machine)
    wanted_cpus, wanted_memory = node_size(scenario)
    missing = wanted_memory - memory_bytes
    if wanted_cpus == cpus and missing + 1 >= 0 and missing <= _KERNEL_KEEPS * wanted_memory:
        return
    raise InputError(
        f"the scenario's node is not of the size of {machine}",
        source=scenario.source,
        field="spec.nodes.status.capacity",
        value=f"cpu {wanted_cpus:g}, memory {wanted_memory >> 20}Mi",
        expected=sizes or f"cpu {cpus}, memory {memory_bytes >> 20}Mi (up to 10 % more)",
    )


def _check_swap(scenario: Scenario, swap_bytes: int, machine: str) -> None:
    if scenario.node.swap_capacity_bytes > swap_bytes:
        has = f"{swap_bytes >> 20}Mi" if swap_bytes else "none"
        raise InputError(
            f"the scenario's node has swap, and {machine} has {has}",
            source=scenario.source, field="spec.nodes.status.nodeInfo.swap.capacity",
            value=scenario.node.swap_capacity_bytes, expected="a node without swap",
        )  # fmt: skip


def check_this_machine(scenario: Scenario) -> None:
    """Refuse a scenario whose node is not as large as this machine.

    Raises:
        InputError: it is not.
    """
    from enforcer.place import cpu_count, memory_bytes
    from enforcer.procfs import ProcFS

    memory = ProcFS().memory()
    swap = memory.swap if memory else 0
    check_size(scenario, cpu_count(), memory_bytes(), "this machine", swap_bytes=swap)


def shapes_of(workloads: Mapping[CgroupName, Workload]) -> dict[str, list[str]]:
    """What each leaf's workload does: the name of its CPU shape, and what else it has: ``memory``, ``io``."""
    return {
        str(name): [
            *([load.cpu.shape] if load.cpu else []),
            *(kind for kind in ("memory", "io", "network", "tasks") if getattr(load, kind) is not None),
            *(["egress"] if load.network and load.network.egress_bits_per_second is not None else []),
            *(["ingress"] if load.network and load.network.ingress_bits_per_second is not None else []),
        ]
        for name, load in workloads.items()
    }


def on_kernel(scenario: Scenario, release: str) -> Scenario:
    """The scenario for a node with this kernel: versions of Linux differ, and both sides shall mean one.

    >>> from qos.model.profile import Profile, parse_version
    >>> parse_version("6.12.48+deb13-cloud-amd64")[:2]
    (6, 12)
    """
    return replace(scenario, profile=replace(scenario.profile, kernel=parse_version(release)[:2]))


def run_hash(scenario: Scenario, plan: Plan, workloads: Mapping[CgroupName, Workload], seed: int) -> str:
    """SHA-256 (hex) of all that is run: what cgroups are written, what their processes want, how long.

    Other words in the scenario (its question, what it expects) leave it as it is, and so do new fields of
    documents that are not used.
    """
    cpus, memory = node_size(scenario)
    told = {
        "files": {name: spec.files() for name, spec in plan.cgroups.items()},
        "oom_score_adj": dict(plan.oom_score_adj),
        "workloads": {
            name: load.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for name, load in workloads.items()
        },
        "node": [cpus, memory, scenario.node.swap_capacity_bytes],
        "eviction": scenario.node.kubelet.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "run": [scenario.duration_seconds, scenario.sample_interval_seconds, list(scenario.agents), seed],
    }
    if any(load.network for load in workloads.values()):
        told["network"] = {pod.name: asdict(pod_network(pod)) for pod in scenario.pods}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def measure(scenario: Scenario, *, policy: str, seed: int, repeat: int) -> Iterator[Recording]:
    """Run a scenario on this machine, again and again, each time from nothing.

    Args:
        scenario: its node must be this machine.
        policy: name of the policy whose plan is enforced.
        seed: of arrivals and costs; the same in every repeat.
        repeat: how often.

    Yields:
        One measured recording a repeat.

    Raises:
        InputError: unknown policy or agent, or a node of another size.
        HostError: this machine cannot do it, or qos already manages pods on it.
    """
    from qos.experiment.enforce import Host

    check_this_machine(scenario)
    scenario = on_kernel(scenario, platform.release())
    rules = policy_named(policy, scenario.policy_documents)
    details = plan_node(
        rules, as_stored(scenario.pods, scenario.limit_ranges), scenario.node, scenario.profile
    )

    def plan_of(alive: Collection[CgroupName]) -> Plan:
        """The plan for the pods that are still there."""
        pods = [pod.pod for pod in details.pods if pod.cgroup in alive]
        return rig.plan(rules.plan(pods, scenario.node, scenario.profile))

    with Host() as host, rig_of(scenario, host.fs) as rig:
        if host.enforcer.record().cgroups:
            raise HostError("qos manages pods on this machine; delete them first: qos delete --all")
        for number in range(repeat):
            agents = build_agents(scenario.agents, details, scenario.node, plan_of)
            yield _once(host, rig, scenario, details, agents, seed, policy, number)


def outside_cpus(samples: Samples, cpus: int) -> float:
    """CPUs that pods could not have: measuring, the kernel's own threads, what else ran beside them.

    (time · CPUs − idle − used by pods) / time, from the first reading to the last. A machine that is never
    idle leaves its pods the rest of it, so their sum is no test of a prediction there; how they share it is.

    Args:
        samples: with a row of ROOT that has ``proc_stat_idle_usec``.
        cpus: of the machine.

    >>> import numpy as np
    >>> columns = {"cpu_stat_usage_usec": np.array([[5e5, np.nan], [4.4e6, np.nan]]),
    ...            "proc_stat_idle_usec": np.array([[np.nan, 1e5], [np.nan, 1.3e5]])}
    >>> names = (CgroupName("kubepods"), ROOT)
    >>> round(outside_cpus(Samples(np.array([0.0, 4.0]), names, columns, "measured"), 1), 4)  # 4 - 0.03 - 3.9
    0.0175
    """
    import numpy as np

    from enforcer.procfs import IDLE_COLUMN

    seconds = float(samples.times[-1] - samples.times[0])
    if ROOT not in samples.cgroups or IDLE_COLUMN not in samples.columns or seconds <= 0.0:
        return 0.0
    idle, used = samples.increase(IDLE_COLUMN), samples.increase("cpu_stat_usage_usec")
    tops = [at for at, name in enumerate(samples.cgroups) if name != ROOT and parent(name) == ROOT]
    away = float(idle[samples.cgroups.index(ROOT)]) + float(np.nansum(used[tops]))
    return max(0.0, cpus - away / 1e6 / seconds)


def _once(
    host: Host,
    rig: Rig,
    scenario: Scenario,
    details: PlanDetails,
    agents: Sequence[Agent],
    seed: int,
    policy: str,
    number: int,
) -> Recording:
    from enforcer.kernel import HostKernel
    from enforcer.place import cpu_count
    from enforcer.procfs import ProcFS
    from qos.experiment.load import load_starter

    workloads = bind(details, scenario.demand)
    plan = rig.plan(details.plan)
    try:
        with pod_networks(details, workloads) as networks, HostKernel(
            host.fs, host.enforcer, plan, sample_interval_seconds=scenario.sample_interval_seconds,
            begin_on_seconds=_BEGIN_ON_SECONDS,
            starter=load_starter(host.fs, seed=seed, scratch=rig.scratch, networks=networks),
            beside=networks.counters, node=ProcFS().idle_columns,
        ) as kernel:  # fmt: skip
            seen = Driver(kernel, plan, workloads, agents).run(scenario.duration_seconds)
            phases = _phases(host, plan, kernel)
            starts = kernel.late_starts
    finally:
        host.enforcer.delete(force_conflicts=True)
    samples = without_getting_ready(since_the_start(seen.samples), starts)
    meta = describe(scenario, seed, "") | {
        **_this_machine(),
        "repeat": number,
        "run_hash": run_hash(scenario, details.plan, workloads, seed),
        "measuring_cpus": outside_cpus(samples, cpu_count()),
        "period_phases": phases,
        "shapes": shapes_of(workloads),
    }
    if starts:
        interval = scenario.sample_interval_seconds
        meta["measuring_over_time"] = outside_over_time(samples, cpu_count(), interval)
    return Recording(
        policy=policy,
        meta=meta,
        pods=pod_records(details, workloads),
        files={name: spec.files() for name, spec in details.plan.cgroups.items()},
        samples=_of_the_plan(samples),
        events=seen.events,
        completions=seen.completions,
    )


def _this_machine() -> dict[str, Any]:
    """What a measurement tells of the machine that it was made on."""
    from enforcer.lab.machine import EMULATOR_VARIABLE
    from enforcer.load_cpu import clock_step
    from enforcer.load_memory import fault_bytes_per_second
    from enforcer.place import cpu_count, memory_bytes

    return {
        "kernel": platform.release(),
        "release": platform.release(),
        "emulator": os.environ.get(EMULATOR_VARIABLE, ""),
        "cpus": cpu_count(),
        "memory_bytes": memory_bytes(),
        "clock_step_seconds": clock_step(),
        "fault_bytes_per_second": round(fault_bytes_per_second()),
    }


def _phases(host: Host, plan: Plan, kernel: HostKernel) -> dict[CgroupName, float]:
    """When the first period of each cpu.max ended, where that is drawn; else at multiples of the period."""
    from enforcer.periods import kept_busy, observe_phases

    if parse_version(platform.release())[:2] < OFFSETS_SINCE:
        return {}
    limits = {name: spec.cpu_max for name, spec in plan.cgroups.items()}
    there = {
        name: limit.period_usec / 1e6
        for name, limit in limits.items()
        if limit is not None and limit.quota_usec != "max" and host.fs.exists(name)
    }
    leaves = [leaf for leaf in plan.leaves() if host.fs.exists(leaf)]
    below = [leaf for leaf in leaves if there.keys() & {leaf, *ancestors(leaf)}]
    with kept_busy(host.fs, below):
        return observe_phases(host.fs, there, lambda: kernel.now_seconds)


def since_the_start(samples: Samples) -> Samples:
    """Without the reading from before the start: what getting ready used is not the workload's."""
    return Samples(
        samples.times[1:],
        samples.cgroups,
        {name: values[1:] for name, values in samples.columns.items()},
        samples.source,
    )


def _of_the_plan(samples: Samples) -> Samples:
    """Without the row of the machine."""
    from enforcer.procfs import IDLE_COLUMN

    there = [at for at, name in enumerate(samples.cgroups) if name != ROOT]
    columns = {name: values[:, there] for name, values in samples.columns.items() if name != IDLE_COLUMN}
    return Samples(samples.times, tuple(samples.cgroups[at] for at in there), columns, samples.source)

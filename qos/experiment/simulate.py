"""`qos simulate`: one scenario under several policies, each on a simulated kernel of its own."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.experiment.agents import NAMES, build_agents
from qos.experiment.bandwidth import network_of
from qos.experiment.drive import Driver
from qos.experiment.policies import policy_named
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.pod import CPU, MEMORY
from qos.model.quantity import Quantity
from qos.model.sample import Recording
from qos.model.workload import Workload
from qos.policy.registry import plan_node, policy_names
from qos.scenario.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from qos.policy.base import ContainerDetails, PlanDetails, PodDetails
    from qos.scenario.overrides import Override
    from qos.simulate.scheduler import Ticks

Progress = Callable[[str, float], None]
_LIBRARIES: Final = ("qos", "numpy", "numba")
_ZERO: Final = Quantity.parse("0")
BASELINE: Final = "uncontended"


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of a particular machine beside its node, where one is to be predicted that was measured.

    Attributes:
        memory_bytes: what its kernel counts; None: the node's capacity.
        period_phases: seconds to the end of the first period of each cgroup's cpu.max.
        tick_seconds: between the ticks of its scheduler, by which its CPU, if it is one, is given in slices;
            None: CPU is shared as a fluid.
        coarse_clock: its scheduler's clock moves with the tick (User Mode Linux, no real host).
        fault_bytes_per_second: new memory that a thread touches in a second of CPU time; None: the usual.
        slices: CPU is given by those ticks; else shared as a fluid, and only quotas go by them.
    """

    memory_bytes: int | None = None
    period_phases: Mapping[CgroupName, float] = field(default_factory=dict)
    tick_seconds: float | None = None
    coarse_clock: bool = False
    fault_bytes_per_second: float | None = None
    slices: bool = True

    def ticks(self) -> Ticks | None:
        """As the simulated kernel takes them."""
        from qos.simulate.scheduler import Ticks

        if not self.tick_seconds:
            return None
        return Ticks(self.tick_seconds, self.coarse_clock, slices=self.slices)

    def told(self) -> dict[str, Any]:
        """What the simulated kernel is told of it, where that is known."""
        known = self.fault_bytes_per_second
        rates = {} if known is None else {"fault_bytes_per_second": known}
        return {"period_phases": self.period_phases, "ticks": self.ticks(), **rates}


_ANY: Final = Machine()


def load(
    path: str | os.PathLike[str], stdin: BinaryIO | None = None, overrides: Sequence[Override] = ()
) -> Scenario:
    """The scenario of a file, its policies and agents known to exist; some fields with other values.

    Raises:
        qos.errors.InputError: something is wrong; InputErrors where several things are.
    """
    return load_scenario(
        path, known_policies=policy_names(), known_agents=NAMES, stdin=stdin, overrides=overrides
    )


def simulate(
    scenario: Scenario,
    *,
    policies: Sequence[str] = (),
    seed: int | None = None,
    baseline: bool = False,
    command: str = "",
    progress: Progress | None = None,
    machine: Machine | None = None,
) -> list[Recording]:
    """Run a scenario on the simulated kernel, once for each policy.

    Args:
        scenario: as :func:`load` gives it.
        policies: names to run instead of the scenario's own.
        seed: instead of the scenario's own.
        baseline: also run each request-driven workload alone under the first policy, to compare with.
        command: what the user typed, kept with the result.
        progress: told the policy and the fraction done.
        machine: simulate this one instead of any with the node's capacity.

    Returns:
        One recording a policy, in order; with ``baseline`` the uncontended run first.

    Raises:
        qos.errors.InputError: an unknown policy or agent, or an impossible scenario.
    """
    refuse_uncomputed(scenario)
    names = tuple(policies) or scenario.policies
    used_seed = scenario.seed if seed is None else seed
    recordings: list[Recording] = []
    if baseline:
        alone = {
            key: load for key, load in scenario.demand.items() if load.cpu and load.cpu.shape == "requests"
        }
        if alone and len(alone) < len(scenario.demand):
            recordings.append(_run(scenario, names[0], used_seed, alone, command, None, role="baseline"))
    there = machine or Machine()
    recordings += [
        _run(scenario, name, used_seed, scenario.demand, command, progress, machine=there) for name in names
    ]
    return recordings


def compile_seconds() -> float:
    """Seconds that this process spent compiling the simulated kernel; 0 where an earlier one did."""
    from qos.simulate.jit import compile_seconds

    return compile_seconds()


def refuse_uncomputed(scenario: Scenario) -> None:
    """What the simulated kernel would leave out without a word is an error instead.

    Raises:
        qos.errors.InputError: several nodes, or disk traffic through the page cache.
    """
    if len(scenario.nodes) > 1:
        raise InputError(
            "events are simulated of one node", source=scenario.source, field="spec.nodes",
            value=f"{len(scenario.nodes)} nodes", expected="one node, or steps (docs/fleets.md)",
        )  # fmt: skip
    for load in (*scenario.demand.values(), *scenario.system.values()):
        where = f"spec.workloads[{load.name}]"
        if load.io is not None and not load.io.direct:
            raise InputError(
                "disk traffic through the page cache is not simulated", source=scenario.source,
                field=f"{where}.io.direct", value="false", expected="true, or memory.cache: for cached reads",
            )  # fmt: skip


def _run(
    scenario: Scenario,
    policy: str,
    seed: int,
    demand: Mapping[tuple[int, str], Workload],
    command: str,
    progress: Progress | None,
    role: str = "",
    machine: Machine = _ANY,
) -> Recording:
    from qos.simulate.kernel import SimKernel

    rules = policy_named(policy, scenario.policy_documents)
    stored = as_stored(scenario.pods, scenario.limit_ranges)
    details = plan_node(rules, stored, scenario.node, scenario.profile)
    details = replace(details, plan=beside(details.plan, scenario.system))
    capacity = scenario.node.status.capacity
    kernel = SimKernel(
        details.plan,
        cpus=max(1, capacity.get(CPU, _ZERO).milli_value() // 1000),
        memory_bytes=machine.memory_bytes or capacity.get(MEMORY, _ZERO).value(),
        swap_bytes=scenario.node.swap_capacity_bytes,
        seed=seed,
        sample_interval_seconds=scenario.sample_interval_seconds,
        kernel_version=scenario.profile.kernel,
        disks=scenario.node.disks,
        network=network_of(details, scenario.node),
        **machine.told(),
    )

    def plan_of(alive: Collection[CgroupName]) -> Plan:
        """The plan for the pods that are still there."""
        pods = [pod.pod for pod in details.pods if pod.cgroup in alive]
        return beside(rules.plan(pods, scenario.node, scenario.profile), scenario.system)

    agents = build_agents(scenario.agents, details, scenario.node, plan_of)
    workloads = bind(details, demand) | ({} if role else dict(scenario.system))
    duration = scenario.duration_seconds
    tell = (lambda seconds: progress(policy, seconds / duration)) if progress else None
    seen = Driver(kernel, details.plan, workloads, agents).run(duration, tell)
    return Recording(
        policy=BASELINE if role else policy,
        meta=describe(scenario, seed, command) | ({"role": role} if role else {}),
        pods=pod_records(details, bind(details, scenario.demand)),
        files={name: spec.files() for name, spec in details.plan.cgroups.items()},
        samples=seen.samples,
        events=seen.events,
        completions=seen.completions,
    )


def beside(plan: Plan, system: Collection[CgroupName]) -> Plan:
    """The plan with the cgroups of ``system`` beside the pods', none of their files managed."""
    if not system:
        return plan
    return Plan.of({**plan.cgroups, **{name: CgroupSpec() for name in system}}, plan.oom_score_adj)


def bind(details: PlanDetails, demand: Mapping[tuple[int, str], Workload]) -> dict[CgroupName, Workload]:
    """The workload of each leaf cgroup; ``demand`` is by index of the pod and name of the container."""
    return {
        container.cgroup: demand[index, container.container.name]
        for index, pod in enumerate(details.pods)
        for container in pod.containers
        if (index, container.container.name) in demand
    }


def describe(scenario: Scenario, seed: int, command: str) -> dict[str, Any]:
    """What is kept with a result so that it can be reproduced."""
    capacity = scenario.node.status.capacity
    return {
        "scenario": scenario.name,
        "scenario_hash": scenario.hash,
        "description": scenario.question,
        "seed": seed,
        "profile": str(scenario.profile),
        "duration_seconds": scenario.duration_seconds,
        "command": command,
        "versions": {name: metadata.version(name) for name in _LIBRARIES}
        | {"python": platform.python_version()},
        "node": {
            "name": scenario.node.name,
            "cpus": capacity.get(CPU, _ZERO).nano / 1e9,
            "memory_bytes": capacity.get(MEMORY, _ZERO).value(),
        },
    }


def pod_records(details: PlanDetails, workloads: Mapping[CgroupName, Workload]) -> tuple[dict[str, Any], ...]:
    """One plain record a container, as :class:`qos.model.sample.Recording` has them."""
    return tuple(
        _record(pod, container, workloads.get(container.cgroup))
        for pod in details.pods
        for container in pod.containers
    )


def _record(pod: PodDetails, container: ContainerDetails, workload: Workload | None) -> dict[str, Any]:
    resources = container.container.resources
    return {
        "namespace": pod.pod.namespace,
        "pod": pod.pod.name,
        "container": container.container.name,
        "type": container.type,
        "qosClass": pod.qos_class.value,
        "cgroup": container.cgroup,
        "podCgroup": pod.cgroup,
        "workload": workload.name if workload else "",
        "shape": workload.cpu.shape if workload and workload.cpu else None,
        "cpuRequest": _cpus(resources.requests.get(CPU)),
        "cpuLimit": _cpus(resources.limits.get(CPU)),
        "memoryRequest": _bytes(resources.requests.get(MEMORY)),
        "memoryLimit": _bytes(resources.limits.get(MEMORY)),
    }


def _cpus(quantity: Quantity | None) -> float | None:
    return None if quantity is None or quantity.is_zero else quantity.nano / 1e9


def _bytes(quantity: Quantity | None) -> int | None:
    return None if quantity is None or quantity.is_zero else quantity.value()

"""The static CPU manager: which containers get CPUs of their own, and which share the rest.

Source: pkg/kubelet/cm/cpumanager/policy_static.go of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qos.errors import PlanError
from qos.model.cgroup import CgroupName, format_cpu_list
from qos.model.pod import Pod
from qos.model.qos_class import QOSClass
from qos.policy.base import PodDetails
from qos.policy.container_cgroup import exclusive_cpus
from qos.policy.decisions.cpu_assignment import AssignmentOptions, assign_cpus
from qos.policy.decisions.cpu_topology import CpuTopology

ContainerKey = tuple[str, str, str]
"""Namespace, pod, container."""


@dataclass(frozen=True, slots=True)
class StaticOptions:
    """How the static policy is set up.

    Attributes:
        assignment: how CPUs are chosen.
        full_pcpus_only: refuse a container whose CPUs would share a core with another's.
    """

    assignment: AssignmentOptions = field(default_factory=AssignmentOptions)
    full_pcpus_only: bool = False


@dataclass(frozen=True, slots=True)
class StaticAssignment:
    """What a node's CPUs are used for.

    Attributes:
        exclusive: container → its own CPUs, ascending.
        shared: CPUs of all other containers; the reserved ones are among them.
        refused: container → why the kubelet would not admit its pod.
    """

    exclusive: Mapping[ContainerKey, tuple[int, ...]]
    shared: tuple[int, ...]
    refused: Mapping[ContainerKey, str]


def assign_pods(
    pods: Iterable[tuple[Pod, QOSClass]],
    topology: CpuTopology,
    reserved: Iterable[int] | int,
    options: StaticOptions | None = None,
) -> StaticAssignment:
    """CPUs of the pods' containers, handed out in the order in which the pods come.

    CPUs of a plain init container may be used again by the containers after it in its pod.

    Args:
        pods: each with its class.
        topology: the machine.
        reserved: ``reservedSystemCPUs``, or how many CPUs the kubelet is to choose itself; never handed
            out for exclusive use.
        options: of the policy.

    Raises:
        PlanError: more CPUs are to be reserved than there are.
    """
    options = options or StaticOptions()
    if isinstance(reserved, int):
        reserved = assign_cpus(topology, topology.cpus, reserved)
    free = set(topology.cpus) - set(reserved)
    exclusive: dict[ContainerKey, tuple[int, ...]] = {}
    refused: dict[ContainerKey, str] = {}
    for pod, qos_class in pods:
        reusable: set[int] = set()
        for container, kind in pod.typed_containers():
            count = exclusive_cpus(container, qos_class)
            if not count:
                continue
            key = _key(pod, container.name)
            try:
                cpus = _take(topology, free | reusable, count, options)
            except PlanError as error:
                refused[key] = str(error)
                continue
            exclusive[key] = cpus
            free -= set(cpus)
            reusable = reusable | set(cpus) if kind == "init" else reusable - set(cpus)
        free |= reusable
    return StaticAssignment(exclusive, tuple(sorted(free | set(reserved))), refused)


def container_cpusets(pods: Iterable[PodDetails], assignment: StaticAssignment) -> dict[CgroupName, str]:
    """``cpuset.cpus`` of every container: its own CPUs, or those that all others share.

    The static policy writes it for each container of the node, and again for the sharing ones whenever
    the shared pool changes.
    """
    shared = format_cpu_list(assignment.shared)
    return {
        container.cgroup: format_cpu_list(cpus) if cpus is not None else shared
        for details in pods
        for container in details.containers
        for cpus in [assignment.exclusive.get(_key(details.pod, container.container.name))]
    }


def _key(pod: Pod, container: str) -> ContainerKey:
    return (pod.namespace, pod.name, container)


def _take(topology: CpuTopology, free: set[int], count: int, options: StaticOptions) -> tuple[int, ...]:
    threads = topology.average("core")
    if options.full_pcpus_only and count % threads:
        raise PlanError(f"SMT Alignment Error: requested {count} cpus not multiple cpus per core = {threads}")
    return assign_cpus(topology, free, count, options.assignment)

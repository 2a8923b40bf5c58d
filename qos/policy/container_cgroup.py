"""The cgroup of a container. Source: kuberuntime_container_linux.go and the runtimes, Kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from qos.model.pod import CPU, MEMORY, Container, Pod, ResourceRequirements
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import Explained, Values, said
from qos.policy.config_values import cpu_max, hugepage_values, linear_weight, memory_max, quota_sentence
from qos.policy.facts import NodeFacts
from qos.policy.formulas import (
    MAX_SHARES,
    MIN_SHARES,
    NO_QUOTA,
    milli_cpu_to_quota,
    milli_cpu_to_shares,
    shares_to_weight_quadratic,
)
from qos.policy.hugepages import hugepage_limits
from qos.policy.memory_qos import container_memory_qos
from qos.policy.pod_resources import ResourceOptions, has_pod_level_resources, pod_limits, pod_requests
from qos.policy.swap import memory_swap_max, swap_refusal

_ZERO: Final = Quantity.zero()
_OOM_GROUP: Final = said(1, "singleProcessOOMKill is off: an OOM kill takes every process of the container")


class LinuxResources(NamedTuple):
    """What the kubelet asks of the runtime (CRI LinuxContainerResources); 0: not set, quota -1: none."""

    cpu_shares: int
    cpu_quota_usec: int
    cpu_period_usec: int
    memory_limit_bytes: int
    hugepages: Mapping[int, int] = MappingProxyType({})


def exclusive_cpus(container: Container, qos_class: QOSClass) -> int:
    """CPUs the static CPU manager gives alone: an integral request of a Guaranteed pod, else 0."""
    request = container.resources.requests.get(CPU, _ZERO)
    if qos_class is not QOSClass.GUARANTEED or request.milli_value() != request.value() * 1000:
        return 0
    return request.value()


def linux_resources(
    cpu_request: Quantity | None,
    cpu_limit: Quantity,
    memory_limit: Quantity,
    facts: NodeFacts,
    no_quota: bool = False,
) -> LinuxResources:
    """The CRI resources of some quantities; a missing request (None) counts as the limit.

    ``no_quota``: the container has exclusive CPUs and the kubelet spares those the quota.
    """
    milli = (cpu_limit if cpu_request is None else cpu_request).milli_value()
    quota = period = 0
    if facts.cpu_cfs_quota:
        period = facts.cpu_cfs_quota_period_usec
        quota = NO_QUOTA if no_quota else milli_cpu_to_quota(cpu_limit.milli_value(), period)
    return LinuxResources(milli_cpu_to_shares(milli), quota, period, memory_limit.value())


def container_resources(pod: Pod, container: Container, facts: NodeFacts, exclusive: bool) -> LinuxResources:
    """The CRI resources of a container: its own, with pod-level limits where it has none.

    ``exclusive``: whether it really has exclusive CPUs.
    """
    cpu_limit, memory_limit = _effective_limits(pod, container, facts)
    no_quota = exclusive and facts.no_quota_with_exclusive_cpus
    resources = linux_resources(
        container.resources.requests.get(CPU), cpu_limit, memory_limit, facts, no_quota
    )
    wanted = hugepage_limits(container.resources.limits)
    if facts.pod_level_resources and pod.spec.resources is not None:
        wanted = hugepage_limits(pod.spec.resources.limits) | wanted
    return resources._replace(hugepages=wanted) if wanted else resources


def pod_exclusive_cpus(pod: Pod, qos_class: QOSClass) -> int:
    """The most CPUs the static CPU manager has out for the pod at any time of its life."""
    sidecars = peak = 0
    for container in pod.spec.init_containers:
        count = exclusive_cpus(container, qos_class)
        if container.restart_policy == "Always":
            sidecars += count
        else:
            peak = max(peak, sidecars + count)
    return max(
        peak, sidecars + sum(exclusive_cpus(container, qos_class) for container in pod.spec.containers)
    )


def sandbox_resources(pod: Pod, qos_class: QOSClass, facts: NodeFacts) -> LinuxResources:
    """What the kubelet tells the runtime about the whole pod, without overhead (PodSandboxConfig)."""
    options = ResourceOptions(exclude_overhead=True, skip_pod_level=not facts.pod_level_resources)
    limits = pod_limits(pod, options)
    request = pod_requests(pod, options).get(CPU)
    exclusive = facts.static_cpu_manager and pod_exclusive_cpus(pod, qos_class) > 0
    no_quota = exclusive and facts.no_quota_with_exclusive_cpus
    return linux_resources(request, limits.get(CPU, _ZERO), limits.get(MEMORY, _ZERO), facts, no_quota)


def sandbox_overhead(pod: Pod, facts: NodeFacts) -> LinuxResources | None:
    """The same for the pod's overhead; None where it has none."""
    overhead = pod.spec.overhead
    if not overhead and "overhead" not in pod.spec.model_fields_set:
        return None
    cpu = overhead.get(CPU, _ZERO)
    return linux_resources(cpu, cpu, overhead.get(MEMORY, _ZERO), facts)


def container_values(
    pod: Pod, container: Container, qos_class: QOSClass, facts: NodeFacts, exclusive: bool
) -> Values:
    """The files of a container's cgroup, each with its formula."""
    resources = container_resources(pod, container, facts, exclusive)
    values: Values = {"cpu_weight": _weight(pod, container, resources.cpu_shares, facts)}
    if resources.cpu_period_usec:
        quota, period = resources.cpu_quota_usec, resources.cpu_period_usec
        values["cpu_max"] = cpu_max(
            quota,
            period,
            facts.systemd_rounds_containers,
            _quota_because,
            pod,
            container,
            facts,
            quota,
            period,
        )
    values.update(container_memory_qos(container, qos_class, facts))
    if resources.memory_limit_bytes > 0:
        limit = resources.memory_limit_bytes
        values["memory_max"] = memory_max(limit, _limit_because, container, limit)
    if not facts.single_process_oom_kill:
        values["memory_oom_group"] = _OOM_GROUP
    swap = memory_swap_max(container, swap_refusal(pod, container, qos_class, facts), facts)
    if swap is not None:
        values["memory_swap_max"] = swap
    values.update(hugepage_values(resources.hugepages, facts.hugepage_sizes, "limit"))
    return values


def _effective_limits(pod: Pod, container: Container, facts: NodeFacts) -> tuple[Quantity, Quantity]:
    own = container.resources.limits
    cpu, memory = own.get(CPU, _ZERO), own.get(MEMORY, _ZERO)
    if cpu and memory:
        return cpu, memory
    if facts.pod_level_resources and has_pod_level_resources(pod):
        level = (pod.spec.resources or ResourceRequirements()).limits
        return cpu or level.get(CPU, _ZERO), memory or level.get(MEMORY, _ZERO)
    return cpu, memory


def _weight(pod: Pod, container: Container, shares: int, facts: NodeFacts) -> Explained:
    if not facts.quadratic_weight:
        return linear_weight(shares, _shares_of, pod, container, facts)
    value = shares_to_weight_quadratic(shares)
    return Explained(value, _quadratic_sentence, (pod, container, facts, shares, value))


def _shares_of(pod: Pod, container: Container, facts: NodeFacts) -> str:
    request = container.resources.requests.get(CPU)
    if request is not None:
        return f"requests {request.milli_value()}m"
    return f"no request, so the limit {_effective_limits(pod, container, facts)[0].milli_value()}m"


def _quadratic_sentence(pod: Pod, container: Container, facts: NodeFacts, shares: int, weight: int) -> str:
    formula = f"ceil(10^((l² + 125·l)/612 - 7/34)) = {weight}, l = log2 {shares}"
    if shares <= MIN_SHARES or shares >= MAX_SHARES:
        formula = str(weight)
    return f"{_shares_of(pod, container, facts)} → {shares} shares → {formula}"


def _limit_because(container: Container, limit: int) -> str:
    own = bool(container.resources.limits.get(MEMORY))
    return f"limit {limit} bytes" if own else f"pod-level limit {limit} bytes; it has none of its own"


def _quota_because(pod: Pod, container: Container, facts: NodeFacts, quota: int, period: int) -> str:
    if quota == NO_QUOTA:
        return "it has exclusive CPUs, so no quota"
    limit = _effective_limits(pod, container, facts)[0]
    own = bool(container.resources.limits.get(CPU))
    return quota_sentence(
        limit.milli_value(), quota, period, "limit" if own or not limit else "pod-level limit"
    )

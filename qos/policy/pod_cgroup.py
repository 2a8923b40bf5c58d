"""The cgroup of a pod. Source: ResourceConfigForPod in pkg/kubelet/cm/helpers_linux.go of 1.36."""

from __future__ import annotations

import re
import uuid
from typing import Final

from qos.model.cgroup import CgroupName
from qos.model.pod import CPU, MEMORY, Pod, ResourceList
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import BEST_EFFORT, BURSTABLE, KUBEPODS, Explained, ResourceConfig, Values
from qos.policy.config_values import cpu_max, hugepage_values, linear_weight, memory_max, quota_sentence
from qos.policy.facts import NodeFacts
from qos.policy.formulas import MIN_SHARES, NO_QUOTA, milli_cpu_to_quota, milli_cpu_to_shares
from qos.policy.hugepages import hugepage_limits
from qos.policy.memory_qos import reserved
from qos.policy.pod_resources import (
    ResourceOptions,
    add_resources,
    has_pod_level_resources,
    pod_limits,
    pod_requests,
)

_ZERO: Final = Quantity.zero()
_UID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,200}")
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_PARENTS: Final = {
    QOSClass.GUARANTEED: KUBEPODS,
    QOSClass.BURSTABLE: BURSTABLE,
    QOSClass.BEST_EFFORT: BEST_EFFORT,
}


def pod_uid(pod: Pod) -> str:
    """The pod's uid; where the manifest has none, one that follows from namespace and name (UUID v5)."""
    if _UID.fullmatch(pod.metadata.uid):
        return pod.metadata.uid
    return str(uuid.uuid5(_NAMESPACE, f"{pod.namespace}/{pod.name}"))


def pod_cgroup_name(uid: str, qos_class: QOSClass) -> CgroupName:
    """Where the pod's cgroup stands; Guaranteed pods sit directly in kubepods.

    >>> pod_cgroup_name("a1", QOSClass.BURSTABLE)
    'kubepods/burstable/poda1'
    """
    return CgroupName(f"{_PARENTS[qos_class]}/pod{uid}")


def options_of(facts: NodeFacts) -> ResourceOptions:
    """How this kubelet counts requests and limits."""
    return _WITH_POD_LEVEL if facts.pod_level_resources else _WITHOUT_POD_LEVEL


_WITH_POD_LEVEL: Final = ResourceOptions()
_WITHOUT_POD_LEVEL: Final = ResourceOptions(skip_pod_level=True)


def limits_declared(pod: Pod, resource: str, facts: NodeFacts) -> bool:
    """Whether a limit of the whole pod can be told: every container has one, or the pod itself has."""
    resources = pod.spec.resources
    if facts.pod_level_resources and resources is not None and resources.limits.get(resource):
        return True
    return all(counted.get(resource) for counted in _counted_limits(pod))


def _counted_limits(pod: Pod) -> list[ResourceList]:
    """The limit lists that decide: regular ones, and each init container with the sidecars before it.

    So a sidecar without a limit counts as limited if a sidecar before it has one.
    """
    counted = [container.resources.limits for container in pod.spec.containers]
    running: ResourceList = {}
    for container in pod.spec.init_containers:
        if container.restart_policy == "Always":
            add_resources(running, container.resources.limits)
            counted.append(dict(running))
        else:
            candidate = dict(container.resources.limits)
            add_resources(candidate, running)
            counted.append(candidate)
    return counted


def pod_config(
    pod: Pod, qos_class: QOSClass, facts: NodeFacts, requests: ResourceList, exclusive_cpus: bool
) -> ResourceConfig:
    """What the kubelet hands to the cgroup library for a pod.

    ``requests`` are those of :func:`~qos.policy.pod_resources.pod_requests`; ``exclusive_cpus`` tells
    whether any container really has exclusive CPUs.
    """
    unified = {
        knob: explained.value
        for knob, explained in reserved(_value(requests, MEMORY), qos_class, facts, "requests").items()
    }
    hugepages = hugepage_limits(requests)
    if qos_class is QOSClass.BEST_EFFORT:
        return ResourceConfig(
            cpu_shares=MIN_SHARES, pids_limit=facts.pod_pids_limit, hugepages=hugepages, unified=unified
        )
    limits = pod_limits(pod, options_of(facts))
    always = qos_class is QOSClass.GUARANTEED
    quota = period = memory = None
    if always or limits_declared(pod, CPU, facts):
        period = facts.cpu_cfs_quota_period_usec
        off = not facts.cpu_cfs_quota or (exclusive_cpus and facts.no_quota_with_exclusive_cpus)
        quota = NO_QUOTA if off else milli_cpu_to_quota(limits.get(CPU, _ZERO).milli_value(), period)
    if always or limits_declared(pod, MEMORY, facts):
        memory = _value(limits, MEMORY)
    return ResourceConfig(
        cpu_shares=milli_cpu_to_shares(requests.get(CPU, _ZERO).milli_value()),
        cpu_quota_usec=quota,
        cpu_period_usec=period,
        memory_bytes=memory,
        pids_limit=facts.pod_pids_limit,
        hugepages=hugepages,
        unified=unified,
    )


def pod_values(pod: Pod, qos_class: QOSClass, facts: NodeFacts, exclusive_cpus: bool) -> Values:
    """The files of a pod's cgroup, each with its formula."""
    requests = pod_requests(pod, options_of(facts))
    config = pod_config(pod, qos_class, facts, requests, exclusive_cpus)
    milli = requests.get(CPU, _ZERO).milli_value()
    shares = config.cpu_shares or MIN_SHARES
    of = "BestEffort" if qos_class is QOSClass.BEST_EFFORT else f"pod requests {milli}m"
    values: Values = {"cpu_weight": linear_weight(shares, of)}
    if config.cpu_quota_usec is not None and config.cpu_period_usec is not None:
        quota, period = config.cpu_quota_usec, config.cpu_period_usec
        values["cpu_max"] = cpu_max(quota, period, lambda: _quota_because(pod, facts, quota, period))
    values.update(reserved(_value(requests, MEMORY), qos_class, facts, "requests"))
    if config.memory_bytes:
        limit = config.memory_bytes
        values["memory_max"] = memory_max(
            limit, lambda: f"limits of the pod: {limit} bytes{_origin(pod, facts)}"
        )
    if config.pids_limit is not None:
        pids = config.pids_limit
        values["pids_max"] = Explained(pids, lambda: f"podPidsLimit {pids}")
    values.update(hugepage_values(config.hugepages, facts.hugepage_sizes, "pod requests"))
    return values


def _quota_because(pod: Pod, facts: NodeFacts, quota: int, period: int) -> str:
    if quota == NO_QUOTA:
        return (
            "cpuCFSQuota is off" if not facts.cpu_cfs_quota else "a container has exclusive CPUs, so no quota"
        )
    milli = pod_limits(pod, options_of(facts)).get(CPU, _ZERO).milli_value()
    return quota_sentence(milli, quota, period, f"pod limit{_origin(pod, facts)}")


def _origin(pod: Pod, facts: NodeFacts) -> str:
    level = " (pod level)" if facts.pod_level_resources and has_pod_level_resources(pod, "limits") else ""
    return level + (" with overhead" if pod.spec.overhead else "")


def _value(resources: ResourceList, name: str) -> int:
    quantity = resources.get(name)
    return quantity.value() if quantity is not None else 0

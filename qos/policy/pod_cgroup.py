"""The cgroup of a pod. Source: ResourceConfigForPod in pkg/kubelet/cm/helpers_linux.go of 1.36."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final, NamedTuple

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
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8").bytes
_PARENTS: Final = {
    QOSClass.GUARANTEED: KUBEPODS,
    QOSClass.BURSTABLE: BURSTABLE,
    QOSClass.BEST_EFFORT: BEST_EFFORT,
}


def pod_uid(pod: Pod) -> str:
    """The pod's uid; where the manifest has none, one that follows from namespace and name (UUID v5)."""
    if _UID.fullmatch(pod.metadata.uid):
        return pod.metadata.uid
    return uuid5_text(f"{pod.namespace}/{pod.name}")


def uuid5_text(name: str) -> str:
    """The UUID v5 of a name in our namespace; as uuid.uuid5, in a fifth of the time, which 10,000 pods feel.

    >>> uuid5_text("default/web")
    'b96bf486-0bab-55d8-bda7-fec205add294'
    """
    digest = hashlib.sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


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
    if not pod.spec.init_containers:
        return all(container.resources.limits.get(resource) for container in pod.spec.containers)
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


class PodTotals(NamedTuple):
    """What a whole pod requests and may use, and whether any container really has exclusive CPUs."""

    requests: ResourceList
    limits: ResourceList
    exclusive_cpus: bool = False


def pod_totals(pod: Pod, facts: NodeFacts, exclusive_cpus: bool = False) -> PodTotals:
    """The totals of a pod as this kubelet counts them."""
    options = options_of(facts)
    return PodTotals(pod_requests(pod, options), pod_limits(pod, options), exclusive_cpus)


def pod_config(pod: Pod, qos_class: QOSClass, facts: NodeFacts, totals: PodTotals) -> ResourceConfig:
    """What the kubelet hands to the cgroup library for a pod."""
    requests, limits, exclusive_cpus = totals
    reserve = reserved(_value(requests, MEMORY), qos_class, facts, "requests")
    unified = {knob: explained.value for knob, explained in reserve.items()}
    hugepages = hugepage_limits(requests)
    if qos_class is QOSClass.BEST_EFFORT:
        return ResourceConfig(MIN_SHARES, None, None, None, facts.pod_pids_limit, hugepages, unified)
    always = qos_class is QOSClass.GUARANTEED
    quota = period = memory = None
    if always or limits_declared(pod, CPU, facts):
        period = facts.cpu_cfs_quota_period_usec
        off = not facts.cpu_cfs_quota or (exclusive_cpus and facts.no_quota_with_exclusive_cpus)
        quota = NO_QUOTA if off else milli_cpu_to_quota(limits.get(CPU, _ZERO).milli_value(), period)
    if always or limits_declared(pod, MEMORY, facts):
        memory = _value(limits, MEMORY)
    shares = milli_cpu_to_shares(requests.get(CPU, _ZERO).milli_value())
    return ResourceConfig(shares, quota, period, memory, facts.pod_pids_limit, hugepages, unified)


def pod_values(pod: Pod, qos_class: QOSClass, facts: NodeFacts, totals: PodTotals) -> Values:
    """The files of a pod's cgroup, each with its formula."""
    requests = totals.requests
    config = pod_config(pod, qos_class, facts, totals)
    values: Values = {
        "cpu_weight": linear_weight(config.cpu_shares or MIN_SHARES, _shares_of, qos_class, requests)
    }
    if config.cpu_quota_usec is not None and config.cpu_period_usec is not None:
        quota, period = config.cpu_quota_usec, config.cpu_period_usec
        values["cpu_max"] = cpu_max(
            quota, period, facts.systemd_rounds_pods, _quota_because, pod, facts, totals.limits, quota, period
        )
    if config.unified:
        values.update(reserved(_value(requests, MEMORY), qos_class, facts, "requests"))
    if config.memory_bytes and config.memory_bytes > 0:
        limit = config.memory_bytes
        values["memory_max"] = memory_max(limit, _limit_because, pod, facts, limit)
    if config.pids_limit is not None:
        pids = config.pids_limit
        values["pids_max"] = Explained(pids, "podPidsLimit {}".format, (pids,))
    values.update(hugepage_values(config.hugepages, facts.hugepage_sizes, "pod requests"))
    return values


def _shares_of(qos_class: QOSClass, requests: ResourceList) -> str:
    if qos_class is QOSClass.BEST_EFFORT:
        return "BestEffort"
    return f"pod requests {requests.get(CPU, _ZERO).milli_value()}m"


def _limit_because(pod: Pod, facts: NodeFacts, limit: int) -> str:
    return f"pod limit{_origin(pod, facts)} {limit} bytes"


def _quota_because(pod: Pod, facts: NodeFacts, limits: ResourceList, quota: int, period: int) -> str:
    if quota == NO_QUOTA:
        return (
            "cpuCFSQuota is off" if not facts.cpu_cfs_quota else "a container has exclusive CPUs, so no quota"
        )
    milli = limits.get(CPU, _ZERO).milli_value()
    return quota_sentence(milli, quota, period, f"pod limit{_origin(pod, facts)}")


def _origin(pod: Pod, facts: NodeFacts) -> str:
    level = " (pod level)" if facts.pod_level_resources and has_pod_level_resources(pod, "limits") else ""
    return level + (" with overhead" if pod.spec.overhead else "")


def _value(resources: ResourceList, name: str) -> int:
    quantity = resources.get(name)
    return quantity.value() if quantity is not None else 0

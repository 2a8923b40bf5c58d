"""ResourceQuota: what a pod counts for, and whether a namespace has that much left.

Source: pkg/quota/v1/evaluator/core/pods.go and k8s.io/apiserver/pkg/admission/plugin/resourcequota of
Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qos.model.limit_range import ResourceQuota
from qos.model.pod import CPU, EPHEMERAL_STORAGE, MEMORY, Pod, ResourceList
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.decisions.resource_names import REQUESTS_PREFIX, is_extended, is_hugepages
from qos.policy.pod_resources import ResourceOptions, pod_limits, pod_requests
from qos.policy.qos_class import classify

DEVICE_CLASS_PREFIX: Final = "deviceclass.resource.kubernetes.io/"
LIMITS_PREFIX: Final = "limits."
_COMPUTE: Final = (CPU, MEMORY, EPHEMERAL_STORAGE)
_MUST_SPECIFY: Final = frozenset(
    {
        CPU, MEMORY,
        *(f"{side}{name}" for side in (REQUESTS_PREFIX, LIMITS_PREFIX) for name in (CPU, MEMORY)),
    }
)  # fmt: skip
_ONE: Final = Quantity.from_int(1)
_OVER: Final = frozenset({"Succeeded", "Failed"})


def quota_usage(pod: Pod, *, pod_level_resources: bool = True) -> ResourceList:
    """What a pod counts for in every quota that could name it, overhead included.

    Itself as ``pods`` and ``count/pods``; cpu, memory and ephemeral-storage by both names of the request
    (``cpu`` and ``requests.cpu``) and by ``limits.``; huge pages and extended resources under
    ``requests.``. A pod that is over counts as an object only.
    """
    usage: ResourceList = {"count/pods": _ONE}
    if pod.status.phase in _OVER:
        return usage
    options = ResourceOptions(skip_pod_level=not pod_level_resources)
    requests, limits = pod_requests(pod, options), pod_limits(pod, options)
    usage["pods"] = _ONE
    for name in _COMPUTE:
        if name in requests:
            usage[name] = usage[REQUESTS_PREFIX + name] = requests[name]
        if name in limits:
            usage[LIMITS_PREFIX + name] = limits[name]
    for name, quantity in requests.items():
        if is_hugepages(name):
            usage[name] = quantity
        if is_hugepages(name) or is_extended(name) or name.startswith(DEVICE_CLASS_PREFIX):
            usage[REQUESTS_PREFIX + name] = quantity
    return usage


def quota_applies(quota: ResourceQuota, pod: Pod, *, pod_level_resources: bool = True) -> bool:
    """Whether the quota's scopes take the pod in; a quota without scopes takes every pod.

    ``PriorityClass`` and ``CrossNamespacePodAffinity`` need a scopeSelector, which is not looked at.
    """
    effort = classify(pod, pod_level_resources=pod_level_resources).qos_class is QOSClass.BEST_EFFORT
    is_in = {"BestEffort": effort, "NotBestEffort": not effort}
    return all(is_in.get(scope, True) for scope in quota.spec.scopes)


def quota_refusal(
    quota: ResourceQuota, used: Mapping[str, Quantity], pod: Pod, *, pod_level_resources: bool = True
) -> str:
    """The API server's reason to refuse the pod, "" where it fits.

    A quota on cpu or memory first of all wants every container to say how much it asks for.

    Args:
        quota: of the pod's namespace.
        used: what the namespace's pods count for already.
        pod: after API defaulting and LimitRange.
        pod_level_resources: gate PodLevelResources.
    """
    name, hard = quota.metadata.name, quota.spec.hard
    if not quota_applies(quota, pod, pod_level_resources=pod_level_resources):
        return ""
    missing = _unspecified(hard, pod, pod_level_resources)
    if missing:
        return f"failed quota: {name}: must specify {missing}"
    usage = quota_usage(pod, pod_level_resources=pod_level_resources)
    nothing = Quantity.zero()
    over = sorted(
        one for one, amount in usage.items()
        if one in hard and amount and used.get(one, nothing) + amount > hard[one]
    )  # fmt: skip
    if not over:
        return ""
    asked, had, most = (
        ",".join(f"{one}={amounts.get(one, nothing)}" for one in over) for amounts in (usage, used, hard)
    )
    return f"exceeded quota: {name}, requested: {asked}, used: {had}, limited: {most}"


def _unspecified(hard: Mapping[str, Quantity], pod: Pod, pod_level_resources: bool) -> str:
    at_pod = pod.spec.resources if pod_level_resources else None
    missing = []
    for name in sorted(_MUST_SPECIFY & hard.keys()):
        side = "limits" if name.startswith(LIMITS_PREFIX) else "requests"
        resource = name.rpartition(".")[2]
        if at_pod is not None and resource in getattr(at_pod, side):
            continue
        lacking = [
            container.name
            for container, _ in pod.typed_containers()
            if resource not in getattr(container.resources, side)
        ]
        if lacking:
            missing.append(f"{name} for: {','.join(sorted(lacking))}")
    return "; ".join(missing)

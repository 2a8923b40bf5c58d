"""What the API server's admission does to a pod before a kubelet sees it, as far as resources go.

Priority (PriorityClass), overhead (RuntimeClass) and LimitRange defaults, from objects that stand in the
same input. Source: plugin/pkg/admission/{priority,runtimeclass,limitranger} of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qos.model.pod import Container, Pod, ResourceList, ResourceRequirements
from qos.scenario.cluster_objects import LimitRange, LimitRangeItem, PriorityClass, RuntimeClass

BUILT_IN_PRIORITIES: Final = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def admit(
    pod: Pod,
    limit_ranges: Sequence[LimitRange] = (),
    priority_classes: Sequence[PriorityClass] = (),
    runtime_classes: Sequence[RuntimeClass] = (),
) -> Pod:
    """The pod as admission leaves it; the pod itself where nothing applies."""
    pod = with_priority(pod, priority_classes)
    pod = with_overhead(pod, runtime_classes)
    for limit_range in limit_ranges:
        if (limit_range.metadata.namespace or "default") == pod.namespace:
            pod = with_limit_range(pod, limit_range)
    return pod


def with_priority(pod: Pod, priority_classes: Sequence[PriorityClass]) -> Pod:
    """The pod with the priority of its class, or of the global default, where it has none yet."""
    if pod.spec.priority is not None:
        return pod
    name = pod.spec.priority_class_name
    if name:
        priority = BUILT_IN_PRIORITIES.get(name)
        if priority is None:
            priority = next((each.value for each in priority_classes if each.metadata.name == name), None)
    else:
        default = next((each for each in priority_classes if each.global_default), None)
        priority = default.value if default else None
    if priority is None:
        return pod
    return pod.model_copy(update={"spec": pod.spec.model_copy(update={"priority": priority})})


def with_overhead(pod: Pod, runtime_classes: Sequence[RuntimeClass]) -> Pod:
    """The pod with its RuntimeClass's overhead where it states none."""
    if not pod.spec.runtime_class_name or pod.spec.overhead:
        return pod
    for each in runtime_classes:
        if each.metadata.name == pod.spec.runtime_class_name and each.overhead:
            spec = pod.spec.model_copy(update={"overhead": each.overhead.pod_fixed})
            return pod.model_copy(update={"spec": spec})
    return pod


def defaulted_item(item: LimitRangeItem) -> LimitRangeItem:
    """A LimitRange line after API defaulting: default ← max, defaultRequest ← default, then ← min."""
    if item.type != "Container":
        return item
    default = item.max | item.default
    default_request = item.min | default | item.default_request
    return item.model_copy(update={"default": default, "default_request": default_request})


def with_limit_range(pod: Pod, limit_range: LimitRange) -> Pod:
    """The pod with the LimitRange's container defaults filled in.

    API defaulting comes first, so a limit that is set has become the request already.
    """
    requests: ResourceList = {}
    limits: ResourceList = {}
    for item in map(defaulted_item, limit_range.spec.limits):
        if item.type == "Container":
            requests |= item.default_request
            limits |= item.default
    if not requests and not limits:
        return pod

    def filled(container: Container) -> Container:
        own = container.resources
        resources = ResourceRequirements(
            requests=requests | own.limits | own.requests, limits=limits | own.limits
        )
        return container.model_copy(update={"resources": resources})

    update = {
        "containers": tuple(map(filled, pod.spec.containers)),
        "init_containers": tuple(map(filled, pod.spec.init_containers)),
    }
    return pod.model_copy(update={"spec": pod.spec.model_copy(update=update)})

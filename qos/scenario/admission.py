"""What the API server's admission does to a pod before a kubelet sees it, as far as resources go.

Priority (PriorityClass) and overhead (RuntimeClass) from objects that stand in the same input. API defaulting
and LimitRange are rules of ``qos.policy``. Source: plugin/pkg/admission/{priority,runtimeclass} of 1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qos.model.pod import Pod
from qos.scenario.cluster_objects import PriorityClass, RuntimeClass

BUILT_IN_PRIORITIES: Final = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}


def admit(
    pod: Pod,
    priority_classes: Sequence[PriorityClass] = (),
    runtime_classes: Sequence[RuntimeClass] = (),
) -> Pod:
    """The pod as admission leaves it; the pod itself where nothing applies."""
    pod = with_priority(pod, priority_classes)
    return with_overhead(pod, runtime_classes)


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

"""The QoS class of a pod, the sentence that decides it, and the least change that would raise it.

Only cpu and memory count, and only quantities above zero. Source: pkg/apis/core/v1/helper/qos/qos.go of
Kubernetes 1.36; KEP-2837 for pod-level resources, which alone decide where they are set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from qos.model.pod import CPU, MEMORY, Container, Pod, ResourceRequirements, is_sidecar
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.features import gate
from qos.policy.pod_resources import aggregate_container_requests

_COUNTED: Final = (CPU, MEMORY)


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One value to set in a manifest.

    Attributes:
        where: "container `web`", "init container `setup`" or "spec.resources".
        container: the container's name; None at pod level.
        side: requests or limits.
        resource: cpu or memory.
        value: what to set; None where any amount will do.
    """

    where: str
    container: str | None
    side: Literal["requests", "limits"]
    resource: str
    value: Quantity | None

    def __str__(self) -> str:
        amount = f" to {self.value}" if self.value is not None else ""
        return f"set {self.side}.{self.resource} of {self.where}{amount}"


@dataclass(frozen=True, slots=True)
class ClassDecision:
    """A pod's class; the sentences are worked out when asked for.

    >>> from qos.model.pod import Pod
    >>> spec = {"initContainers": [{"name": "setup", "resources": {"limits": {"cpu": 1}}}]}
    >>> decision = classify(Pod.model_validate({"spec": spec}), Profile())
    >>> decision.qos_class.value, decision.reason
    ('Burstable', 'init container `setup` has no memory limit')
    """

    qos_class: QOSClass
    pod: Pod
    pod_level: bool

    @property
    def reason(self) -> str:
        """The sentence that decides the class."""
        if self.qos_class is QOSClass.GUARANTEED:
            if self.pod_level:
                return "spec.resources has cpu and memory limits, and its requests equal them"
            return "every container has cpu and memory limits, and its requests equal them"
        if self.qos_class is QOSClass.BEST_EFFORT:
            if self.pod_level:
                return (
                    "spec.resources is set, so only it counts, and it has no cpu or memory request or limit"
                )
            return "no container has a cpu or memory request or limit"
        return next(_obstacles(self.pod, self.pod_level))

    @property
    def changes(self) -> tuple[ResourceChange, ...]:
        """The least changes that would make the pod Guaranteed; empty where it is.

        API defaulting is counted on: a limit alone becomes the request too.
        """
        if self.qos_class is QOSClass.GUARANTEED:
            return ()
        holders = list(_holders(self.pod, self.pod_level))
        if self.pod_level:
            holders = [("spec.resources", None, _with_container_requests(self.pod))]
        return tuple(change for where, name, own in holders for change in _changes(where, name, own))

    @property
    def to_guaranteed(self) -> str:
        """The same as one sentence; "" where the pod is Guaranteed."""
        changes = self.changes
        if not self.pod_level and len(changes) > 2:
            return "; ".join(map(str, changes)) + "; or set requests and limits of spec.resources (pod level)"
        return "; ".join(map(str, changes))


def classify(
    pod: Pod, profile: Profile | None = None, *, pod_level_resources: bool | None = None
) -> ClassDecision:
    """The class that Kubernetes computes for a pod, whatever its status says.

    Args:
        pod: as the kubelet sees it; a manifest goes through API defaulting first.
        profile: decides whether pod-level resources count (gate PodLevelResources).
        pod_level_resources: decides it instead, where the kubelet's own gate is known.
    """
    if pod_level_resources is None:
        pod_level_resources = gate(profile or Profile(), None, "PodLevelResources")
    spec = pod.spec
    if pod_level_resources and spec.resources is not None:
        return ClassDecision(_class_of((spec.resources,)), pod, pod_level=True)
    lists = [container.resources for container in (*spec.containers, *spec.init_containers)]
    return ClassDecision(_class_of(lists), pod, pod_level=False)


def effective_class(pod: Pod, decision: ClassDecision) -> QOSClass:
    """The class the kubelet acts on: the one in ``status``, where the API server has set it."""
    return pod.status.qos_class or decision.qos_class


def _class_of(lists: tuple[ResourceRequirements, ...] | list[ResourceRequirements]) -> QOSClass:
    cpu_request = memory_request = cpu_limit = memory_limit = 0
    limited = bool(lists)
    for resources in lists:
        requests, limits = resources.requests, resources.limits
        if requests:
            cpu_request += _counted(requests.get(CPU))
            memory_request += _counted(requests.get(MEMORY))
        if limits:
            cpu, memory = _counted(limits.get(CPU)), _counted(limits.get(MEMORY))
            cpu_limit += cpu
            memory_limit += memory
            limited = limited and cpu > 0 and memory > 0
        else:
            limited = False
    if not (cpu_request or memory_request or cpu_limit or memory_limit):
        return QOSClass.BEST_EFFORT
    equal = cpu_request == cpu_limit and memory_request == memory_limit
    return QOSClass.GUARANTEED if limited and equal else QOSClass.BURSTABLE


def _counted(quantity: Quantity | None) -> int:
    return quantity.nano if quantity is not None and quantity.nano > 0 else 0


def _holders(pod: Pod, pod_level: bool) -> Iterator[tuple[str, str | None, ResourceRequirements]]:
    if pod_level:
        yield "spec.resources", None, pod.spec.resources or ResourceRequirements()
        return
    for container in pod.spec.init_containers:
        kind = "sidecar" if is_sidecar(container) else "init container"
        yield _called(kind, container), container.name, container.resources
    for container in pod.spec.containers:
        yield _called("container", container), container.name, container.resources


def _with_container_requests(pod: Pod) -> ResourceRequirements:
    """Pod-level values with the requests that defaulting takes from the containers, once there is a limit."""
    own = pod.spec.resources or ResourceRequirements()
    named = {
        name: request.round_up_milli()
        for name, request in aggregate_container_requests(pod).items()
        if name in _COUNTED and name not in own.requests
    }
    return own.model_copy(update={"requests": {**own.requests, **named}})


def _called(kind: str, container: Container) -> str:
    return f"{kind} `{container.name}`"


def _obstacles(pod: Pod, pod_level: bool) -> Iterator[str]:
    """What keeps a pod from being Guaranteed, in order: missing limits first, then unequal requests."""
    holders = list(_holders(pod, pod_level))
    for where, _, resources in holders:
        for name in _COUNTED:
            limit = resources.limits.get(name)
            if limit is None:
                yield f"{where} has no {name} limit"
            elif limit.nano <= 0:
                yield f"{where} has a {name} limit of {limit}, which counts as none"
    for where, _, resources in holders:
        for name in _COUNTED:
            request, limit = resources.requests.get(name), resources.limits.get(name)
            if request is None or request.nano <= 0:
                yield f"{where} has no {name} request, but a limit of {limit}"
            elif request != limit:
                yield f"{where} requests {request} {name}, but its limit is {limit}"
    yield "requests and limits differ"


def _changes(where: str, container: str | None, resources: ResourceRequirements) -> Iterator[ResourceChange]:
    for name in _COUNTED:
        request, limit = resources.requests.get(name), resources.limits.get(name)
        has_request = request is not None and request.nano > 0
        if limit is None or limit.nano <= 0:
            yield ResourceChange(where, container, "limits", name, request if has_request else None)
            if request is not None and not has_request:
                yield ResourceChange(where, container, "requests", name, None)
        elif request != limit:
            yield ResourceChange(where, container, "requests", name, limit)

"""What a pod requests and may use in all: containers in their order, pod level, overhead.

Source: k8s.io/component-helpers/resource/helpers.go of Kubernetes 1.36 (KEP-753 sidecars, KEP-688
overhead, KEP-2837 pod-level resources, KEP-1287 in-place resize).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from qos.model.pod import (
    CPU,
    EPHEMERAL_STORAGE,
    HUGEPAGES_PREFIX,
    MEMORY,
    Container,
    ContainerStatus,
    Pod,
    ResourceList,
    ResourceRequirements,
    is_sidecar,
)
from qos.model.quantity import Quantity

Side = Literal["requests", "limits"]
_View = Callable[[Container, ContainerStatus], Mapping[str, Quantity]]
_NOTHING: Final[Mapping[str, Quantity]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ResourceOptions:
    """What to count; the default is what the scheduler and the kubelet count.

    Attributes:
        exclude_overhead: leave ``spec.overhead`` out.
        skip_pod_level: act as if ``spec.resources`` were not set (gate PodLevelResources off).
        skip_containers: count pod-level requests only.
        use_status: count a resize that is under way (``status.containerStatuses``).
        pod_level_status: the same for pod-level values (gate InPlacePodLevelResourcesVerticalScaling).
        aggregate_whole_pods: after 1.36 the maximum is taken of whole-pod sums, not per container.
        missing_requests: requests assumed for a container that has none of a resource.
    """

    exclude_overhead: bool = False
    skip_pod_level: bool = False
    skip_containers: bool = False
    use_status: bool = False
    pod_level_status: bool = False
    aggregate_whole_pods: bool = False
    missing_requests: Mapping[str, Quantity] = field(default_factory=dict)


DEFAULT_OPTIONS: Final = ResourceOptions()


def is_pod_level_resource(name: str) -> bool:
    """Whether ``spec.resources`` may name it: cpu, memory and hugepages."""
    return name in {CPU, MEMORY} or name.startswith(HUGEPAGES_PREFIX)


def has_pod_level_resources(pod: Pod, side: Side | None = None) -> bool:
    """Whether ``spec.resources`` sets a resource that counts (of one side, or of either)."""
    resources = pod.spec.resources
    if resources is None:
        return False
    if side is not None:
        return any(map(is_pod_level_resource, getattr(resources, side)))
    return any(map(is_pod_level_resource, (*resources.requests, *resources.limits)))


def add_resources(into: ResourceList, more: Mapping[str, Quantity]) -> None:
    """Add ``more`` to ``into`` in place; a resource that is new keeps its spelling."""
    for name, quantity in more.items():
        have = into.get(name)
        into[name] = quantity if have is None else have + quantity


def max_resources(into: ResourceList, other: Mapping[str, Quantity]) -> None:
    """Raise ``into`` to the maximum with ``other``, in place."""
    for name, quantity in other.items():
        have = into.get(name)
        if have is None or quantity > have:
            into[name] = quantity


def aggregate(
    regular: Iterable[Mapping[str, Quantity]], init: Iterable[tuple[Mapping[str, Quantity], bool]]
) -> ResourceList:
    """The most that containers need at any time of the pod's life.

    Args:
        regular: resources of each regular container.
        init: resources of each init container in order, and whether it is a sidecar.

    Sidecars run on beside everything after them; a plain init container runs alone with the sidecars
    before it. So with a sidecar of 1 CPU, then an init of 2 and a regular one of 1, the answer is 3.
    """
    total: ResourceList = {}
    for resources in regular:
        add_resources(total, resources)
    running: ResourceList = {}
    peak: ResourceList = {}
    for resources, sidecar in init:
        if sidecar:
            add_resources(total, resources)
            add_resources(running, resources)
            max_resources(peak, running)
        else:
            candidate = dict(resources)
            add_resources(candidate, running)
            max_resources(peak, candidate)
    max_resources(total, peak)
    return total


def aggregate_container_requests(pod: Pod, options: ResourceOptions = DEFAULT_OPTIONS) -> ResourceList:
    """The containers' requests in all, without pod level and overhead."""
    return _aggregate(pod, "requests", options, _container_requests)


def aggregate_container_limits(pod: Pod, options: ResourceOptions = DEFAULT_OPTIONS) -> ResourceList:
    """The containers' limits in all, without pod level and overhead."""
    return _aggregate(pod, "limits", options, _container_limits)


def pod_requests(pod: Pod, options: ResourceOptions = DEFAULT_OPTIONS) -> ResourceList:
    """What the pod requests: containers, replaced by pod-level requests, plus overhead."""
    requests = {} if options.skip_containers else aggregate_container_requests(pod, options)
    if not options.skip_pod_level and has_pod_level_resources(pod, "requests"):
        requests.update(_pod_level(pod, "requests", options))
    if not options.exclude_overhead:
        add_resources(requests, pod.spec.overhead)
    return requests


def pod_limits(pod: Pod, options: ResourceOptions = DEFAULT_OPTIONS) -> ResourceList:
    """What the pod may use: as :func:`pod_requests`, but overhead is added to non-zero limits only.

    ``skip_containers`` has no effect on limits, as in the original.
    """
    limits = aggregate_container_limits(pod, options)
    if not options.skip_pod_level and has_pod_level_resources(pod, "limits"):
        limits.update(_pod_level(pod, "limits", options))
    if not options.exclude_overhead:
        for name, quantity in pod.spec.overhead.items():
            if limits.get(name):
                limits[name] += quantity
    return limits


def eviction_request(pod: Pod, name: str, pod_level: bool = True) -> Quantity:
    """The request that eviction ranking compares usage with.

    Pod-level requests count even with the gate off; with it on (``pod_level``), pod-level resources that
    are set at all hide the containers' requests. Overhead is added only to a request that is not zero.
    Source: pkg/kubelet/eviction/helpers.go.
    """
    hidden = pod_level and has_pod_level_resources(pod)
    options = ResourceOptions(exclude_overhead=True, skip_containers=hidden)
    request = Quantity.zero() + pod_requests(pod, options).get(name, Quantity.zero())
    overhead = pod.spec.overhead.get(name)
    return request + overhead if request and overhead is not None else request


def is_resize_infeasible(pod: Pod) -> bool:
    """Whether the (first) PodResizePending condition says Infeasible: then the wanted values do not count."""
    pending = next((c for c in pod.status.conditions if c.type == "PodResizePending"), None)
    return pending is not None and pending.reason == "Infeasible"


def _aggregate(
    pod: Pod,
    side: Side,
    options: ResourceOptions,
    resize: Callable[[Container, ContainerStatus, bool], Mapping[str, Quantity]],
) -> ResourceList:
    spec = pod.spec
    if not options.use_status and not options.missing_requests:  # by far the most frequent, so kept short
        regular: list[Mapping[str, Quantity]] = [getattr(c.resources, side) for c in spec.containers]
        return aggregate(
            regular,
            [(getattr(c.resources, side), c.restart_policy == "Always") for c in spec.init_containers],
        )
    if options.use_status and options.aggregate_whole_pods:
        return _maximum_of_sums(pod, side, options, is_resize_infeasible(pod))
    infeasible = is_resize_infeasible(pod)
    return _aggregate_by(pod, side, options, lambda container, status: resize(container, status, infeasible))


def _aggregate_by(pod: Pod, side: Side, options: ResourceOptions, view: _View) -> ResourceList:
    """The aggregate where a regular container or sidecar with a status counts as ``view`` has it."""
    statuses = {status.name: status for status in pod.status.container_statuses}
    init_statuses = {status.name: status for status in pod.status.init_container_statuses}

    def of(container: Container, status: ContainerStatus | None) -> Mapping[str, Quantity]:
        resources: Mapping[str, Quantity] = getattr(container.resources, side)
        if options.use_status and status is not None and status.resources is not None:
            resources = view(container, status)
        if side == "requests" and options.missing_requests:
            resources = {**options.missing_requests, **resources}
        return resources

    init = []
    for container in pod.spec.init_containers:
        sidecar = container.restart_policy == "Always"
        init.append((of(container, init_statuses.get(container.name) if sidecar else None), sidecar))
    return aggregate([of(container, statuses.get(container.name)) for container in pod.spec.containers], init)


def _maximum_of_sums(pod: Pod, side: Side, options: ResourceOptions, infeasible: bool) -> ResourceList:
    """A resize is allocated and actuated for all containers at once, so whole pods are compared.

    Source: kubernetes/kubernetes#140047. Wanted 1 and 2 CPUs with 2 and 1 allocated count as 3, where the
    maximum of each container made it 4. What is not actuated yet is as allocated, else as wanted.
    """
    statuses = {one.name: one for one in pod.status.container_statuses}
    statuses |= {one.name: one for one in pod.status.init_container_statuses}

    def stages(container: Container, resizable: bool) -> tuple[Mapping[str, Quantity], ...]:
        wanted: Mapping[str, Quantity] = getattr(container.resources, side)
        status = statuses.get(container.name) if resizable else None
        allocated = wanted
        if status is not None and side == "requests":
            allocated = status.allocated_resources or wanted
        actuated = allocated
        if status is not None and status.resources is not None:
            actuated = getattr(status.resources, side)
        missing = options.missing_requests if side == "requests" else {}
        return tuple({**missing, **one} for one in (wanted, allocated, actuated))

    regular = [stages(container, True) for container in pod.spec.containers]
    init = [(stages(one, is_sidecar(one)), is_sidecar(one)) for one in pod.spec.init_containers]
    sums = [
        aggregate([one[stage] for one in regular], [(one[stage], sidecar) for one, sidecar in init])
        for stage in range(3)
    ]
    return _maximum(*(sums[1:] if infeasible else sums))


def _container_requests(container: Container, status: ContainerStatus, infeasible: bool) -> ResourceList:
    actuated = status.resources.requests if status.resources else _NOTHING
    wanted = _NOTHING if infeasible else container.resources.requests
    return _maximum(wanted, actuated, status.allocated_resources)


def _container_limits(container: Container, status: ContainerStatus, infeasible: bool) -> ResourceList:
    actuated = status.resources.limits if status.resources else _NOTHING
    return _maximum(_NOTHING if infeasible else container.resources.limits, actuated)


def _maximum(*lists: Mapping[str, Quantity]) -> ResourceList:
    most: ResourceList = {}
    for resources in lists:
        max_resources(most, resources)
    return most


def _pod_level(pod: Pod, side: Side, options: ResourceOptions) -> ResourceList:
    """Pod-level values that count; of a resize under way the maximum, for the names in the spec."""
    resources = pod.spec.resources or ResourceRequirements()
    wanted: ResourceList = getattr(resources, side)
    counted: Mapping[str, Quantity] = wanted
    status = pod.status.resources
    if options.use_status and options.pod_level_status and status is not None:
        spec_counts = _NOTHING if is_resize_infeasible(pod) else wanted
        if side == "requests":
            counted = _maximum(spec_counts, status.requests, pod.status.allocated_resources)
        elif status.limits:
            counted = _maximum(spec_counts, status.limits)
    return {name: counted.get(name, Quantity.zero()) for name in wanted if is_pod_level_resource(name)}


EVICTION_RESOURCES: Final = (CPU, MEMORY, EPHEMERAL_STORAGE)

"""LimitRange: the defaults a namespace fills into its pods, and the bounds it holds them to.

Source: plugin/pkg/admission/limitranger/admission.go, pkg/apis/core/v1/defaults.go
(SetDefaults_LimitRangeItem) of Kubernetes 1.36. API defaulting of the pod comes first: a limit that is set
has become the request by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from qos.model.limit_range import LimitRange, LimitRangeItem
from qos.model.pod import Container, Pod, ResourceList, ResourceRequirements
from qos.model.quantity import Quantity
from qos.policy.decisions.resource_names import is_hugepages
from qos.policy.pod_resources import aggregate_container_limits, aggregate_container_requests

LIMIT_RANGER_ANNOTATION: Final = "kubernetes.io/limit-ranger"
_MAX_MILLI_VALUE: Final = (2**63 - 1) // 1000
_NOTHING: Final = Quantity.zero()


def default_limit_range(limit_range: LimitRange) -> LimitRange:
    """The LimitRange after API defaulting: default ← max, defaultRequest ← default, then ← min.

    Only items of type Container have defaults.
    """
    items = tuple(map(_default_item, limit_range.spec.limits))
    return limit_range.model_copy(update={"spec": limit_range.spec.model_copy(update={"limits": items})})


def fill_from_limit_range(pod: Pod, limit_range: LimitRange) -> Pod:
    """The pod with the namespace's defaults where its containers say nothing.

    What was set is listed in the annotation ``kubernetes.io/limit-ranger``, container by container.

    Args:
        pod: after API defaulting.
        limit_range: after :func:`default_limit_range`.
    """
    requests: ResourceList = {}
    limits: ResourceList = {}
    for item in limit_range.spec.limits:
        if item.type == "Container":
            requests |= item.default_request
            limits |= item.default
    told: list[str] = []
    containers = tuple(
        _fill(container, "container", requests, limits, told) for container in pod.spec.containers
    )
    init_containers = tuple(
        _fill(container, "init container", requests, limits, told) for container in pod.spec.init_containers
    )
    if not told:
        return pod
    annotation = {LIMIT_RANGER_ANNOTATION: "LimitRanger plugin set: " + "; ".join(told)}
    annotations = pod.metadata.annotations | annotation
    update = {"containers": containers, "init_containers": init_containers}
    return pod.model_copy(
        update={
            "metadata": pod.metadata.model_copy(update={"annotations": annotations}),
            "spec": pod.spec.model_copy(update=update),
        }
    )


def limit_range_violations(
    pod: Pod, limit_range: LimitRange, *, pod_level_resources: bool = True
) -> tuple[str, ...]:
    """The API server's reasons to refuse the pod, sorted; empty where it fits.

    A minimum needs a request, a maximum a limit, a ratio both and neither of them zero. Items of type Pod
    look at the containers' aggregate, replaced by pod-level cpu and memory; pod-level huge pages and
    overhead do not count.
    """
    found: list[str] = []
    for item in limit_range.spec.limits:
        if item.type == "Container":
            for container in (*pod.spec.containers, *pod.spec.init_containers):
                found += _violations(item, container.resources)
        elif item.type == "Pod":
            found += _violations(item, _pod_totals(pod, pod_level_resources))
    return tuple(sorted(found))


def _default_item(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != "Container":
        return item
    default = item.max | item.default
    return item.model_copy(
        update={"default": default, "default_request": item.min | default | item.default_request}
    )


def _fill(
    container: Container, what: str, requests: ResourceList, limits: ResourceList, told: list[str]
) -> Container:
    own = container.resources
    for names, side in (
        (requests.keys() - own.requests.keys(), "request"),
        (limits.keys() - own.limits.keys(), "limit"),
    ):
        if names:
            told.append(f"{', '.join(sorted(names))} {side} for {what} {container.name}")
    resources = ResourceRequirements(requests=requests | own.requests, limits=limits | own.limits)
    return container.model_copy(update={"resources": resources})


def _pod_totals(pod: Pod, pod_level_resources: bool) -> ResourceRequirements:
    requests = aggregate_container_requests(pod)
    limits = aggregate_container_limits(pod)
    if pod_level_resources and pod.spec.resources is not None:
        requests |= _without_hugepages(pod.spec.resources.requests)
        limits |= _without_hugepages(pod.spec.resources.limits)
    return ResourceRequirements(requests=requests, limits=limits)


def _without_hugepages(resources: ResourceList) -> ResourceList:
    return {name: quantity for name, quantity in resources.items() if not is_hugepages(name)}


def _violations(item: LimitRangeItem, resources: ResourceRequirements) -> Iterator[str]:
    for name, least in item.min.items():
        yield from _below_minimum(name, item.type, least, resources)
    for name, most in item.max.items():
        yield from _above_maximum(name, item.type, most, resources)
    for name, ratio in item.max_limit_request_ratio.items():
        yield from _above_ratio(name, item.type, ratio, resources)


def _below_minimum(name: str, kind: str, least: Quantity, resources: ResourceRequirements) -> Iterator[str]:
    request, limit = resources.requests.get(name), resources.limits.get(name)
    asked, allowed, bound = _comparable(request, limit, least)
    start = f"minimum {name} usage per {kind} is {least}"
    if request is None:
        yield f"{start}.  No request is specified"
    elif asked < bound:
        yield f"{start}, but request is {request}"
    elif limit is not None and allowed < bound:
        yield f"{start}, but limit is {limit}"


def _above_maximum(name: str, kind: str, most: Quantity, resources: ResourceRequirements) -> Iterator[str]:
    request, limit = resources.requests.get(name), resources.limits.get(name)
    asked, allowed, bound = _comparable(request, limit, most)
    start = f"maximum {name} usage per {kind} is {most}"
    if limit is None:
        yield f"{start}.  No limit is specified"
    elif allowed > bound:
        yield f"{start}, but limit is {limit}"
    elif request is not None and asked > bound:
        yield f"{start}, but request is {request}"


def _above_ratio(name: str, kind: str, most: Quantity, resources: ResourceRequirements) -> Iterator[str]:
    request, limit = resources.requests.get(name), resources.limits.get(name)
    asked, allowed, _ = _comparable(request, limit, most)
    start = f"{name} max limit to request ratio per {kind} is {most}"
    if not asked:
        yield f"{start}, but no request is specified or request is 0"
    elif not allowed:
        yield f"{start}, but no limit is specified or limit is 0"
    else:
        ratio = allowed / asked
        fine = most.value() <= _MAX_MILLI_VALUE
        if ratio * (1000 if fine else 1) > (most.milli_value() if fine else most.value()):
            yield f"{start}, but provided ratio is {ratio:.6f}"


def _comparable(request: Quantity | None, limit: Quantity | None, bound: Quantity) -> tuple[int, int, int]:
    """All three in thousandths, or in whole units where one is too large for that."""
    three = (request or _NOTHING, limit or _NOTHING, bound)
    if all(one.value() <= _MAX_MILLI_VALUE for one in three):
        return three[0].milli_value(), three[1].milli_value(), three[2].milli_value()
    return three[0].value(), three[1].value(), three[2].value()


def limit_range_mappings(item: LimitRangeItem) -> Mapping[str, ResourceList]:
    """The item's lists by their names in the API, in the order in which the API documents them."""
    return {
        "max": item.max,
        "min": item.min,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }

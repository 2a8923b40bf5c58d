"""API defaulting of a pod's resources: what the API server has done before the kubelet sees a pod.

Source: pkg/apis/core/v1/defaults.go (SetDefaults_Pod, SetDefaults_ResourceList) of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping

from qos.model.pod import (
    CPU,
    HUGEPAGES_PREFIX,
    MEMORY,
    Container,
    Pod,
    ResourceList,
    ResourceRequirements,
)
from qos.model.quantity import Quantity
from qos.policy.pod_resources import (
    aggregate_container_limits,
    aggregate_container_requests,
    is_pod_level_resource,
)


def apply_defaults(pod: Pod, pod_level_resources: bool = True) -> Pod:
    """The pod as the API server stores it.

    A limit without a request becomes the request; pod-level values are filled from the containers';
    then every quantity is rounded up to a thousandth. An explicit request of 0 stays.

    >>> spec = {"containers": [{"name": "web", "resources": {"limits": {"cpu": "0.0015"}}}]}
    >>> apply_defaults(Pod.model_validate({"spec": spec})).spec.containers[0].resources.requests
    {'cpu': Quantity('2m')}
    """
    spec = pod.spec
    update: dict[str, object] = {}
    for field in ("containers", "init_containers", "ephemeral_containers"):
        containers: tuple[Container, ...] = getattr(spec, field)
        done = [_container(container, fill=field != "ephemeral_containers") for container in containers]
        if any(a is not b for a, b in zip(done, containers, strict=True)):
            update[field] = tuple(done)
    if pod_level_resources and spec.resources is not None:
        update["resources"] = _round_resources(_pod_level(pod, spec.resources))
    elif spec.resources is not None and _needs_rounding(spec.resources):
        update["resources"] = _round_resources(spec.resources)
    if any(quantity.nano % 1_000_000 for quantity in spec.overhead.values()):
        update["overhead"] = _round(spec.overhead)
    return pod.model_copy(update={"spec": spec.model_copy(update=update)}) if update else pod


def _container(container: Container, fill: bool) -> Container:
    resources = container.resources
    filled = _fill(resources) if fill else resources
    if _needs_rounding(filled):
        filled = _round_resources(filled)
    return container if filled is resources else container.model_copy(update={"resources": filled})


def _fill(resources: ResourceRequirements) -> ResourceRequirements:
    missing = {name: limit for name, limit in resources.limits.items() if name not in resources.requests}
    if not missing:
        return resources
    return resources.model_copy(update={"requests": {**resources.requests, **missing}})


def _unrounded(pod: Pod) -> Pod:
    """The containers with requests filled but not yet rounded: pod-level sums are taken of these."""
    spec = pod.spec
    update = {
        field: tuple(c.model_copy(update={"resources": _fill(c.resources)}) for c in getattr(spec, field))
        for field in ("containers", "init_containers")
    }
    return pod.model_copy(update={"spec": spec.model_copy(update=update)})


def _pod_level(pod: Pod, resources: ResourceRequirements) -> ResourceRequirements:
    pod = _unrounded(pod)
    requests, limits = dict(resources.requests), dict(resources.limits)
    if requests or limits:
        for name, limit in aggregate_container_limits(pod).items():
            if name.startswith(HUGEPAGES_PREFIX) and name not in limits and name not in requests:
                limits[name] = limit
    if limits:
        for name, request in aggregate_container_requests(pod).items():
            if name in {CPU, MEMORY}:
                requests.setdefault(name, request)
        for name, limit in limits.items():
            if is_pod_level_resource(name):
                requests.setdefault(name, limit)
    return resources.model_copy(update={"requests": requests, "limits": limits})


def _needs_rounding(resources: ResourceRequirements) -> bool:
    for side in (resources.requests, resources.limits):
        for quantity in side.values():
            if quantity.nano % 1_000_000:
                return True
    return False


def _round_resources(resources: ResourceRequirements) -> ResourceRequirements:
    return resources.model_copy(
        update={"requests": _round(resources.requests), "limits": _round(resources.limits)}
    )


def _round(resources: Mapping[str, Quantity]) -> ResourceList:
    return {name: quantity.round_up_milli() for name, quantity in resources.items()}

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
    PodSpec,
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
    containers = _each(spec.containers)
    init_containers = _each(spec.init_containers)
    if containers is not spec.containers:
        update["containers"] = containers
    if init_containers is not spec.init_containers:
        update["init_containers"] = init_containers
    if pod_level_resources and spec.resources is not None:
        with_requests = pod.model_copy(update={"spec": spec.model_copy(update=update)})
        update["resources"] = _pod_level(with_requests, spec.resources)
    pod = pod.model_copy(update={"spec": spec.model_copy(update=update)}) if update else pod
    return _rounded(pod)


def _each(containers: tuple[Container, ...]) -> tuple[Container, ...]:
    filled = tuple(_fill(container) for container in containers)
    return containers if all(a is b for a, b in zip(filled, containers, strict=True)) else filled


def _fill(container: Container) -> Container:
    resources = container.resources
    missing = {name: limit for name, limit in resources.limits.items() if name not in resources.requests}
    if not missing:
        return container
    resources = resources.model_copy(update={"requests": {**resources.requests, **missing}})
    return container.model_copy(update={"resources": resources})


def _pod_level(pod: Pod, resources: ResourceRequirements) -> ResourceRequirements:
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


def _rounded(pod: Pod) -> Pod:
    spec = pod.spec
    update: dict[str, object] = {}
    for field in ("containers", "init_containers", "ephemeral_containers"):
        containers: tuple[Container, ...] = getattr(spec, field)
        rounded = tuple(_round_container(container) for container in containers)
        if any(a is not b for a, b in zip(rounded, containers, strict=True)):
            update[field] = rounded
    if _needs_rounding(spec.overhead):
        update["overhead"] = _round(spec.overhead)
    if spec.resources is not None:
        resources = _round_resources(spec.resources)
        if resources is not spec.resources:
            update["resources"] = resources
    if not update:
        return pod
    new_spec: PodSpec = spec.model_copy(update=update)
    return pod.model_copy(update={"spec": new_spec})


def _round_container(container: Container) -> Container:
    resources = _round_resources(container.resources)
    return (
        container
        if resources is container.resources
        else container.model_copy(update={"resources": resources})
    )


def _round_resources(resources: ResourceRequirements) -> ResourceRequirements:
    if not (_needs_rounding(resources.requests) or _needs_rounding(resources.limits)):
        return resources
    return resources.model_copy(
        update={"requests": _round(resources.requests), "limits": _round(resources.limits)}
    )


def _needs_rounding(resources: Mapping[str, Quantity]) -> bool:
    return any(quantity.nano % 1_000_000 for quantity in resources.values())


def _round(resources: Mapping[str, Quantity]) -> ResourceList:
    return {name: quantity.round_up_milli() for name, quantity in resources.items()}

"""API validation of what a pod says about resources: what the API server refuses, in its own words.

Source: pkg/apis/core/validation/validation.go of Kubernetes 1.36 (validateResourceRequirements,
validatePodResourceConsistency, validateContainers). Only what concerns resources is checked, and the
names and restart policies of containers; images, ports, volumes, probes and the rest are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from qos.model.pod import CPU, HUGEPAGES_PREFIX, MEMORY, Container, Pod, ResourceRequirements
from qos.model.quantity import Quantity
from qos.policy.decisions.field_error import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from qos.policy.decisions.resource_names import (
    is_divisible,
    is_extended,
    is_hugepages,
    is_integer,
    is_native,
    is_overcommit_allowed,
    is_standard,
    is_standard_for_containers,
    label_problems,
    qualified_name_problems,
)
from qos.policy.pod_resources import (
    aggregate_container_limits,
    aggregate_container_requests,
    is_pod_level_resource,
)

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
_RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
_POD_LEVEL: Final = (CPU, HUGEPAGES_PREFIX, MEMORY)
_DECIMAL_SCALE: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
NameCheck = Callable[[str, str], Iterator[FieldError]]


def validate_pod(pod: Pod, *, pod_level_resources: bool = True) -> tuple[FieldError, ...]:
    """Everything the API server would refuse when the pod is created, sorted by field.

    Args:
        pod: after API defaulting, as the server sees it.
        pod_level_resources: gate PodLevelResources; where off, the server drops ``spec.resources``.
    """
    errors = [*_validate_annotations(pod), *_validate_containers(pod)]
    if pod.spec.overhead:
        errors += validate_requirements(
            ResourceRequirements(limits=pod.spec.overhead), "spec.overhead", container_resource_name
        )
    if pod_level_resources and pod.spec.resources is not None:
        errors += validate_requirements(pod.spec.resources, "spec.resources", pod_level_resource_name)
        errors += _validate_consistency(pod, pod.spec.resources)
    return tuple(sorted(errors))


def validate_requirements(
    resources: ResourceRequirements, path: str, check_name: NameCheck
) -> Iterator[FieldError]:
    """What is wrong with one ``resources:``: names, amounts, requests against limits, huge pages."""
    for name, quantity in resources.limits.items():
        where = f"{path}.limits[{name}]"
        yield from check_name(name, where)
        yield from _validate_amount(name, quantity, where)
    for name, quantity in resources.requests.items():
        where = f"{path}.requests[{name}]"
        yield from check_name(name, where)
        yield from _validate_amount(name, quantity, where)
        yield from _validate_against_limit(name, quantity, resources.limits.get(name), path)
    names = {*resources.limits, *resources.requests}
    if any(map(is_hugepages, names)) and not names & {CPU, MEMORY}:
        yield forbidden(path, "HugePages require cpu or memory")


def resource_name(name: str, where: str) -> Iterator[FieldError]:
    """What is wrong with a resource's name anywhere: not a qualified name, or one that nobody knows."""
    problems = list(qualified_name_problems(name))
    yield from (invalid(where, name, problem) for problem in problems)
    if not problems and "/" not in name and not is_standard(name):
        yield invalid(where, name, "must be a standard resource type or fully qualified")


def container_resource_name(name: str, where: str) -> Iterator[FieldError]:
    """What is wrong with a resource's name in a container or in overhead."""
    yield from resource_name(name, where)
    if "/" not in name:
        if not is_standard_for_containers(name):
            yield invalid(where, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(where, name, "doesn't follow extended resource name standard")


def pod_level_resource_name(name: str, where: str) -> Iterator[FieldError]:
    """What is wrong with a resource's name in ``spec.resources``."""
    if not is_pod_level_resource(name):
        yield not_supported(where, name, _POD_LEVEL)


def go_value(quantity: Quantity) -> str:
    """A quantity as Go's ``%v`` prints the struct, which is what the API says of a fraction.

    >>> go_value(Quantity.parse("1500m")), go_value(Quantity.parse("0.5"))
    ('{{1500 -3} {<nil>} 1500m DecimalSI}', '{{5 -1} {<nil>}  DecimalSI}')
    """
    typed = str(quantity) if quantity.is_typed else ""
    suffix = typed[-1:] if typed[-1:] in _DECIMAL_SCALE else ""
    digits, scale, last = quantity.nano, -9, _DECIMAL_SCALE[suffix]
    while digits and digits % 10 == 0 and scale < last:
        digits, scale = digits // 10, scale + 1
    return f"{{{{{digits} {scale}}} {{<nil>}} {typed} {quantity.format.value}}}"


def _validate_annotations(pod: Pod) -> Iterator[FieldError]:
    mirror = pod.metadata.annotations.get(MIRROR_ANNOTATION)
    if mirror is not None and not pod.spec.node_name:
        yield invalid(
            f"metadata.annotations[{MIRROR_ANNOTATION}]",
            mirror,
            "must set spec.nodeName if mirror pod annotation is set",
        )


def _validate_containers(pod: Pod) -> Iterator[FieldError]:
    seen: set[str] = set()
    if not pod.spec.containers:
        yield required("spec.containers")
    for index, container in enumerate(pod.spec.containers):
        yield from _validate_container(container, f"spec.containers[{index}]", seen)
    for index, container in enumerate(pod.spec.init_containers):
        yield from _validate_container(container, f"spec.initContainers[{index}]", seen)


def _validate_container(container: Container, path: str, seen: set[str]) -> Iterator[FieldError]:
    name = container.name
    if not name:
        yield required(f"{path}.name")
    else:
        yield from (invalid(f"{path}.name", name, problem) for problem in label_problems(name))
        if name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)
    if container.restart_policy is not None and container.restart_policy not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", container.restart_policy, _RESTART_POLICIES)
    yield from validate_requirements(container.resources, f"{path}.resources", container_resource_name)


def _validate_amount(name: str, quantity: Quantity, where: str) -> Iterator[FieldError]:
    if quantity.sign < 0:
        yield invalid(where, quantity, "must be greater than or equal to 0")
    if is_integer(name) and quantity.milli_value() % 1000:
        yield invalid(where, go_value(quantity), "must be an integer")
    if is_hugepages(name) and not is_divisible(name, quantity):
        yield invalid(where, quantity, f"{quantity} is not positive integer multiple of {name}")


def _validate_against_limit(
    name: str, request: Quantity, limit: Quantity | None, path: str
) -> Iterator[FieldError]:
    free = is_overcommit_allowed(name)
    if limit is None:
        if not free:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif request != limit and not free:
        yield invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif request > limit:
        yield invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}")


def _validate_consistency(pod: Pod, resources: ResourceRequirements) -> Iterator[FieldError]:
    requests = aggregate_container_requests(pod)
    yield from _validate_aggregate("requests", resources.requests, requests)
    hugepages = {name: limit for name, limit in aggregate_container_limits(pod).items() if is_hugepages(name)}
    yield from _validate_aggregate("limits", resources.limits, hugepages)
    for index, container in enumerate(pod.spec.containers):
        for name, limit in container.resources.limits.items():
            most = resources.limits.get(name)
            if most is not None and limit > most:
                where = f"spec.resources.containers[{index}][{name}].limits"
                yield invalid(where, limit, f"must be less than or equal to pod limits of {most}")


def _validate_aggregate(
    side: str, at_pod: Mapping[str, Quantity], aggregate: Mapping[str, Quantity]
) -> Iterator[FieldError]:
    for name, amount in aggregate.items():
        have = at_pod.get(name)
        if have is not None and amount > have:
            yield invalid(
                f"spec.resources.{side}[{name}]",
                have,
                f"must be greater than or equal to aggregate container {side} of {amount}",
            )

"""Containers and resources that parse but that the API server refuses: negative, contradictory, unnamed.

Source: pkg/apis/core/validation (ValidateContainerResourceRequirements, validatePodResources) of
Kubernetes 1.36. What it refuses for reasons that concern no resource is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from qos.model.pod import (
    CPU,
    EPHEMERAL_STORAGE,
    HUGEPAGES_PREFIX,
    MEMORY,
    Container,
    PodSpec,
    ResourceList,
    ResourceRequirements,
    is_sidecar,
)
from qos.model.quantity import Quantity
from qos.model.quantity_text import NANO
from qos.scenario.load import FieldPath

_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_RESTART_POLICIES: Final = frozenset({None, "Always", "Never", "OnFailure"})
_STANDARD: Final = frozenset({CPU, MEMORY, EPHEMERAL_STORAGE})
_POD_LEVEL: Final = frozenset({CPU, MEMORY})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, at a path below the pod's ``spec``; ``value`` is None where no value is to blame."""

    path: FieldPath
    problem: str
    value: str | None
    expected: str


def resource_problems(spec: PodSpec) -> Iterator[Problem]:
    """Everything in a pod's resources that the API server would refuse."""
    for field, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            resources = container.resources
            if resources.requests or resources.limits:
                path: FieldPath = (field, index, "resources")
                yield from _requirements(resources, path)
                yield from _names(resources, path, pod_level=False)
                yield from _whole(resources, path)
    yield from _containers(spec)
    for name, quantity in spec.overhead.items():
        yield from _not_negative(quantity, ("overhead", name))
        yield from _container_resource(name, quantity, ("overhead", name))
    if spec.resources is not None:
        yield from _requirements(spec.resources, ("resources",))
        yield from _names(spec.resources, ("resources",), pod_level=True)
        yield from _against_pod(spec, spec.resources)


def _requirements(resources: ResourceRequirements, path: FieldPath) -> Iterator[Problem]:
    requests, limits = resources.requests, resources.limits
    for name, limit in limits.items():
        if limit.nano < 0:
            yield from _not_negative(limit, (*path, "limits", name))
    for name, request in requests.items():
        if request.nano < 0:
            yield from _not_negative(request, (*path, "requests", name))
            continue
        maximum = limits.get(name)
        if maximum is None:
            if _is_whole(name):
                yield Problem(
                    (*path, "requests", name),
                    "has no limit",
                    str(request),
                    f"the same limit: {name} cannot be overcommitted",
                )
        elif maximum.nano >= 0 and request.nano > maximum.nano:
            yield Problem(
                (*path, "requests", name),
                f"is above the limit of {maximum}",
                str(request),
                f"at most {maximum}",
            )
        elif request.nano != maximum.nano and _is_whole(name):
            yield Problem(
                (*path, "requests", name),
                f"differs from the limit of {maximum}",
                str(request),
                f"{maximum}: {name} cannot be overcommitted",
            )


def _is_whole(name: str) -> bool:
    """Whether a resource is counted in whole pieces and never overcommitted: huge pages, extended ones."""
    return name not in _STANDARD and (
        name.startswith(HUGEPAGES_PREFIX) or ("/" in name and "kubernetes.io/" not in name)
    )


def _not_negative(quantity: Quantity, path: FieldPath) -> Iterator[Problem]:
    if quantity.nano < 0:
        yield Problem(path, "is negative", str(quantity), "0 or more")


def _names(resources: ResourceRequirements, path: FieldPath, *, pod_level: bool) -> Iterator[Problem]:
    for field, values in (("requests", resources.requests), ("limits", resources.limits)):
        for name, quantity in values.items():
            where = (*path, field, name)
            if not pod_level:
                yield from _container_resource(name, quantity, where)
            elif name not in _POD_LEVEL and not name.startswith(HUGEPAGES_PREFIX):
                yield Problem(where, "is no resource of a pod", None, "cpu, memory or hugepages-SIZE")


def _container_resource(name: str, quantity: Quantity, path: FieldPath) -> Iterator[Problem]:
    if name in _STANDARD or name.startswith(HUGEPAGES_PREFIX):
        return
    if "/" not in name:
        expected = "cpu, memory, ephemeral-storage, hugepages-SIZE or a name with a domain (nvidia.com/gpu)"
        yield Problem(path, "is no resource of a container", None, expected)
    elif quantity.nano % NANO:
        yield Problem(path, "is not whole", str(quantity), "a whole number")


def _whole(resources: ResourceRequirements, path: FieldPath) -> Iterator[Problem]:
    for field, values in (("requests", resources.requests), ("limits", resources.limits)):
        for name, quantity in values.items():
            if not name.startswith(HUGEPAGES_PREFIX):
                continue
            if not _has_cpu_or_memory(resources):
                yield Problem((*path, field, name), "stands alone", str(quantity), "cpu or memory beside it")
            try:
                page = Quantity.parse(name.removeprefix(HUGEPAGES_PREFIX)).nano
            except ValueError:
                page = 0
            if page <= 0:
                yield Problem((*path, field, name), "names no page size", None, "such as hugepages-2Mi")
            elif quantity.nano % page:
                yield Problem(
                    (*path, field, name), "is no multiple of the page size", str(quantity), "whole pages"
                )


def _has_cpu_or_memory(resources: ResourceRequirements) -> bool:
    return any(name in values for values in (resources.requests, resources.limits) for name in _POD_LEVEL)


def _containers(spec: PodSpec) -> Iterator[Problem]:
    seen: set[str] = set()
    for field, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(containers):
            name, path = container.name, (field, index, "name")
            if name in seen:
                yield Problem(path, "is the name of two containers", name, "a name of its own")
            elif not _LABEL.fullmatch(name):
                yield Problem(path, "is no container name", name, "1 to 63 of a-z, 0-9 and -")
            if container.restart_policy not in _RESTART_POLICIES:
                where = (field, index, "restartPolicy")
                yield Problem(where, "is not known", container.restart_policy, "Always, Never or OnFailure")
            seen.add(name)


def _against_pod(spec: PodSpec, pod: ResourceRequirements) -> Iterator[Problem]:
    """The pod's own limits and requests against its containers'; of limits only the regular ones'."""
    for index, container in enumerate(spec.containers):
        for name, limit in container.resources.limits.items():
            maximum = pod.limits.get(name)
            if maximum is not None and maximum.nano >= 0 and limit > maximum:
                path = ("containers", index, "resources", "limits", name)
                yield Problem(
                    path, f"is above the pod's limit of {maximum}", str(limit), f"at most {maximum}"
                )
    running = _running_requests((*spec.containers, *filter(is_sidecar, spec.init_containers)))
    for name, request in pod.requests.items():
        least = running.get(name)
        if least is not None and request.nano >= 0 and request < least:
            yield Problem(
                ("resources", "requests", name), f"is below the {least} that its containers request",
                str(request), f"at least {least}",
            )  # fmt: skip


def _running_requests(containers: tuple[Container, ...]) -> Mapping[str, Quantity]:
    """What the containers that run side by side request together, limits standing in for requests."""
    total: ResourceList = {}
    for container in containers:
        for name, quantity in (container.resources.limits | container.resources.requests).items():
            total[name] = total[name] + quantity if name in total else quantity
    return total

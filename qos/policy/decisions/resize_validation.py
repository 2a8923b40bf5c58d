"""In-place resize: what the API server lets a running pod change, in its own words.

Source: pkg/apis/core/validation/validation.go (ValidatePodResize) of Kubernetes 1.36; KEP-1287, KEP-5419.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from qos.model.pod import CPU, MEMORY, Container, Pod, ResourceList, ResourceRequirements, is_sidecar
from qos.policy.critical import CONFIG_MIRROR
from qos.policy.decisions.field_error import FieldError, forbidden, invalid
from qos.policy.decisions.validation import validate_pod
from qos.policy.qos_class import classify

_ONLY: Final = "only cpu and memory resources are mutable"
_ONLY_INIT: Final = "only cpu and memory resources for init or sidecar containers are mutable"
_NO_RESTART: Final = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
_RESIZABLE: Final = frozenset({CPU, MEMORY})
_IMMUTABLE_SPEC: Final[dict[str, Any]] = {"containers": (), "init_containers": (), "resources": None}


def validate_resize(new: Pod, old: Pod, *, pod_level_resources: bool = True) -> tuple[FieldError, ...]:
    """Everything the API server would refuse of an update of the ``resize`` subresource, sorted by field.

    Only cpu and memory may change, no request or limit may go, and the QoS class must stay. The new pod
    must be valid in itself as well.

    Args:
        new: the pod as it shall be.
        old: the pod as it is.
        pod_level_resources: gate PodLevelResources.
    """
    if CONFIG_MIRROR in old.metadata.annotations:
        return (forbidden("[]", "static pods cannot be resized"),)
    errors = [*validate_pod(new, pod_level_resources=pod_level_resources)]
    errors += _validate_class(new, old, pod_level_resources)
    errors += _validate_containers(new.spec.containers, old.spec.containers, "spec.containers")
    errors += _validate_containers(new.spec.init_containers, old.spec.init_containers, "spec.initContainers")
    if pod_level_resources and new.spec.resources is not None and old.spec.resources is not None:
        errors += _validate_removed(new.spec.resources, old.spec.resources, "spec.resources")
    errors += _validate_immutable(new, old)
    return tuple(sorted(errors))


def _validate_class(new: Pod, old: Pod, pod_level_resources: bool) -> Iterator[FieldError]:
    was = classify(old, pod_level_resources=pod_level_resources).qos_class
    will = classify(new, pod_level_resources=pod_level_resources).qos_class
    if was is not will:
        yield invalid("spec", was.value, "Pod QOS Class may not change as a result of resizing")


def _validate_containers(
    new: Sequence[Container], old: Sequence[Container], path: str
) -> Iterator[FieldError]:
    for index, (after, before) in enumerate(zip(new, old, strict=False)):
        yield from _validate_removed(after.resources, before.resources, f"{path}[{index}].resources")


def _validate_removed(
    new: ResourceRequirements, old: ResourceRequirements, path: str
) -> Iterator[FieldError]:
    if old.requests.keys() - new.requests.keys():
        yield forbidden(f"{path}.requests", "resource requests cannot be removed")
    if old.limits.keys() - new.limits.keys():
        yield forbidden(f"{path}.limits", "resource limits cannot be removed")


def _validate_immutable(new: Pod, old: Pod) -> Iterator[FieldError]:
    """All but cpu and memory is as it was: an error for each container, else one for the rest."""
    changed = False
    for index, (after, before) in _pairs(new.spec.init_containers, old.spec.init_containers):
        where = f"spec.initContainers[{index}]"
        if _without_resizable(after) != _without_resizable(before):
            changed = True
            yield forbidden(where, _ONLY_INIT)
        if after != before and not is_sidecar(after) and _restarts(after):
            changed = True
            yield forbidden(where, _NO_RESTART)
    for _, (after, before) in _pairs(new.spec.containers, old.spec.containers):
        if _without_resizable(after) != _without_resizable(before):
            changed = True
            yield forbidden("spec", _ONLY)
    if not changed and _rest(new) != _rest(old):
        yield forbidden("spec", _ONLY)


def _pairs(
    new: Sequence[Container], old: Sequence[Container]
) -> Iterator[tuple[int, tuple[Container, Container]]]:
    yield from enumerate(zip(new, old, strict=False))


def _rest(pod: Pod) -> tuple[Any, ...]:
    spec = pod.spec
    lengths = (len(spec.containers), len(spec.init_containers))
    return (spec.model_copy(update=_IMMUTABLE_SPEC), _remaining(spec.resources), lengths)


def _restarts(container: Container) -> bool:
    return any(one.restart_policy == "RestartContainer" for one in container.resize_policy or ())


def _without_resizable(container: Container) -> Container:
    return container.model_copy(update={"resources": _remaining(container.resources)})


def _remaining(resources: ResourceRequirements | None) -> ResourceRequirements:
    if resources is None:
        return ResourceRequirements()
    return ResourceRequirements(requests=_others(resources.requests), limits=_others(resources.limits))


def _others(resources: ResourceList) -> ResourceList:
    return {name: quantity for name, quantity in resources.items() if name not in _RESIZABLE}

"""One workload document → its pod, strictly: unknown fields, leftover templates, impossible resources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from qos.errors import InputError, SourceRef
from qos.model.pod import Pod
from qos.scenario.load import Document, FieldPath
from qos.scenario.resource_checks import resource_problems
from qos.scenario.validation import (
    error_at,
    one_or_all,
    problem_errors,
    unknown_field_errors,
    validate,
)
from qos.scenario.workload_kinds import WorkloadKind, at
from qos.scenario.yaml_marks import template_error

# RFC 1123 subdomain; a generateName ends in "-"
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[-a-z0-9])?")
# what the cgroup of a pod is named after
_UID: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9.]{0,127}")
# what may still be the name of a cgroup
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]{0,252}")
_NAME_EXPECTED: Final = "1 to 253 of a-z, 0-9, - and ."


@dataclass(frozen=True, slots=True)
class SourcedPod:
    """A workload's pod and where it came from.

    Attributes:
        pod: the pod; one made from a template has its owner's name and namespace.
        source: where the document begins.
        replicas: how many such pods the workload runs at once; 1 for a DaemonSet (a node has one).
        owner_kind: kind of the document: Pod, Deployment, …
        owner_name: its name.
        per_node: whether there is one on every node (DaemonSet).
    """

    pod: Pod
    source: SourceRef
    replicas: int = 1
    owner_kind: str = "Pod"
    owner_name: str = ""
    per_node: bool = False


def has_pod_spec(document: Document, kind: WorkloadKind) -> str | None:
    """Why a workload document holds nothing to run, None where it does."""
    spec = at(document.data, (*kind.template, "spec"))
    if spec is None or (
        isinstance(spec, dict) and not spec.get("containers") and not spec.get("initContainers")
    ):
        return "has no containers: a patch or a fragment"
    return None


def pods_of(document: Document, kind_name: str, kind: WorkloadKind) -> tuple[SourcedPod, list[InputError]]:
    """The pod of a workload document, and what was tolerated in it.

    Raises:
        InputError: something is wrong; InputErrors where several things are.
    """
    errors, warnings = unknown_field_errors(document, kind_name)
    errors += _templates(document, kind.template)
    if errors:
        raise one_or_all(errors)
    template = at(document.data, kind.template)
    pod = validate(Pod, _pod_data(document.data, template), document, kind.template)
    errors += _name_errors(pod, document, warnings)
    errors += problem_errors(resource_problems(pod.spec), document, (*kind.template, "spec"))
    replicas = _replicas(document, kind, errors)
    if errors:
        raise one_or_all(errors)
    return SourcedPod(pod, document.source, replicas, kind_name, pod.name, kind.per_node), warnings


def _name_errors(pod: Pod, document: Document, warnings: list[InputError]) -> list[InputError]:
    if not pod.name:
        source = document.locate(("metadata",), key=True)
        return [InputError("is missing", source=source, field="metadata.name", expected="a name")]
    errors: list[InputError] = []
    uid = pod.metadata.uid
    if uid and not _UID.fullmatch(uid):
        errors.append(
            error_at(document, ("metadata", "uid"), "is no uid", "letters, digits and -", value=uid)
        )
    for field, name in (("name", pod.name), ("namespace", pod.namespace)):
        if not _NAME.fullmatch(name):
            source = document.locate(("metadata", field))
            error = InputError(
                "is no name", source=source, field=f"metadata.{field}", value=name, expected=_NAME_EXPECTED
            )
            (warnings if _FILE_NAME.fullmatch(name) else errors).append(error)
    return errors


def _pod_data(owner: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """The pod's data: the template under its owner's name, as its controller would make it."""
    if template is owner:
        return owner
    own, inner = owner.get("metadata") or {}, template.get("metadata") or {}
    if not isinstance(own, dict) or not isinstance(inner, dict):
        return {"metadata": inner if isinstance(own, dict) else own, "spec": template.get("spec")}
    metadata = {
        name: own[name] for name in ("name", "generateName", "namespace") if own.get(name) is not None
    }
    metadata |= {name: inner[name] for name in ("labels", "annotations") if inner.get(name) is not None}
    return {"metadata": metadata, "spec": template.get("spec")}


def _templates(document: Document, template: FieldPath) -> list[InputError]:
    """Leftover ``{{ … }}`` in names and images, where a cluster would take it for text."""
    suspects: list[FieldPath] = [("metadata", "name"), ("metadata", "namespace")]
    pod_spec = (*template, "spec")
    for field in ("initContainers", "containers"):
        containers = at(document.data, (*pod_spec, field))
        if isinstance(containers, list):
            for index, container in enumerate(containers):
                if isinstance(container, dict):
                    if "{{" in str(container.get("name")):
                        suspects.append((*pod_spec, field, index, "name"))
                    if "{{" in str(container.get("image")):
                        suspects.append((*pod_spec, field, index, "image"))
    return [
        template_error(document.locate(path)).at(field=document.field(path))
        for path in suspects
        if "{{" in str(_value(document.data, path))
    ]


def _value(data: Any, path: FieldPath) -> Any:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _replicas(document: Document, kind: WorkloadKind, errors: list[InputError]) -> int:
    if kind.replicas is None:
        return 1
    replicas = at(document.data, kind.replicas)
    if replicas is None:
        return 1
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        source, field = document.locate(kind.replicas), document.field(kind.replicas)
        if "{{" in str(replicas):
            errors.append(template_error(source).at(field=field))
        else:
            errors.append(
                InputError(
                    "is no count",
                    source=source,
                    field=field,
                    value=replicas,
                    expected="a whole number, 0 or more",
                )
            )
        return 1
    return replicas

"""Overrides of pods: found by name or label among all documents, changed where their fields stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from qos.errors import InputError
from qos.scenario.field_path import Step, item_index, item_name, none_such, path_text, resolve, with_value
from qos.scenario.known_fields import fields_of
from qos.scenario.load import Document, FieldPath
from qos.scenario.selector import LabelSelector, parse_selector
from qos.scenario.workload_kinds import WorkloadKind, at, workload_kind

_RESOURCES: Final = ("limits", "requests", "claims")
_MARKS_OF_LABELS: Final = frozenset("=!(")


def override_pods(
    documents: Sequence[Document | InputError], item: Step | None, rest: Sequence[Step], value: Any
) -> list[Document | InputError]:
    """The documents with one field of every matching pod changed.

    Args:
        documents: pods, their owners, Lists of them and whatever stands beside them.
        item: a name of a pod or owner (or ``namespace/name``), or labels of pods; None: the only one.
        rest: the field: ``replicas``, ``limits.cpu``, or any of the pod's spec.
        value: its new value.

    Raises:
        InputError: no pod matches, or the field leads nowhere.
    """
    where = path_text((Step("pods"), *([item] if item else []), *rest))
    places = [
        (number, path, kind)
        for number, document in enumerate(documents)
        if isinstance(document, Document)
        for path, kind in _workloads(document.data, ())
    ]
    found = _matching(documents, places, item, where)
    made = list(documents)
    for number, path, kind in found:
        document = made[number]
        assert isinstance(document, Document)
        owner = at_path(document.data, path)
        changed = with_value(owner, field_path(owner, kind, rest, where), value)
        made[number] = replace(document, data=with_value(document.data, path, changed))
    return made


def _workloads(data: Any, path: FieldPath) -> list[tuple[FieldPath, WorkloadKind]]:
    """Where in a document workloads stand: it is one, or a List of some."""
    if not isinstance(data, dict):
        return []
    kind, items = data.get("kind"), data.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        found = []
        for index, each in enumerate(items):
            # Items of a PodList have no kind of their own.
            typed = {"kind": kind.removesuffix("List")} | each if isinstance(each, dict) else each
            found += [((*path, "items", index, *inner), known) for inner, known in _workloads(typed, ())]
        return found
    known = workload_kind(kind, str(data.get("apiVersion") or "")) if isinstance(kind, str) else None
    return [(path, known)] if known else []


def at_path(data: Any, path: FieldPath) -> Any:
    """What stands at a path that leads through lists too."""
    for step in path:
        data = data[step]
    return data


def _matching(
    documents: Sequence[Document | InputError],
    places: Sequence[tuple[int, FieldPath, WorkloadKind]],
    item: Step | None,
    where: str,
) -> list[tuple[int, FieldPath, WorkloadKind]]:
    owners = [at_path(documents[number].data, path) for number, path, _ in places]  # type: ignore[union-attr]
    names = [item_name(owner) for owner in owners]
    if item is None:
        if len(places) == 1:
            return list(places)
        raise none_such(where, "", names)
    selector = _selector(item.text) if _MARKS_OF_LABELS & set(item.text) else None
    found = [
        place
        for place, owner, name in zip(places, owners, names, strict=True)
        if (
            selector.matches(_labels(owner, place[2]))
            if selector
            else item.text in {name, f"{_namespace(owner)}/{name}"}
        )
    ]
    if not found:
        known = names
        if selector:
            pairs = {
                pair
                for owner, place in zip(owners, places, strict=True)
                for pair in _labels(owner, place[2]).items()
            }
            known = sorted(f"{key}={value}" for key, value in pairs)
        raise none_such(where, item.text, known)
    return found


def _selector(text: str) -> LabelSelector:
    try:
        return parse_selector(text)
    except ValueError as error:
        raise InputError(f"[{text}] {error}") from None


def _labels(owner: Any, kind: WorkloadKind) -> dict[str, str]:
    labels = at(owner, (*kind.template, "metadata", "labels"))
    return labels if isinstance(labels, dict) else {}


def _namespace(owner: Any) -> str:
    return str(at(owner, ("metadata", "namespace")) or "default")


def field_path(owner: Any, kind: WorkloadKind, rest: Sequence[Step], where: str) -> FieldPath:
    """Where a field of a pod stands in the document of its owner.

    Raises:
        InputError: it is none, or belongs to one of several containers.
    """
    first = rest[0].text
    if first == "replicas":
        if kind.replicas is None:
            raise InputError(
                f"{where} matches nothing", expected="an owner with replicas, such as a Deployment"
            )
        return kind.replicas
    if first == "metadata":
        return (*kind.template, *resolve(at(owner, kind.template), rest))
    if first == "spec":
        rest = rest[1:]
    path = (*kind.template, "spec")
    return (*path, *_in_spec(at(owner, path), rest, where))


def _in_spec(spec: Any, rest: Sequence[Step], where: str) -> FieldPath:
    first = rest[0].text if rest else ""
    if first in _RESOURCES or (first == "resources" and "resources" not in (spec or {})):
        containers = spec.get("containers") if isinstance(spec, dict) else None
        names = [item_name(each) for each in containers or []]
        if len(names) != 1:
            raise InputError(
                f"{where} could be each of {len(names)} containers",
                expected=" or ".join(f"containers[{name}].{path_text(rest)}" for name in names[:4]),
            )
        return ("containers", 0, *_in_container(rest, where))
    if first in {"containers", "initContainers"} and len(rest) > 2:
        items = at(spec, (first,))
        index = item_index(items if isinstance(items, list) else [], rest[1], first)
        return (first, index, *_in_container(rest[2:], where))
    _check(first, "PodSpec", where, [*_RESOURCES, "replicas"])
    return resolve(spec, rest)


def _in_container(rest: Sequence[Step], where: str) -> FieldPath:
    if rest[0].text in _RESOURCES:
        rest = (Step("resources"), *rest)
    _check(rest[0].text, "Container", where, _RESOURCES)
    if rest[0].text == "resources":
        if len(rest) != 3:
            raise InputError(f"{where} is no amount", expected="limits.cpu, requests.memory or the like")
        _check(rest[1].text, "ResourceRequirements", where, ())
    return tuple(step.text for step in rest)


def _check(name: str, type_name: str, where: str, also: Sequence[str]) -> None:
    known = [*also, *fields_of(type_name)]
    if name not in known:
        raise none_such(where, name, known)

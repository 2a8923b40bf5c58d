"""Kubernetes manifests: which documents are workloads, their pods, and the objects that concern them.

Every document is classified: a workload, an object that changes what pods get (LimitRange, PriorityClass,
RuntimeClass, Node, KubeletConfiguration, ResourceQuota), or skipped with its kind and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Final, TypeVar

from pydantic import BaseModel

from qos.errors import InputError, InputErrors, SourceRef, printable
from qos.model.limit_range import LimitRange, ResourceQuota
from qos.model.node import KubeletConfiguration, Node
from qos.scenario.admission import admit
from qos.scenario.cluster_objects import PriorityClass, RuntimeClass
from qos.scenario.kubelet_checks import check_kubelet
from qos.scenario.load import Document, garbage_collector_paused, read_documents
from qos.scenario.pod_document import SourcedPod, has_pod_spec, pods_of
from qos.scenario.validation import one_or_all, unknown_field_errors, validate
from qos.scenario.workload_kinds import api_group, workload_kind

_Model = TypeVar("_Model", bound=BaseModel)
MAX_LIST_DEPTH: Final = 5
OWN_GROUP: Final = "qos.dev"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is no workload: where it stands, its kind ("" where it has none) and why."""

    source: SourceRef
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Manifests:
    """What some manifests hold.

    Attributes:
        pods: one for each workload, with priority and overhead; ``replicas`` says how many there are of it.
        errors: what is wrong, in order of the input; the pods of such documents are left out.
        warnings: what was tolerated: fields the API does not know deep inside, keys repeated alike.
    """

    pods: tuple[SourcedPod, ...] = ()
    nodes: tuple[Node, ...] = ()
    kubelet_configurations: tuple[KubeletConfiguration, ...] = ()
    limit_ranges: tuple[LimitRange, ...] = ()
    resource_quotas: tuple[ResourceQuota, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    runtime_classes: tuple[RuntimeClass, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    errors: tuple[InputError, ...] = ()
    warnings: tuple[InputError, ...] = ()


@dataclass(slots=True)
class Found:
    """What was found in the documents so far; the fields are those of :class:`Manifests`.

    Attributes:
        pods: without priority and overhead, which may stand later in the input; see ``admission``.
    """

    pods: list[SourcedPod] = field(default_factory=list)
    objects: dict[type[BaseModel], list[Any]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    warnings: list[InputError] = field(default_factory=list)

    def all_of(self, model: type[_Model]) -> tuple[_Model, ...]:
        """The objects of a kind."""
        return tuple(self.objects.get(model, ()))

    def add(self, document: Document | InputError) -> None:
        """Classify one document, and each item of a List."""
        if isinstance(document, InputError):
            self.errors.append(document)
        elif document.data is not None or document.path:
            self.warnings += document.warnings
            for item in items_of(document):
                if isinstance(item, InputError):
                    self.errors.append(item)
                else:
                    _classify(item, self)

    def admission(self, pods: Iterable[SourcedPod]) -> Iterator[SourcedPod]:
        """Pods with priority and overhead by the classes found."""
        priority_classes, runtime_classes = self.all_of(PriorityClass), self.all_of(RuntimeClass)
        for each in pods:
            pod = admit(each.pod, priority_classes, runtime_classes)
            yield each if pod is each.pod else replace(each, pod=pod)

    def manifests(self) -> Manifests:
        """All of it."""
        return Manifests(
            pods=tuple(self.admission(self.pods)),
            nodes=self.all_of(Node),
            kubelet_configurations=self.all_of(KubeletConfiguration),
            limit_ranges=self.all_of(LimitRange),
            resource_quotas=self.all_of(ResourceQuota),
            priority_classes=self.all_of(PriorityClass),
            runtime_classes=self.all_of(RuntimeClass),
            skipped=tuple(self.skipped),
            errors=tuple(self.errors),
            warnings=tuple(self.warnings),
        )


# kind → API group and model of the objects that are no workloads and that somebody uses
_OBJECTS: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "Node": ("", Node),
    "LimitRange": ("", LimitRange),
    "ResourceQuota": ("", ResourceQuota),
    "PriorityClass": ("scheduling.k8s.io", PriorityClass),
    "RuntimeClass": ("node.k8s.io", RuntimeClass),
    "KubeletConfiguration": ("kubelet.config.k8s.io", KubeletConfiguration),
}


def read_manifests(paths: Sequence[str | os.PathLike[str]], stdin: BinaryIO | None = None) -> Manifests:
    """Everything in ``paths`` (files, directories, ``-``): good documents read, bad ones listed.

    Nothing is raised for bad input: see ``errors``.
    """
    with garbage_collector_paused():
        return collect(read_documents(paths, stdin))


def collect(documents: Iterable[Document | InputError]) -> Manifests:
    """As :func:`read_manifests`, of documents from anywhere, all of them one input."""
    found = Found()
    for document in documents:
        found.add(document)
    return found.manifests()


def is_object(kind: Any) -> bool:
    """Whether a kind is none that runs pods but one that changes what pods get.

    >>> is_object("LimitRange"), is_object("Pod")
    (True, False)
    """
    return isinstance(kind, str) and kind in _OBJECTS


def items_of(document: Document) -> Iterator[Document | InputError]:
    """The items of a List, of Lists in it too; any other document by itself."""
    data = document.data
    if not isinstance(data, dict):
        yield document
        return
    kind, api_version = data.get("kind"), data.get("apiVersion") or ""
    items = isinstance(kind, str) and kind.endswith("List") and data.get("items")
    if not isinstance(items, list) or not isinstance(api_version, str):
        yield document
        return
    if document.path.count("items") >= MAX_LIST_DEPTH:
        source = document.source
        yield InputError("a list in a list in a list", source=source, expected="a List of objects")
        return
    item_kind = str(kind).removesuffix("List")
    defaults = {"kind": item_kind, "apiVersion": data.get("apiVersion")} if item_kind else {}
    for item in document.items("items", defaults):
        yield from items_of(item)


def _classify(document: Document, found: Found) -> None:
    data = document.data
    if not isinstance(data, dict):
        found.skipped.append(Skipped(document.source, "", f"is no object but a {_type_name(data)}"))
        return
    kind, api_version = data.get("kind"), data.get("apiVersion") or ""
    if not isinstance(kind, str) or not isinstance(api_version, str):
        _without_kind(document, kind, found)
        return
    try:
        _known_kind(document, kind, api_version, found)
    except InputErrors as errors:
        found.errors += map(_told, errors.errors)
    except InputError as error:
        found.errors.append(_told(error))


def _told(error: InputError) -> InputError:
    """An error that is kept, without the frames in which it came up: they hold the document and its text."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def _type_name(data: Any) -> str:
    return {list: "list", str: "text", bool: "boolean"}.get(type(data), "number")


def _without_kind(document: Document, kind: Any, found: Found) -> None:
    if kind is None:
        why = "has no kind: a values file, a patch or a tool's own format"
        found.skipped.append(Skipped(document.source, "", why))
        return
    field_name = "kind" if not isinstance(kind, str) else "apiVersion"
    found.errors.append(
        InputError(
            "is of the wrong type", source=document.locate((field_name,)), field=field_name,
            value=document.data[field_name], expected="a text",
        )
    )  # fmt: skip


def _object(document: Document, model: type[BaseModel]) -> BaseModel:
    made = validate(model, document.data, document)
    if isinstance(made, KubeletConfiguration):
        check_kubelet(made, document)
    return made


def _known_kind(document: Document, kind: str, api_version: str, found: Found) -> None:
    group = api_group(api_version)
    workload = workload_kind(kind, api_version)
    if workload is not None:
        why = has_pod_spec(document, workload)
        if why:
            found.skipped.append(Skipped(document.source, printable(kind), why))
            return
        pod, warnings = pods_of(document, kind, workload)
        found.pods.append(pod)
        found.warnings += warnings
        return
    known = _OBJECTS.get(kind)
    if known is not None and (not api_version or group == known[0]):
        errors, warnings = unknown_field_errors(document, kind)
        if errors:
            raise one_or_all(errors)
        found.warnings += warnings
        found.objects.setdefault(known[1], []).append(_object(document, known[1]))
        return
    if group == OWN_GROUP:
        why = "is a scenario's document: run it with qos simulate"
    elif "{{" in kind:
        why = "is a template"
    else:
        why = "runs no pods by itself"
    found.skipped.append(Skipped(document.source, printable(kind), why))

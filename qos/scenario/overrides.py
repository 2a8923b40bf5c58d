"""Overrides: a scenario with some fields given other values, before anything is read out of it.

They act on the plain documents, so whatever they lead to is checked as if it had been written there. Paths
begin at the scenario's ``spec``:

- ``pods[NAME or LABELS]``: pods and the owners of pods, wherever they stand (``pods:``, ``manifests:``);
  then ``replicas``, ``limits.cpu``, ``requests.memory``, ``containers[NAME].limits.cpu`` or any field of the
  pod's spec.
- ``nodes[NAME]``: ``capacity.cpu``, ``count``, ``kubelet.maxPods``, …; the name may be left out of one node.
- ``workloads[NAME]``: any field of what the processes want.
- ``policies[NAME]``: any field of a QoSPolicy document's spec in the same file.
- anything else of ``spec``: ``duration``, ``profile.kubernetes``, …
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from qos.errors import InputError
from qos.scenario.field_path import Step, item_name, none_such, path_text, resolve, with_value
from qos.scenario.known_fields import fields_of
from qos.scenario.load import Document, FieldPath, read_documents
from qos.scenario.nodes import relative_to
from qos.scenario.pod_overrides import override_pods

_ELSEWHERE: Final = {
    "seed": "--seed or --seeds",
    "policies": "--policy, or policies[NAME] of a QoSPolicy document",
    "manifests": "pods[NAME]",
    "expect": "nothing: what is expected has no influence on a run",
}
_NODE_FIELDS: Final = {"capacity": ("status", "capacity"), "allocatable": ("status", "allocatable")}


@dataclass(frozen=True, slots=True)
class Override:
    """One field and its other value; ``steps`` begin at ``spec``."""

    steps: tuple[Step, ...]
    value: Any

    @property
    def root(self) -> str:
        """The first field."""
        return self.steps[0].text if self.steps else ""

    @property
    def item(self) -> Step | None:
        """What stands in brackets behind the first field."""
        return self.steps[1] if len(self.steps) > 1 and self.steps[1].bracket else None

    @property
    def rest(self) -> tuple[Step, ...]:
        """The steps behind root and item."""
        return self.steps[2:] if self.item else self.steps[1:]


def override_scenario(document: Document, overrides: Sequence[Override]) -> Document:
    """The Scenario document with everything overridden but pods and policies.

    Raises:
        InputError: a path leads nowhere; says the nearest that does.
    """
    for override in overrides:
        if override.root not in {"pods", "policies"} or not override.rest:
            document = replace(document, data=_override_spec(document, override))
    return document


def override_policies(policies: Sequence[Document], overrides: Sequence[Override]) -> Iterator[Document]:
    """QoSPolicy documents with what concerns them overridden.

    Raises:
        InputError: no such policy document, or a path that leads nowhere.
    """
    mine = [override for override in overrides if override.root == "policies" and override.rest]
    names = [item_name(each.data) for each in policies]
    for override in mine:
        if override.item is None or override.item.text not in names:
            name = override.item.text if override.item else ""
            error = none_such(path_text(override.steps), name, names)
            raise (
                error
                if names
                else InputError(
                    f"{path_text(override.steps)} matches nothing",
                    expected="a QoSPolicy document in this file",
                )
            )
    for document, name in zip(policies, names, strict=True):
        data = document.data
        for override in mine:
            if override.item and override.item.text == name:
                steps = (Step("spec"), *override.rest)
                data = with_value(data, resolve(data, steps), override.value)
        yield replace(document, data=data)


def override_manifests(
    documents: Sequence[Document | InputError], overrides: Sequence[Override]
) -> list[Document | InputError]:
    """All pods and owners of pods of a scenario with what concerns them overridden.

    Raises:
        InputError: a path matches no pod, or leads nowhere in one.
    """
    made = list(documents)
    for override in overrides:
        if override.root == "pods" and override.rest:
            made = override_pods(made, override.item, override.rest, override.value)
    return made


def _override_spec(document: Document, override: Override) -> Any:
    data = document.data
    spec = data.get("spec") if isinstance(data, dict) else None
    if not isinstance(spec, dict):
        return data
    whole = not override.rest and override.root in {"pods", "nodes", "workloads"}
    if override.root in _ELSEWHERE or whole:
        raise InputError(
            f"{path_text(override.steps)} is not swept",
            expected=_ELSEWHERE.get(override.root, f"{override.root}[NAME].FIELD"),
        )
    if override.root == "nodes":
        return _override_node(document, override)
    known = [_camel(name) for name in _spec_fields()]
    if override.root not in known:
        raise none_such(path_text(override.steps), override.root, known)
    return with_value(data, ("spec", *resolve(spec, override.steps)), override.value)


def _spec_fields() -> list[str]:
    from qos.scenario.document import ScenarioSpec  # noqa: PLC0415 - read only for overrides

    return list(ScenarioSpec.model_fields)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def _override_node(document: Document, override: Override) -> Any:
    """A node that stands in a file of its own is taken into the document first."""
    entries = document.data["spec"].get("nodes")
    if not isinstance(entries, list):
        return document.data
    inlined = [_inlined(document, entry) for entry in entries]
    names = [item_name(entry) for entry in inlined]
    if override.item is None and len(entries) == 1:
        index = 0
    elif override.item is not None and override.item.text in names:
        index = names.index(override.item.text)
    elif (
        override.item is not None and override.item.text.isdecimal() and int(override.item.text) < len(names)
    ):
        index = int(override.item.text)
    else:
        raise none_such(path_text(override.steps), override.item.text if override.item else "", names)
    return with_value(
        document.data, ("spec", "nodes", index), _node_with(inlined[index], override.rest, override.value)
    )


def _node_with(entry: dict[str, Any], rest: Sequence[Step], value: Any) -> dict[str, Any]:
    first = rest[0].text
    path: FieldPath
    if first in _NODE_FIELDS and len(rest) > 1:
        path = (*_NODE_FIELDS[first], *(step.text for step in rest[1:]))
    else:
        known = [*fields_of("Node"), *_NODE_FIELDS, "kubelet", "disks", "linkBitsPerSecond", "count"]
        if first not in known:
            raise none_such(f"nodes[{item_name(entry)}].{path_text(rest)}", first, known)
        path = resolve(entry, rest)
    made: dict[str, Any] = with_value(entry, path, value)
    return made


def _inlined(document: Document, entry: Any) -> Any:
    """A node entry without ``file:``: the Node and the KubeletConfiguration of that file, inline."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        return entry
    made = {name: value for name, value in entry.items() if name != "file"}
    for each in read_documents([relative_to(document, entry["file"])]):
        if isinstance(each, InputError):
            raise each
        data = each.data
        if isinstance(data, dict) and data.get("kind") == "Node":
            made = data | made
        elif isinstance(data, dict) and data.get("kind") == "KubeletConfiguration":
            made["kubelet"] = data
    return made

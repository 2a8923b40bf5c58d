"""Nodes: from a file with a Node and a KubeletConfiguration, or from a scenario's ``nodes:``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

from qos.errors import InputError, InputErrors, SourceRef
from qos.model.node import KubeletConfiguration, Node
from qos.model.pod import CPU, MEMORY
from qos.scenario.known_fields import nearest
from qos.scenario.kubelet_checks import check_kubelet
from qos.scenario.load import Document, FieldPath
from qos.scenario.manifest import read_manifests
from qos.scenario.validation import error_at, named_in, one_or_all, unknown_field_errors, validate

MAX_NODES: Final = 100_000
_OURS: Final = frozenset({"kubelet", "disks", "linkBitsPerSecond", "count"})
_INLINE: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"}) | _OURS
_BY_FILE: Final = frozenset({"file", "count"})


def read_node(path: str | os.PathLike[str]) -> Node:
    """The node of a file: a Node, and the KubeletConfiguration that stands beside it, if any.

    Raises:
        InputError: unreadable, no Node or several, several kubelet configurations, no capacity.
    """
    found = read_manifests([path])
    if found.errors:
        raise one_or_all(found.errors)
    return combine_node(found.nodes, found.kubelet_configurations, SourceRef(os.fspath(path)))


def combine_node(
    nodes: Sequence[Node], configurations: Sequence[KubeletConfiguration], source: SourceRef
) -> Node:
    """One node with its kubelet's configuration.

    Raises:
        InputError: not exactly one node, more than one configuration, or no capacity.
    """
    if len(nodes) != 1:
        raise InputError(f"holds {len(nodes)} Nodes", source=source, expected="one v1 Node")
    if len(configurations) > 1:
        raise InputError(
            f"holds {len(configurations)} KubeletConfigurations", source=source, expected="at most one"
        )
    node = nodes[0]
    if configurations:
        node = node.model_copy(update={"kubelet": configurations[0]})
    check_capacity(node, source)
    return node


def check_capacity(node: Node, source: SourceRef, field: str = "status.capacity") -> None:
    """Refuse a node without CPUs or memory.

    Raises:
        InputError: ``status.capacity`` lacks cpu or memory, or they are not above zero.
    """
    for name in (CPU, MEMORY):
        where = f"{field}.{name}"
        quantity = node.status.capacity.get(name)
        if quantity is None:
            raise InputError("is missing", source=source, field=where, expected=f"{name}: QUANTITY")
        if quantity.nano <= 0:
            raise InputError(
                "is not above zero", source=source, field=where, value=str(quantity), expected="more than 0"
            )


def scenario_nodes(
    document: Document, entries: Sequence[dict[str, Any]], prefix: FieldPath
) -> tuple[Node, ...]:
    """The nodes of a scenario's ``nodes:``, which stands at ``prefix`` of the document; counts expanded.

    Raises:
        InputError: an entry is wrong; InputErrors where several are.
    """
    nodes: list[Node] = []
    for index, entry in enumerate(entries):
        path = (*prefix, index)
        count = _count(document, entry, path)
        node = _by_file(document, entry, path) if "file" in entry else _inline(document, entry, path)
        if len(nodes) + count > MAX_NODES:
            raise error_at(document, path, "too many nodes", f"at most {MAX_NODES}")
        nodes += [node] if count == 1 else [_numbered(node, number) for number in range(count)]
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise error_at(document, prefix, "two nodes have one name", "a name for each", value=node.name)
        seen.add(node.name)
    return tuple(nodes)


def _numbered(node: Node, number: int) -> Node:
    metadata = node.metadata.model_copy(update={"name": f"{node.name}-{number}"})
    return node.model_copy(update={"metadata": metadata})


def _count(document: Document, entry: dict[str, Any], path: FieldPath) -> int:
    known = _BY_FILE if "file" in entry else _INLINE
    for name in entry:
        if name not in known:
            close = nearest(name, dict.fromkeys(known))
            expected = repr(close) if close else "one of " + ", ".join(sorted(known))
            raise error_at(document, (*path, name), "unknown field", expected, key=True)
    count = entry.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_NODES:
        raise error_at(document, (*path, "count"), "is no number of nodes", f"1 to {MAX_NODES}", value=count)
    return count


def _by_file(document: Document, entry: dict[str, Any], path: FieldPath) -> Node:
    file = entry["file"]
    if not isinstance(file, str):
        raise error_at(document, (*path, "file"), "is of the wrong type", "a path", value=file)
    try:
        return read_node(relative_to(document, file))
    except InputErrors:
        raise
    except InputError as error:
        raise named_in(document, (*path, "file"), error) from None


def relative_to(document: Document, path: str) -> str:
    """A path as it stands in a document, seen from where the document's file is."""
    return str(PurePath(document.source.file).parent / path)


def _inline(document: Document, entry: dict[str, Any], path: FieldPath) -> Node:
    for field, expected in (("kind", "Node"), ("apiVersion", "v1")):
        if entry.get(field, expected) != expected:
            raise error_at(document, (*path, field), "is no node", expected, value=entry[field])
    plain = {name: value for name, value in entry.items() if name not in _OURS}
    node_document = Document(plain, document.locate(path), document.marks, path=(*document.path, *path))
    errors, _ = unknown_field_errors(node_document, "Node")
    if isinstance(entry.get("kubelet"), dict):
        kubelet_errors, _ = unknown_field_errors(document, "KubeletConfiguration", (*path, "kubelet"))
        errors += kubelet_errors
    if errors:
        raise one_or_all(errors)
    node = validate(Node, {name: value for name, value in entry.items() if name != "count"}, document, path)
    check_kubelet(node.kubelet, document, (*path, "kubelet"))
    if not node.metadata.name:
        raise error_at(document, (*path, "metadata", "name"), "is missing", "a name")
    check_capacity(node, document.locate((*path, "status")), document.field((*path, "status", "capacity")))
    return node

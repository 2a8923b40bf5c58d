"""A scenario's hash: the same for the same question, whatever it resolved to included."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from pydantic import BaseModel

from qos.model.node import Node
from qos.scenario.load import Document
from qos.scenario.placement import ScenarioPod

_SHARED_NODE: Final = {"metadata", "spec", "status", "kubelet"}


def content_hash(
    document: Document, nodes: Sequence[Node], pods: Sequence[ScenarioPod], beside: Mapping[str, Any]
) -> str:
    """SHA-256 over the document and over all it resolved to: nodes, pods, traces and what ``beside`` has.

    Replicas share their spec, and containers their workload: each is put in once, and pods by its number.
    """
    specs, workloads, kubelets = _Numbered(), _Numbered(), _Numbered()
    resolved = {
        **beside,
        "document": document.data,
        "nodes": [
            (node.name, *(kubelets.number(part) for part in (node.spec, node.status, node.kubelet)),
             node.metadata.labels, node.model_dump(mode="json", exclude=_SHARED_NODE))
            for node in nodes
        ],
        "pods": [
            (
                each.pod.name, each.pod.namespace, each.node, each.pod.metadata.uid, each.pod.metadata.labels,
                each.pod.metadata.annotations, specs.number(each.pod.spec), specs.number(each.pod.status),
                {name: workloads.number(workload) for name, workload in each.workloads.items()},
            )
            for each in pods
        ],
        "specs": specs.dumps,
        "workloads": workloads.dumps,
        "kubelets": kubelets.dumps,
    }  # fmt: skip
    return hashlib.sha256(orjson.dumps(resolved, option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Numbered:
    """Models by identity: what each one holds, once, and a number for each."""

    def __init__(self) -> None:
        self.dumps: list[dict[str, Any]] = []
        self._numbers: dict[int, int] = {}

    def number(self, model: BaseModel) -> int:
        """The place of a model that stays alive meanwhile."""
        if id(model) not in self._numbers:
            self._numbers[id(model)] = len(self.dumps)
            self.dumps.append(model.model_dump(mode="json"))
        return self._numbers[id(model)]

"""A scenario's hash: the same for the same question, whatever it resolved to included."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from qos.model.node import Node
from qos.scenario.load import Document
from qos.scenario.placement import ScenarioPod


def content_hash(
    document: Document, nodes: Sequence[Node], pods: Sequence[ScenarioPod], beside: Mapping[str, Any]
) -> str:
    """SHA-256 over the document and over all it resolved to: nodes, pods, traces and what ``beside`` has."""
    resolved = {
        **beside,
        "document": document.data,
        "nodes": [node.model_dump(mode="json") for node in nodes],
        "pods": [
            {
                "pod": each.pod.model_dump(mode="json"),
                "workloads": {
                    name: workload.model_dump(mode="json") for name, workload in each.workloads.items()
                },
            }
            for each in pods
        ],
    }
    return hashlib.sha256(orjson.dumps(resolved, option=orjson.OPT_SORT_KEYS)).hexdigest()

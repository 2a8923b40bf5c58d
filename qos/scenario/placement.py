"""A scenario's pods: replicas as pods with names of their own, each on its node."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qos.errors import InputError, SourceRef
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.workload import Workload
from qos.scenario.load import Document
from qos.scenario.pod_document import SourcedPod

MAX_PODS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ScenarioPod:
    """One pod of a scenario.

    Attributes:
        pod: the pod, admission done; replicas have names of their own.
        node: name of the node it runs on; empty where one of several is still to be chosen.
        workloads: container name → what its processes want; containers without one are idle.
        source: where its document begins.
        owner_kind: Pod, Deployment, …
        owner_name: name of the owner.
    """

    pod: Pod
    node: str
    workloads: Mapping[str, Workload]
    source: SourceRef
    owner_kind: str
    owner_name: str


def placed_pods(document: Document, pods: Sequence[SourcedPod], nodes: Sequence[Node]) -> list[ScenarioPod]:
    """Every pod that runs: replicas with names of their own, one DaemonSet pod a node.

    Raises:
        InputError: no pods, too many, two of one name, or one on a node that is not there.
    """
    names = [node.name for node in nodes]
    known = frozenset(names)
    placed: list[ScenarioPod] = []
    for each in pods:
        count = len(nodes) if each.per_node else each.replicas
        if len(placed) + count > MAX_PODS:
            raise InputError("too many pods", source=each.source, value=count, expected=f"at most {MAX_PODS}")
        for number in range(count):
            pod = each.pod if each.owner_kind in {"Pod", "PodTemplate"} else _replica(each.pod, number)
            node = names[number] if each.per_node else _node_of(pod, names, known, each.source)
            placed.append(ScenarioPod(pod, node, {}, each.source, each.owner_kind, each.owner_name))
    seen: dict[tuple[str, str], SourceRef] = {}
    for one in placed:
        key = (one.pod.namespace, one.pod.name)
        if key in seen:
            raise InputError(
                f"pod {key[0]}/{key[1]} is there twice, first at {seen[key]}",
                source=one.source,
                expected="it once",
            )
        seen[key] = one.source
    if not placed:
        raise InputError(
            "has no pods: every workload has 0 replicas", source=document.source, expected="a pod"
        )
    return placed


def _replica(pod: Pod, number: int) -> Pod:
    metadata = pod.metadata.model_copy(update={"name": f"{pod.name.rstrip('-')}-{number}"})
    return pod.model_copy(update={"metadata": metadata})


def _node_of(pod: Pod, names: Sequence[str], known: Collection[str], source: SourceRef) -> str:
    wanted = pod.spec.node_name
    if len(names) == 1:
        return names[0]
    if not wanted or wanted in known:
        return wanted
    raise InputError(
        f"pod {pod.name!r} has no node of this scenario", source=source, field="spec.nodeName", value=wanted,
        expected="one of " + ", ".join(names[:8]),
    )  # fmt: skip

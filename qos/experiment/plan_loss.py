"""What if a node, or a zone, is lost: the others stay, and the lost pods look for a place again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from qos.capacity.pack import Scoring, pack
from qos.errors import InputError
from qos.experiment.plan import needed_of, unplaced_by_reason
from qos.experiment.plan_cluster import ZONE_LABEL, Cluster, cluster_of, numbered, unbound, zoned
from qos.model.node import Node
from qos.scenario.manifest import Manifests

What = Literal["node", "zone"]
Mask = NDArray[np.bool_]
MOST_LOSSES: Final = 2000
"""Nodes that fill alike are lost once; of more than so many others the fullest."""
MOST_NODES_TRIED: Final = 5000


@dataclass(frozen=True, slots=True)
class Loss:
    """What the worst loss does.

    Attributes:
        what: ``node`` or ``zone``.
        tried: how many different losses.
        worst: the node or zone whose loss leaves most pods without a place (of equals the fullest).
        displaced: pods that lay there, DaemonSets' not counted.
        stranded: of them, those that find no place.
        binding: what they lack.
        nodes: of the one class with which nothing is stranded, None where that is not one question.
    """

    what: What
    tried: int
    worst: str
    displaced: int
    stranded: int
    binding: str
    nodes: int | None = None


def lose(cluster: Cluster, what: What, scoring: Scoring = "least-allocated") -> Loss:
    """The worst loss of one node or zone.

    Pods are placed first; those of what is lost are placed again beside the others, which stay.

    Raises:
        InputError: zones are asked for and no node has one.
    """
    kinds = cluster.replicas()
    placement = pack(
        cluster.fleet, cluster.demand(kinds), scoring, used=cluster.used, used_scored=cluster.used_scored
    )
    put = [(int(kind), int(node)) for kind, node in zip(kinds, placement.node, strict=True) if node >= 0]
    settled = unbound(replace(cluster, lying=(*cluster.lying, *put)))
    worst, tried = Loss(what, 0, "", 0, 0, ""), 0
    for name, lost in _losses(settled, what):
        tried += 1
        found = _stranded(settled, lost, scoring)
        if tried == 1 or (found[1], found[0]) > (worst.stranded, worst.displaced):
            worst = Loss(what, 0, name, *found)
    return replace(worst, tried=tried)


def nodes_to_survive(
    manifests: Manifests, node: Node, what: What, zones: int, scoring: Scoring = "least-allocated"
) -> int | None:
    """The fewest nodes of a class with which the loss of any one node or zone strands nothing.

    None where a pod fits no such node, or ``MOST_NODES_TRIED`` are not enough.
    """
    one = cluster_of(manifests, zoned(numbered(node, 1), zones))
    needed = needed_of(one)
    if needed is None:
        return None
    low = max(1, needed.at_least)
    high = low + 1
    while not _survives(manifests, node, high, what, zones, scoring):
        low, high = high, high + max(1, high // 2)
        if high > MOST_NODES_TRIED:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _survives(manifests, node, middle, what, zones, scoring):
            high = middle
        else:
            low = middle
    return high


def _survives(manifests: Manifests, node: Node, count: int, what: What, zones: int, scoring: Scoring) -> bool:
    cluster = cluster_of(manifests, zoned(numbered(node, count), zones))
    kinds = cluster.replicas()
    if pack(
        cluster.fleet, cluster.demand(kinds), scoring, used=cluster.used, used_scored=cluster.used_scored
    ).placed < len(kinds):
        return False
    return lose(cluster, what, scoring).stranded == 0


def _losses(cluster: Cluster, what: What) -> Iterator[tuple[str, Mask]]:
    """What may be lost: (its name, (N,) the nodes that go)."""
    zones = [node.metadata.labels.get(ZONE_LABEL, "") for node in cluster.nodes]
    if what == "zone":
        names = sorted({zone for zone in zones if zone})
        if not names:
            raise InputError(
                "no node says its zone", field="--lose", value="zone",
                expected=f"the label {ZONE_LABEL}, or --zones N",
            )  # fmt: skip
        for name in names:
            yield name, np.array([zone == name for zone in zones])
        return
    counts = np.zeros((len(cluster.nodes), len(cluster.specs)), dtype=np.int64)
    for kind, node in cluster.lying:
        counts[node, kind] += 1
    alike: dict[tuple[object, ...], int] = {}
    for index in range(len(cluster.nodes)):
        key = (int(cluster.fleet.node_class[index]), zones[index], cluster.allowed[:, index].tobytes(),
               counts[index].tobytes())  # fmt: skip
        alike.setdefault(key, index)
    shares = (cluster.used / np.maximum(cluster.fleet.allocatable, 1)).max(axis=1)
    fullest = np.argsort(-shares, kind="stable")
    different = set(alike.values())
    chosen = [index for index in fullest.tolist() if index in different]
    for index in chosen[:MOST_LOSSES]:
        yield cluster.nodes[index].name, np.arange(len(cluster.nodes)) == index


def _stranded(cluster: Cluster, lost: Mask, scoring: Scoring) -> tuple[int, int, str]:
    """(pods displaced, pods that find no place, what they lack)."""
    kinds = np.array(
        [kind for kind, node in cluster.lying if lost[node] and not cluster.specs[kind].stays],
        dtype=np.int64,
    )
    if not len(kinds):
        return 0, 0, ""
    if lost.all():
        return len(kinds), len(kinds), "no node is left"
    rest = without(cluster, lost)
    placement = pack(rest.fleet, rest.demand(kinds), scoring, used=rest.used, used_scored=rest.used_scored)
    reasons = unplaced_by_reason(rest.fleet, placement)
    return len(kinds), len(kinds) - placement.placed, next(iter(reasons), "")


def without(cluster: Cluster, lost: Mask) -> Cluster:
    """The cluster without some nodes and what lay there."""
    kept = ~lost
    place = np.cumsum(kept) - 1
    fleet = replace(
        cluster.fleet,
        names=tuple(name for name, keep in zip(cluster.fleet.names, kept, strict=True) if keep),
        allocatable=cluster.fleet.allocatable[kept],
        node_class=cluster.fleet.node_class[kept],
    )
    return replace(
        cluster,
        nodes=tuple(node for node, keep in zip(cluster.nodes, kept, strict=True) if keep),
        fleet=fleet,
        allowed=cluster.allowed[:, kept],
        selected=cluster.selected[:, kept],
        lying=tuple((kind, int(place[node])) for kind, node in cluster.lying if kept[node]),
    )


def loss_sentence(loss: Loss) -> str:
    """What the loss does, in words."""
    if not loss.tried:
        return f"No {loss.what} holds a pod that would have to move."
    name = f"{loss.what} {loss.worst}"
    moved = f"{loss.displaced} pod{'s' if loss.displaced != 1 else ''}"
    if not loss.stranded:
        told = (
            f"Any one {loss.what} may be lost: the {moved} of the worst ({name}) find a place on the others."
        )
    else:
        why = loss.binding or "no room"
        told = f"Losing {name} leaves {loss.stranded} of its {moved} without a place: {why}."
    if loss.nodes is not None:
        told += f" Nodes of this class that survive it: {loss.nodes}."
    return told

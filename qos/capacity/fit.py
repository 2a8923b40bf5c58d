"""How many copies fit, how many nodes of one class a set needs, and whether a pod may lie on a node.

Source of the taint and selector rules: component-helpers/scheduling/corev1 of Kubernetes 1.36
(ToleratesTaint, GetRequiredNodeAffinity), and the NodeUnschedulable plugin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qos.capacity.fleet import Demand, Fleet, Integers
from qos.capacity.pack import Placement, pack
from qos.model.node import Node, Taint
from qos.model.pod import Pod, Toleration

UNSCHEDULABLE: Final = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
_KEEPS_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class NodesNeeded:
    """How many nodes a set needs.

    Attributes:
        nodes: so many hold all pods, placed largest first on the fullest node that fits.
        at_least: no placement needs fewer, by the sum of each resource.
    """

    nodes: int
    at_least: int


def copies(free: Integers, request: Integers) -> tuple[int, int]:
    """How many equal pods fit into what is free, and the index of the resource that ends it.

    Args:
        free: (R,) what is left on a node.
        request: (R,) of one pod; at least one is above 0.

    >>> copies(np.array([4000, 8 << 30, 110]), np.array([300, 1 << 30, 1]))
    (8, 1)
    """
    wanted = np.flatnonzero(request > 0)
    each = np.maximum(free[wanted], 0) // request[wanted]
    least = int(np.argmin(each))
    return int(each[least]), int(wanted[least])


def kept_away(pod: Pod, node: Node, *, every_node: bool = False) -> str:
    """Why a pod may not lie on a node whatever its requests, or "".

    Args:
        pod: with nodeName, nodeSelector and tolerations.
        node: with labels and taints.
        every_node: the pod is a DaemonSet's, which tolerates an unschedulable node.
    """
    if pod.spec.node_name and pod.spec.node_name != node.name:
        return f"nodeName {pod.spec.node_name}"
    for key, value in pod.spec.node_selector.items():
        if node.metadata.labels.get(key) != value:
            return f"nodeSelector {key}={value}"
    taints = [*node.spec.taints]
    if node.spec.unschedulable and not every_node and UNSCHEDULABLE.key not in {each.key for each in taints}:
        taints.append(UNSCHEDULABLE)
    for taint in taints:
        if taint.effect in _KEEPS_AWAY and not any(_tolerates(each, taint) for each in pod.spec.tolerations):
            return f"taint {taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"
    return ""


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in {"", taint.effect}:
        return False
    if toleration.operator == "Exists":
        return toleration.key in {"", taint.key}
    return (
        toleration.operator in {"", "Equal"}
        and toleration.key == taint.key
        and toleration.value == taint.value
    )


def largest_first(requests: Integers, allocatable: Integers) -> Integers:
    """(P,) the order of pods by their largest share of one node, largest first; equal ones stay in order."""
    offered = np.maximum(allocatable, 1)
    return np.argsort(-(requests / offered).max(axis=1, initial=0.0), kind="stable").astype(np.int64)


def nodes_needed(requests: Integers, fleet: Fleet) -> NodesNeeded | None:
    """How many nodes like the fleet's first one hold all pods; None where a pod fits no empty node.

    Args:
        requests: (P, R).
        fleet: its first node is the class.
    """
    class_ = fleet.allocatable[0]
    if not (requests <= class_).all():
        return None
    if not len(requests):
        return NodesNeeded(0, 0)
    # Python's integers: a sum over many pods may pass 64 bits.
    totals = [sum(column) for column in requests.T.tolist()]
    at_least = max(
        1, *(-(-total // offer) for total, offer in zip(totals, class_.tolist(), strict=True) if offer > 0)
    )
    ordered = requests[largest_first(requests, class_)]
    low, high = at_least, at_least
    while not _all_placed(ordered, fleet, high):
        # One pod a node always does.
        low, high = high + 1, min(2 * high, len(requests))
    while low < high:
        middle = (low + high) // 2
        if _all_placed(ordered, fleet, middle):
            high = middle
        else:
            low = middle + 1
    return NodesNeeded(high, at_least)


def equal_nodes(fleet: Fleet, count: int) -> Fleet:
    """A fleet of ``count`` nodes like the first."""
    return replace(
        fleet,
        names=tuple(f"{fleet.names[0]}-{index}" for index in range(count)),
        allocatable=np.repeat(fleet.allocatable[:1], count, axis=0),
        node_class=np.zeros(count, dtype=np.int64),
    )


def packed_largest_first(requests: Integers, fleet: Fleet) -> Placement:
    """Pods placed largest first, each on the fullest node that fits; ``node`` is in the order given."""
    order = largest_first(requests, fleet.allocatable[0])
    demand = Demand.simple(requests[order], len(fleet.names))
    placement = pack(fleet, demand, "best-fit", percentage_of_nodes_to_score=100)
    node, lacking = np.empty_like(placement.node), np.empty_like(placement.lacking)
    node[order], lacking[order] = placement.node, placement.lacking
    return replace(placement, node=node, lacking=lacking)


def _all_placed(ordered: Integers, fleet: Fleet, count: int) -> bool:
    nodes = equal_nodes(fleet, count)
    demand = Demand.simple(ordered, count)
    return pack(nodes, demand, "best-fit", percentage_of_nodes_to_score=100).placed == len(ordered)

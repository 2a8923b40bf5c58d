"""How many copies fit, how many nodes of one class a set needs, and whether a pod may lie on a node.

Source of the taint and selector rules: component-helpers/scheduling/corev1 of Kubernetes 1.36
(ToleratesTaint, GetRequiredNodeAffinity), and the NodeUnschedulable plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.capacity.affinity import unaffine
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
    return unselected(pod, node) or _untolerated(pod, node, every_node)


def unselected(pod: Pod, node: Node) -> str:
    """The nodeName, nodeSelector or required node affinity that another node has to meet, or ""."""
    if pod.spec.node_name and pod.spec.node_name != node.name:
        return f"nodeName {pod.spec.node_name}"
    for key, value in pod.spec.node_selector.items():
        if node.metadata.labels.get(key) != value:
            return f"nodeSelector {key}={value}"
    return unaffine(pod, node)


def _untolerated(pod: Pod, node: Node, every_node: bool) -> str:
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
    """(P,) the order of pods by their largest share of one node, largest first.

    Of equal shares the larger request of the first resource that differs comes first, so that the order of
    sizes does not depend on the order given; pods all alike stay in it.
    """
    offered = np.maximum(allocatable, 1)
    share = (requests / offered).max(axis=1, initial=0.0)
    return np.lexsort((*(-column for column in requests.T[::-1]), -share)).astype(np.int64)


def nodes_needed(requests: Integers, fleet: Fleet) -> NodesNeeded | None:
    """How many nodes like the fleet's first one hold all pods; None where a pod fits no empty node.

    Args:
        requests: (P, R).
        fleet: its first node is the class.
    """
    rows, counts = np.unique(requests, axis=0, return_counts=True)
    return nodes_needed_for(rows, counts.astype(np.int64), fleet)


def nodes_needed_for(rows: Integers, counts: Integers, fleet: Fleet) -> NodesNeeded | None:
    """As :func:`nodes_needed`, of pods given as kinds.

    Args:
        rows: (K, R) what a pod of each kind requests.
        counts: (K,) how many there are.
        fleet: its first node is the class.
    """
    class_ = fleet.allocatable[0]
    some = counts > 0
    rows, counts = rows[some], counts[some]
    if not (rows <= class_).all():
        return None
    if not len(rows):
        return NodesNeeded(0, 0)
    # Python's integers: a sum over many pods may pass 64 bits.
    totals = [sum(x * n for x, n in zip(column, counts.tolist(), strict=True)) for column in rows.T.tolist()]
    at_least = max(
        1, *(-(-total // offer) for total, offer in zip(totals, class_.tolist(), strict=True) if offer > 0)
    )
    scored = [fleet.resources.index(name) for name in ("cpu", "memory") if name in fleet.resources]
    order = largest_first(rows, class_)
    return NodesNeeded(_opened(rows[order], counts[order].tolist(), class_, scored), at_least)


def _opened(rows: Integers, counts: Sequence[int], class_: Integers, scored: Sequence[int]) -> int:
    """How many nodes best-fit opens, each kind on the fullest node that fits.

    Equal nodes are one state with a count, and move on together: the node that took a pod is the fullest
    that fits until it is full, so the result is that of placing pod by pod.
    """
    states: dict[tuple[int, ...], int] = {}
    weight = np.zeros(len(class_))
    weight[list(scored)] = 1.0 / np.maximum(class_[list(scored)], 1)
    for row, many in zip(rows, counts, strict=True):
        left = many
        for used in _fitting(states, row, class_, weight):
            if not left:
                break
            left -= _filled(states, used, row, class_, left)
        if left:
            each = copies(class_, row)[0] if (row > 0).any() else left
            for number, size in ((left // each, each), (1 if left % each else 0, left % each)):
                if number:
                    key = tuple((row * size).tolist())
                    states[key] = states.get(key, 0) + number
    return sum(states.values())


def _fitting(
    states: Mapping[tuple[int, ...], int], row: Integers, class_: Integers, weight: NDArray[np.float64]
) -> list[tuple[int, ...]]:
    """The states with room for ``row``, the fullest first."""
    if not states:
        return []
    every = list(states)
    used = np.array(every, dtype=np.int64)
    room = np.flatnonzero((class_ - used >= row).all(axis=1))
    fullness = (used[room] @ weight).tolist()
    found = sorted(zip(fullness, (every[index] for index in room.tolist()), strict=True), reverse=True)
    return [state for _, state in found]


def _filled(
    states: dict[tuple[int, ...], int], used: tuple[int, ...], row: Integers, class_: Integers, left: int
) -> int:
    """How many of ``left`` pods go onto the nodes of one state, which move to fuller ones."""
    each = copies(class_ - np.array(used), row)[0] if (row > 0).any() else left
    nodes = states.get(used, 0)
    take = min(left, each * nodes)
    full, rest = divmod(take, each) if each else (0, 0)
    for number, size in ((full, each), (1 if rest else 0, rest)):
        if number:
            key = tuple((np.array(used) + row * size).tolist())
            states[used] -= number
            states[key] = states.get(key, 0) + number
    if used in states and not states[used]:
        del states[used]
    return take


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

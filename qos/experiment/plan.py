"""Capacity plans: how many copies of some pods fit a cluster, and how many nodes a set needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from qos.capacity.fit import NodesNeeded, copies, nodes_needed_for, packed_largest_first
from qos.capacity.fleet import Fleet, Integers
from qos.capacity.pack import Placement, Scoring, pack
from qos.capacity.spread import hard_constraints
from qos.experiment.plan_cluster import Cluster, pool_of
from qos.model.qos_class import QOSClass

MOST_TRIED: Final = 200_000
"""So many pods are placed at most to find how many copies fit."""
SELECTORS: Final = "node selectors or taints"
SPREAD: Final = "spread constraints"


@dataclass(frozen=True, slots=True)
class SpecFit:
    """One pod spec on the cluster.

    Attributes:
        copies_per_node: how many fit the first node it may lie on, were it empty but for DaemonSets' pods.
        copies: how many fit all nodes beside what lies there, if nothing else came.
        binding: the resource that is full first, or what keeps the pod away.
        requests: thousandths of CPU, base units of all else, by the plan's resources.
    """

    name: str
    qos_class: str
    replicas: int
    every_node: bool
    copies_per_node: int
    copies: int
    binding: str
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetFit:
    """How many times the whole set fits, its ratio kept, placed as the default scheduler does.

    Attributes:
        copies: whole sets, those planned included.
        at_least: more may fit; only so many were tried.
        binding: what the next pod lacks on most nodes.
        spec: the pod that does not fit any more, "" where none was tried.
    """

    copies: int
    at_least: bool
    binding: str
    spec: str


@dataclass(frozen=True, slots=True)
class PoolFit:
    """Nodes of one pool: what they offer, and what the pods placed there request, by class."""

    name: str
    nodes: int
    allocatable: tuple[int, ...]
    requested: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """The answer.

    Attributes:
        node: name of the class where there is one pool, else of none.
        needed: nodes of the one class for all that is to be placed; None where a pod fits no node of it, or
            where nodes differ or hold pods already.
        placed: of ``wanted`` pods (without the DaemonSets' own).
        packed: of them, where placed largest first on the fullest node that fits.
        unplaced: what the pods left over lack on most nodes, and how many of them.
        allocatable: over all nodes, by resource.
        requested: QoS class to what its pods request, those that lay there included, by resource.
    """

    node: str
    count: int
    spare: int
    resources: tuple[str, ...]
    specs: tuple[SpecFit, ...]
    set: SetFit
    needed: NodesNeeded | None
    wanted: int
    placed: int
    packed: int
    unplaced: Mapping[str, int]
    lying: int
    allocatable: tuple[int, ...]
    requested: Mapping[str, tuple[int, ...]]
    pools: tuple[PoolFit, ...]

    @property
    def all_fit(self) -> bool:
        """Whether every pod has a node."""
        return max(self.placed, self.packed) == self.wanted


def plan_capacity(cluster: Cluster, *, spare: int = 0, scoring: Scoring = "least-allocated") -> CapacityPlan:
    """How the pods of a cluster fit its nodes, and how many nodes they need.

    Args:
        cluster: nodes, what lies there, and what is to be placed.
        spare: nodes to be had beyond those needed.
        scoring: which node is taken of those that fit.
    """
    kinds = cluster.replicas()
    placement = pack(
        cluster.fleet, cluster.demand(kinds), scoring, used=cluster.used, used_scored=cluster.used_scored
    )
    packed = placement.placed
    one_class = len(cluster.fleet.class_names) == 1 and bool(cluster.allowed.all(axis=1).any())
    if packed < len(kinds) and one_class and not spreads(cluster):
        packed = max(packed, packed_of(cluster, kinds))
    specs = tuple(
        _spec_fit(cluster, kind) for kind, spec in enumerate(cluster.specs)
        if spec.replicas or spec.every_node or not spec.pod.spec.node_name
    )  # fmt: skip
    return CapacityPlan(
        node=cluster.nodes[0].name if len(cluster.nodes) == 1 else _class_name(cluster),
        count=len(cluster.nodes), spare=spare, resources=cluster.fleet.resources, specs=specs,
        set=set_fit(cluster, scoring, placement), needed=needed_of(cluster) if one_class else None,
        wanted=len(kinds), placed=placement.placed, packed=packed,
        unplaced=unplaced_by_reason(cluster.fleet, placement), lying=len(cluster.lying),
        allocatable=tuple(cluster.fleet.allocatable.sum(axis=0).tolist()),
        requested=_by_class(cluster, kinds, placement, np.ones(len(cluster.nodes), dtype=np.bool_)),
        pools=_pools(cluster, kinds, placement),
    )  # fmt: skip


def reason_of(fleet: Fleet, lacking: int) -> str:
    """The word for what :attr:`Placement.lacking` tells."""
    return (*fleet.resources, "shareable devices", SELECTORS, SPREAD)[lacking]


def unplaced_by_reason(fleet: Fleet, placement: Placement) -> dict[str, int]:
    """What pods without a node lacked on most nodes, and how many of them, the most frequent first."""
    counts = Counter(placement.lacking[placement.node < 0].tolist())
    return {reason_of(fleet, lacking): count for lacking, count in counts.most_common()}


def set_fit(cluster: Cluster, scoring: Scoring = "least-allocated", first: Placement | None = None) -> SetFit:
    """How many sets fit: set after set is placed until a pod finds no node.

    Args:
        cluster: with the replicas of one set.
        scoring: which node is taken of those that fit.
        first: the placement of the first set, where it is known; the others are placed beside it.
    """
    one = cluster.replicas()
    if not len(one):
        return SetFit(0, False, "", "")
    known = 0
    used, scored = cluster.used, cluster.used_scored
    if first is not None and first.placed == len(one) and not spreads(cluster):
        known, used, scored = 1, first.used, first.used_scored
    rows = cluster.table[one].sum(axis=0, dtype=np.float64)
    free = np.maximum(cluster.fleet.allocatable - used, 0).sum(axis=0, dtype=np.float64)
    bound = int(min((free[i] // rows[i] for i in range(len(rows)) if rows[i] > 0), default=0)) + 1
    tried = max(1, min(bound, MOST_TRIED // len(one) or 1))
    many = np.tile(one, tried)
    placement = pack(
        cluster.fleet, cluster.demand(many), scoring, used=used, used_scored=scored, until_full=True
    )
    left_over = np.flatnonzero(placement.node < 0)
    if not len(left_over):
        return SetFit(known + tried, tried < bound, "", "")
    index = int(left_over[0])
    binding = reason_of(cluster.fleet, int(placement.lacking[index]))
    return SetFit(known + index // len(one), False, binding, cluster.specs[int(many[index])].name)


def packed_of(cluster: Cluster, kinds: Integers) -> int:
    """How many lie when the largest go first, each on the fullest node that fits; DaemonSets were first."""
    may = np.array([bool(cluster.may_lie(int(kind)).all()) for kind in range(len(cluster.specs))])
    if cluster.lying and not all(cluster.specs[kind].every_node for kind, _ in cluster.lying):
        return 0
    taken = cluster.used[0]
    fleet = Fleet(cluster.fleet.names, cluster.fleet.resources, cluster.fleet.allocatable - taken)
    if (fleet.allocatable < 0).any():
        return 0
    return packed_largest_first(cluster.table[kinds[may[kinds]]], fleet).placed


def needed_of(cluster: Cluster) -> NodesNeeded | None:
    """Nodes of the one class for all, DaemonSets on each; None where something does not fit it."""
    if any(not cluster.specs[kind].every_node for kind, _ in cluster.lying):
        return None
    if any(cluster.why_not(kind) for kind in range(len(cluster.specs))):
        return None
    free = (cluster.fleet.allocatable - cluster.used)[:1]
    if (free < 0).any():
        return None
    counts = np.array([spec.replicas for spec in cluster.specs], dtype=np.int64)
    return nodes_needed_for(cluster.table, counts, Fleet(("node",), cluster.fleet.resources, free))


def spreads(cluster: Cluster) -> bool:
    """Whether a pod to be placed has a hard spread constraint."""
    return any(hard_constraints(spec.pod) for spec in cluster.specs if spec.replicas)


def _class_name(cluster: Cluster) -> str:
    pools = {pool_of(node) for node in cluster.nodes}
    names = {node.name.rpartition("-")[0] for node in cluster.nodes}
    if len(pools) == 1 and len(names) == 1:
        return names.pop()
    return pools.pop() if len(pools) == 1 else ""


def _spec_fit(cluster: Cluster, kind: int) -> SpecFit:
    spec, row, may = cluster.specs[kind], cluster.table[kind], cluster.may_lie(kind)
    why = cluster.why_not(kind)
    per_node, total, binding = 0, 0, why
    if not why:
        first = int(np.flatnonzero(may)[0])
        daemons = [each for each, node in cluster.lying if node == first and cluster.specs[each].every_node]
        taken = cluster.table[[each for each in daemons if each != kind]].sum(axis=0)
        per_node, index = copies(cluster.fleet.allocatable[first] - taken, row)
        binding = cluster.fleet.resources[index]
        wanted = row > 0
        total = int((cluster.free[may][:, wanted] // row[wanted]).min(axis=1).sum())
    return SpecFit(
        spec.name, spec.qos_class, spec.replicas or int(may.sum()) * spec.every_node or 1, spec.every_node,
        per_node, total, binding, tuple(row.tolist()),
    )  # fmt: skip


def _by_class(
    cluster: Cluster, kinds: Integers, placement: Placement, on: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> dict[str, tuple[int, ...]]:
    """What each QoS class requests of every resource on some of the nodes."""
    lies = (placement.node >= 0) & on[placement.node]
    counts = np.bincount(kinds[lies], minlength=len(cluster.specs))
    there = [kind for kind, node in cluster.lying if on[node]]
    counts = counts + np.bincount(np.array(there, dtype=np.int64), minlength=len(cluster.specs))
    table = cluster.table * counts[:, None]
    classes = [spec.qos_class for spec in cluster.specs]
    return {
        each.value: tuple(
            table[np.array([name == each.value for name in classes])].sum(axis=0).tolist()
        )
        for each in QOSClass
    }  # fmt: skip


def _pools(cluster: Cluster, kinds: Integers, placement: Placement) -> tuple[PoolFit, ...]:
    names: Sequence[str] = [pool_of(node) for node in cluster.nodes]
    found = []
    for name in sorted(set(names)):
        on = np.array([each == name for each in names])
        found.append(
            PoolFit(
                name, int(on.sum()), tuple(cluster.fleet.allocatable[on].sum(axis=0).tolist()),
                _by_class(cluster, kinds, placement, on),
            )
        )  # fmt: skip
    return tuple(found)

"""Which class of node, what isolation in virtual machines costs, and what moves the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qos.capacity.fit import copies
from qos.capacity.pack import Scoring, pack
from qos.capacity.price import Price
from qos.errors import InputError
from qos.experiment.plan import needed_of, packed_of
from qos.experiment.plan_cluster import Cluster, cluster_of, numbered, pool_of
from qos.model.node import Node
from qos.model.pod import CPU, MEMORY, Pod, ResourceList
from qos.model.quantity import Quantity
from qos.scenario.manifest import Manifests

_ZERO: Final = Quantity.parse("0")
MOVES: Final = (0.8, 0.9, 1.1, 1.25, 1.5)


@dataclass(frozen=True, slots=True)
class ClassChoice:
    """One class of node for the whole set.

    Attributes:
        name: of the class.
        nodes: needed; None where a pod fits no such node.
        cost_a_month: of those nodes, None where nothing has a price.
        free: resource → part that stays free on those nodes.
    """

    name: str
    nodes: int | None
    cost_a_month: float | None
    free: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Isolation:
    """Containers against pods in virtual machines, on the first class of node.

    Attributes:
        overhead: of each pod, thousandths of CPU and bytes.
        pods: that are isolated (DaemonSets' are not).
        nodes: (containers, isolated) needed, None where not one question.
        copies: kind of pod → (containers, isolated) that fit one empty node.
        cost_a_month: (containers, isolated) of the nodes; None without prices.
    """

    overhead: tuple[int, int]
    pods: int
    nodes: tuple[int | None, int | None]
    copies: Mapping[str, tuple[int, int]]
    cost_a_month: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Move:
    """The answer with something else: nodes needed then, pods left over on those there are."""

    what: str
    factor: float
    nodes: int | None
    left_over: int


def node_cost(node: Node, price: Price, own: Mapping[str, float]) -> float | None:
    """What a node costs a month: its own price, else that of its capacity; None where unknown."""
    if node.name in own:
        return own[node.name] * 730.0
    if not price.known:
        return None
    capacity = node.status.capacity
    return price.a_month(capacity.get(CPU, _ZERO).nano / 1e9, float(capacity.get(MEMORY, _ZERO).value()))


def pool_costs(
    nodes: Sequence[Node], price: Price, own: Mapping[str, float], first: Node
) -> dict[str, float | None]:
    """Pool → what its nodes cost a month; nodes numbered like the first class have its price."""
    found: dict[str, float | None] = {}
    for node in nodes:
        like = first if node.name.rpartition("-")[0] == first.name else node
        cost, before = node_cost(like, price, own), found.setdefault(pool_of(node), 0.0)
        found[pool_of(node)] = None if cost is None or before is None else before + cost
    return found


def choose_class(
    manifests: Manifests, classes: Sequence[Node], price: Price, own: Mapping[str, float]
) -> list[ClassChoice]:
    """How many nodes of each class the set needs: the cheapest (or fewest) first.

    Raises:
        InputError: a price is of no class.
    """
    unknown = sorted(set(own) - {node.name for node in classes})
    if unknown:
        raise InputError(
            "is a price of no class of node", field="--node-price", value=unknown[0],
            expected=", ".join(node.name for node in classes),
        )  # fmt: skip
    found = []
    for node in classes:
        cluster = cluster_of(manifests, numbered(node, 1))
        needed = needed_of(cluster)
        each = node_cost(node, price, own)
        nodes = needed.nodes if needed else None
        cost = None if each is None or nodes is None else each * nodes
        found.append(ClassChoice(node.name, nodes, cost, _free(cluster, nodes)))
    infinite = float("inf")
    return sorted(
        found,
        key=lambda each: (
            each.nodes is None,
            infinite if each.cost_a_month is None else each.cost_a_month,
            each.nodes or 0,
        ),
    )


def _free(cluster: Cluster, nodes: int | None) -> dict[str, float]:
    if not nodes:
        return {}
    counts = np.array([spec.replicas for spec in cluster.specs], dtype=np.int64)
    requested = (cluster.table * counts[:, None]).sum(axis=0) + cluster.used[0] * nodes
    offered = cluster.fleet.allocatable[0] * nodes
    return {
        name: 1.0 - float(requested[index]) / float(offered[index])
        for index, name in enumerate(cluster.fleet.resources)
        if offered[index] > 0
    }


def overhead_of(text: str, manifests: Manifests) -> ResourceList:
    """What isolating a pod costs: ``cpu=250m,memory=160Mi``, or the name of a RuntimeClass of the input.

    Raises:
        InputError: neither.
    """
    for each in manifests.runtime_classes:
        if each.metadata.name == text:
            if each.overhead and each.overhead.pod_fixed:
                return dict(each.overhead.pod_fixed)
            raise InputError("has no overhead", field="--isolate", value=text, expected="overhead.podFixed")
    found: ResourceList = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name not in {CPU, MEMORY} or name in found:
            known = ", ".join(each.metadata.name for each in manifests.runtime_classes)
            raise InputError(
                "is no overhead of a pod", field="--isolate", value=text,
                expected=f"cpu=250m,memory=160Mi, or a RuntimeClass of -f{f' ({known})' if known else ''}",
            )  # fmt: skip
        found[name] = Quantity.parse(value)
    return found


def isolate(
    manifests: Manifests, node: Node, overhead: ResourceList, price: Price, own: Mapping[str, float]
) -> Isolation:
    """What it costs to give every pod (but DaemonSets' own) a virtual machine."""
    sides = [
        cluster_of(_with_overhead(manifests, each), numbered(node, 1), on_nodes=False)
        for each in ({}, overhead)
    ]
    needed = [needed_of(side) for side in sides]
    nodes = tuple(each.nodes if each else None for each in needed)
    cost = node_cost(node, price, own)
    fits = {
        spec.name: (_copies(sides[0], kind), _copies(sides[1], kind))
        for kind, spec in enumerate(sides[0].specs)
        if not spec.every_node
    }
    costs = None
    if cost is not None and nodes[0] is not None and nodes[1] is not None:
        costs = (cost * nodes[0], cost * nodes[1])
    memory, cpu = overhead.get(MEMORY, _ZERO), overhead.get(CPU, _ZERO)
    return Isolation(
        (cpu.milli_value(), memory.value()), len(sides[0].replicas()), (nodes[0], nodes[1]), fits, costs
    )


def _with_overhead(manifests: Manifests, overhead: ResourceList) -> Manifests:
    def changed(pod: Pod) -> Pod:
        return pod.model_copy(update={"spec": pod.spec.model_copy(update={"overhead": dict(overhead)})})

    pods = tuple(each if each.per_node else replace(each, pod=changed(each.pod)) for each in manifests.pods)
    return replace(manifests, pods=pods)


def _copies(cluster: Cluster, kind: int) -> int:
    if cluster.why_not(kind):
        return 0
    free = cluster.fleet.allocatable[0] - cluster.used[0]
    return copies(free, cluster.table[kind])[0]


def moves(cluster: Cluster, scoring: Scoring = "least-allocated") -> list[Move]:
    """What other requests or counts would do: each alone, from 20 % less to half as much again."""
    found = []
    for what in ("cpu requests", "memory requests", "replicas"):
        for factor in MOVES:
            moved = _moved(cluster, what, factor)
            kinds = moved.replicas()
            placed = pack(
                moved.fleet, moved.demand(kinds), scoring, used=moved.used, used_scored=moved.used_scored
            ).placed
            placed = max(placed, packed_of(moved, kinds)) if placed < len(kinds) else placed
            needed = needed_of(moved)
            found.append(Move(what, factor, needed.nodes if needed else None, len(kinds) - placed))
    return found


def _moved(cluster: Cluster, what: str, factor: float) -> Cluster:
    if what == "replicas":
        specs = tuple(
            replace(spec, replicas=math.ceil(spec.replicas * factor - 1e-9)) for spec in cluster.specs
        )
        return replace(cluster, specs=specs)
    column = 0 if what.startswith("cpu") else 1
    table = cluster.table.copy()
    daemons = np.array([spec.every_node for spec in cluster.specs])
    scaled = np.ceil(table[:, column] * factor - 1e-9).astype(np.int64)
    table[:, column] = np.where(daemons, table[:, column], scaled)
    return replace(cluster, table=table, scored=cluster.scored + (table - cluster.table))

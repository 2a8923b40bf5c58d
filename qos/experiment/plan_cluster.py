"""A cluster to plan on: nodes and pods of manifests or of a live dump, as arrays of exact integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from qos.capacity.affinity import asks_for_name, label_keys
from qos.capacity.fit import kept_away, unselected
from qos.capacity.fleet import Demand, Fleet, Integers, amount, of_nodes
from qos.capacity.spread import hard_constraints, spread_over
from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.experiment.plan_scored import nonzero
from qos.model.node import Node
from qos.model.pod import CPU, MEMORY, Pod, ResourceList
from qos.model.quantity import Quantity
from qos.policy.allocatable import node_allocatable
from qos.policy.pod_resources import pod_requests
from qos.policy.qos_class import classify
from qos.scenario.manifest import Manifests
from qos.scenario.selector import LabelSelector

PODS: Final = "pods"
MOST_PODS: Final = 1_000_000
MOST_AMOUNT: Final = 2**56
"""Larger amounts could pass 64 bits in the scheduler's scores: 64 PiB of memory."""
_OF_A_NODE: Final = frozenset({"DaemonSet", "Node"})
_OVER: Final = frozenset({"Succeeded", "Failed"})
POOL_LABELS: Final = (
    "cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool", "agentpool",
    "node.kubernetes.io/instance-type",
)  # fmt: skip
ZONE_LABEL: Final = "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Spec:
    """One kind of pod.

    Attributes:
        pod: as the API server stores it.
        replicas: how many are to be placed; 0 for pods that lie somewhere already.
        every_node: a DaemonSet's.
    """

    pod: Pod
    name: str
    replicas: int
    every_node: bool
    qos_class: str

    @property
    def stays(self) -> bool:
        """Whether it belongs to its node: a DaemonSet's pod, or a static one; it neither moves nor grows."""
        owners = {each.kind for each in self.pod.metadata.owner_references}
        return self.every_node or bool(owners & _OF_A_NODE)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes, what lies on them, and what is to come.

    Attributes:
        nodes: (N,).
        fleet: the same as arrays.
        specs: (S,) every kind of pod.
        table: (S, R) what one pod of each requests.
        scored: (S, R) what the scheduler's scores count one pod of each for.
        allowed_class: (S,) row of ``allowed``.
        allowed: (A, N) whether selectors and taints let it lie there.
        selected: (A, N) the same by selectors alone.
        lying: (kind, node) of each pod that is there first: DaemonSets', and those of a live dump.
    """

    nodes: tuple[Node, ...]
    fleet: Fleet
    specs: tuple[Spec, ...]
    table: Integers
    scored: Integers
    allowed_class: Integers
    allowed: NDArray[np.bool_]
    selected: NDArray[np.bool_]
    lying: tuple[tuple[int, int], ...]

    @property
    def used(self) -> Integers:
        """(N, R) what the pods that lie there request."""
        return self._lying(self.table)

    @property
    def used_scored(self) -> Integers:
        """(N, R) what scores count the pods that lie there for."""
        return self._lying(self.scored)

    def _lying(self, table: Integers) -> Integers:
        used = np.zeros_like(self.fleet.allocatable)
        if self.lying:
            kinds, nodes = np.array(self.lying).T
            np.add.at(used, nodes, table[kinds])
        return used

    @property
    def free(self) -> Integers:
        """(N, R) what is left, not below 0."""
        left: Integers = np.maximum(self.fleet.allocatable - self.used, 0)
        return left

    @property
    def wanted(self) -> Integers:
        """Kinds that are to be placed, in order."""
        return np.array([index for index, each in enumerate(self.specs) if each.replicas], dtype=np.int64)

    def may_lie(self, kind: int) -> NDArray[np.bool_]:
        """(N,) where a kind of pod may lie."""
        row: NDArray[np.bool_] = self.allowed[self.allowed_class[kind]]
        return row

    def why_not(self, kind: int) -> str:
        """What keeps a kind of pod off every node, "" where some node would take it."""
        if not len(self.nodes) or self.may_lie(kind).any():
            return ""
        spec = self.specs[kind]
        return kept_away(spec.pod, self.nodes[0], every_node=spec.every_node)

    def demand(self, kinds: Integers, *, lying: bool = True) -> Demand:
        """Pods of these kinds, in this order, for this cluster."""
        none = np.zeros(len(kinds), dtype=np.int64)

        def allowed(kind: int, taints: bool) -> NDArray[np.bool_]:
            rows = self.allowed if taints else self.selected
            row: NDArray[np.bool_] = rows[self.allowed_class[kind]]
            return row

        pods = [spec.pod for spec in self.specs]
        there = self.lying if lying else ()
        spread = None
        if any(hard_constraints(pods[kind]) for kind in np.unique(kinds).tolist()):
            spread = spread_over(pods, kinds, self.nodes, allowed, _picks, there)
        classes, scored = self.allowed_class[kinds], self.scored[kinds]
        return Demand((), self.table[kinds], none, none, classes, self.allowed, spread, scored)

    def replicas(self) -> Integers:
        """Kinds once for each pod to be placed, kind by kind."""
        return np.repeat(np.arange(len(self.specs)), [each.replicas for each in self.specs])


def cluster_of(manifests: Manifests, nodes: Sequence[Node], *, on_nodes: bool = True) -> Cluster:
    """The cluster of some nodes and of the pods of some manifests.

    Args:
        manifests: workloads with their replicas, and pods of a live cluster.
        nodes: where they may lie.
        on_nodes: pods whose nodeName is one of the nodes lie there; those that ended are left out.

    Raises:
        InputError: no pods, too many, an amount out of range, or a node whose threshold is no quantity.
    """
    place = {node.name: index for index, node in enumerate(nodes)}
    sourced = [each for each in manifests.pods if each.pod.status.phase not in _OVER]
    pods = as_stored([each.pod for each in sourced], manifests.limit_ranges)
    lies = [on_nodes and each.owner_kind == "Pod" and pod.spec.node_name in place
            for each, pod in zip(sourced, pods, strict=True)]  # fmt: skip
    specs = tuple(
        Spec(
            pod, each.owner_name or pod.name, 0 if there or each.per_node else each.replicas,
            each.per_node, str(classify(pod).qos_class.value),
        )
        for pod, each, there in zip(pods, sourced, lies, strict=True)
    )  # fmt: skip
    count = sum(spec.replicas for spec in specs)
    if not specs or count > MOST_PODS:
        raise InputError(f"there are {count} pods to plan", expected=f"1 to {MOST_PODS}")
    fleet, table, scored = _arrays(nodes, [spec.pod for spec in specs])
    allowed_class, allowed, selected = _allowed(specs, nodes)
    lying = [(kind, place[spec.pod.spec.node_name]) for kind, spec in enumerate(specs) if lies[kind]]
    for kind, spec in enumerate(specs):
        if spec.every_node:
            lying += [(kind, int(node)) for node in np.flatnonzero(allowed[allowed_class[kind]])]
    return Cluster(tuple(nodes), fleet, specs, table, scored, allowed_class, allowed, selected, tuple(lying))


def unbound(cluster: Cluster) -> Cluster:
    """The cluster in which pods that lie somewhere may come again elsewhere: their nodeName is forgotten."""
    lies = {kind for kind, _ in cluster.lying if not cluster.specs[kind].stays}
    if not any(cluster.specs[kind].pod.spec.node_name for kind in lies):
        return cluster

    def freed(kind: int, spec: Spec) -> Spec:
        if kind not in lies or not spec.pod.spec.node_name:
            return spec
        api = spec.pod.spec.model_copy(update={"node_name": ""})
        return replace(spec, pod=spec.pod.model_copy(update={"spec": api}))

    specs = tuple(freed(kind, spec) for kind, spec in enumerate(cluster.specs))
    allowed_class, allowed, selected = _allowed(specs, cluster.nodes)
    return replace(cluster, specs=specs, allowed_class=allowed_class, allowed=allowed, selected=selected)


def numbered(node: Node, count: int) -> tuple[Node, ...]:
    """``count`` nodes like one, with names of their own."""
    if count == 1:
        return (node,)
    return tuple(
        node.model_copy(
            update={"metadata": node.metadata.model_copy(update={"name": f"{node.name}-{number}"})}
        )
        for number in range(count)
    )


def zoned(nodes: tuple[Node, ...], zones: int) -> tuple[Node, ...]:
    """Nodes spread over zones of their own, in turn."""
    if not zones:
        return nodes
    return tuple(_in_zone(node, f"zone-{number % zones + 1}") for number, node in enumerate(nodes))


def _in_zone(node: Node, zone: str) -> Node:
    labels = {**node.metadata.labels, ZONE_LABEL: zone}
    return node.model_copy(update={"metadata": node.metadata.model_copy(update={"labels": labels})})


def pool_of(node: Node) -> str:
    """The pool a node belongs to: its provider's label, else its instance type, else its size."""
    for label in POOL_LABELS:
        if node.metadata.labels.get(label):
            return node.metadata.labels[label]
    capacity = node.status.capacity
    return " ".join(str(capacity[name]) for name in (CPU, MEMORY) if name in capacity) or node.name


def _picks(selector: dict[str, Any] | None, pod: Pod) -> bool:
    """Whether an API selector picks a pod: none picks nothing, an empty one everything."""
    if selector is None:
        return False
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return True
    try:
        return LabelSelector.model_validate(selector).matches(pod.metadata.labels)
    except ValidationError as error:
        raise InputError(
            f"pod {pod.name}: {error.errors()[0]['msg']}", field="topologySpreadConstraints.labelSelector",
            value=str(selector), expected="matchLabels and matchExpressions",
        ) from None  # fmt: skip


def _allowed(
    specs: Sequence[Spec], nodes: Sequence[Node]
) -> tuple[Integers, NDArray[np.bool_], NDArray[np.bool_]]:
    """Row of each spec, and the rows; alike pods and alike nodes are looked at once."""
    names = {spec.pod.spec.node_name for spec in specs}
    keys = {key for spec in specs for key in (*spec.pod.spec.node_selector, *label_keys(spec.pod))}
    by_name = any(asks_for_name(spec.pod) for spec in specs)
    alike, of_node = _grouped(
        nodes,
        lambda node: (
            node.name if by_name or node.name in names else "",
            node.spec.unschedulable, node.spec.taints.__repr__(),
            tuple((key, node.metadata.labels.get(key)) for key in sorted(keys)),
        ),
    )  # fmt: skip
    kinds, of_spec = _grouped(
        specs,
        lambda spec: (
            spec.pod.spec.node_name, spec.every_node, repr(spec.pod.spec.tolerations),
            tuple(sorted(spec.pod.spec.node_selector.items())), repr(spec.pod.spec.affinity),
        ),
    )  # fmt: skip
    allowed = np.zeros((len(kinds), len(alike)), dtype=np.bool_)
    selected = np.zeros_like(allowed)
    for row, spec in enumerate(kinds):
        for column, node in enumerate(alike):
            allowed[row, column] = not kept_away(spec.pod, node, every_node=spec.every_node)
            selected[row, column] = not unselected(spec.pod, node)
    return of_spec, allowed[:, of_node], selected[:, of_node]


def _grouped(items: Sequence[Any], key: Callable[[Any], Any]) -> tuple[list[Any], Integers]:
    """One item of each key, and the index of each item's own."""
    first: dict[Any, int] = {}
    firsts: list[Any] = []
    index: list[int] = []
    for item in items:
        number = first.setdefault(key(item), len(first))
        if number == len(firsts):
            firsts.append(item)
        index.append(number)
    return firsts, np.array(index, dtype=np.int64)


def _arrays(nodes: Sequence[Node], pods: Sequence[Pod]) -> tuple[Fleet, Integers, Integers]:
    """The nodes as a fleet, what each pod requests of their resources, and what scores count it for."""
    requests = [pod_requests(pod) for pod in pods]
    others = {name for each in requests for name in each} - {CPU, MEMORY, PODS}
    resources = (CPU, MEMORY, PODS, *sorted(others))
    offers: dict[int, ResourceList] = {}
    for node in nodes:
        if id(node.status) not in offers:
            offers[id(node.status)] = _checked(_allocatable(node), node.name)
    fleet = of_nodes([(node, offers[id(node.status)]) for node in nodes], resources)
    rows = [_row(each, resources, pod) for each, pod in zip(requests, pods, strict=True)]
    scored = [_row(pod_requests(nonzero(pod)), resources, pod) for pod in pods]
    return fleet, np.array(rows, dtype=np.int64), np.array(scored, dtype=np.int64)


def _allocatable(node: Node) -> ResourceList:
    try:
        found = node_allocatable(node)
    except ValueError as error:
        raise InputError(f"node {node.name}: {error}", expected="a quantity or a percentage") from None
    return {PODS: Quantity.from_int(node.kubelet.max_pods), **found}


def _checked(resources: ResourceList, whose: str) -> ResourceList:
    for name in resources:
        if amount(resources, name) > MOST_AMOUNT:
            raise InputError(
                f"{whose}: more {name} than can be counted",
                value=str(resources[name]),
                expected="at most 64Pi",
            )
    return resources


def _row(requests: ResourceList, resources: Sequence[str], pod: Pod) -> list[int]:
    _checked(requests, pod.name)
    return [1 if name == PODS else amount(requests, name) for name in resources]

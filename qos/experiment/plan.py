"""Capacity plans: how many copies of a pod fit a class of node, and how many nodes a set needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from qos.capacity.fit import NodesNeeded, copies, equal_nodes, kept_away, nodes_needed, packed_largest_first
from qos.capacity.fleet import Fleet, Integers, amount, of_nodes
from qos.capacity.openb import gpus, openb_demand, openb_fleet, resampled
from qos.capacity.pack import SCORINGS, Scoring, pack
from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.model.node import Node
from qos.model.pod import Pod, ResourceList
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.allocatable import node_allocatable
from qos.policy.pod_resources import pod_requests
from qos.policy.qos_class import classify
from qos.scenario.manifest import Manifests
from qos.scenario.openb import read_openb_nodes, read_openb_pods

PODS: Final = "pods"
MOST_PODS: Final = 1_000_000
MOST_AMOUNT: Final = 2**56
"""Larger amounts could pass 64 bits in the scheduler's scores: 64 PiB of memory."""


@dataclass(frozen=True, slots=True)
class SpecFit:
    """One pod spec on a class of node.

    Attributes:
        copies_per_node: how many fit an empty node, beside the DaemonSets' pods.
        binding: the resource that is full first, or what keeps the pod away.
        requests: thousandths of CPU, base units of all else, by the plan's resources.
    """

    name: str
    qos_class: str
    replicas: int
    every_node: bool
    copies_per_node: int
    binding: str
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """The answer.

    Attributes:
        needed: None where a pod fits no node of this class; DaemonSets are on every node.
        placed: of ``wanted`` pods (without the DaemonSets' own), on ``count`` nodes.
        allocatable: over all ``count`` nodes, by resource.
        requested: QoS class to what its placed pods request, by resource.
    """

    node: str
    count: int
    spare: int
    resources: tuple[str, ...]
    specs: tuple[SpecFit, ...]
    needed: NodesNeeded | None
    wanted: int
    placed: int
    allocatable: tuple[int, ...]
    requested: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """The openb pods on the openb nodes; CPU in thousandths, memory in bytes."""

    nodes: int
    pods: int
    placed: int
    cpu_milli: int
    memory_bytes: int
    cpu_milli_wanted: int
    memory_bytes_wanted: int
    cpu_milli_placed: int
    memory_bytes_placed: int
    gpus: int
    gpu_milli_wanted: int
    gpu_milli_placed: int


def plan_capacity(manifests: Manifests, node: Node, *, count: int = 1, spare: int = 0) -> CapacityPlan:
    """How the pods of some manifests fit ``count`` nodes like this one, and how many nodes they need.

    Args:
        manifests: workloads with their replicas; a DaemonSet's pod is laid on every node first.
        node: the class.
        count: nodes there are.
        spare: nodes to be had beyond those needed.

    Raises:
        InputError: no pods, too many, an amount out of range, or a node whose threshold is no quantity.
    """
    sourced = manifests.pods
    wanted = sum(each.replicas for each in sourced if not each.per_node)
    if not sourced or wanted > MOST_PODS:
        raise InputError(f"there are {wanted} pods to plan", expected=f"1 to {MOST_PODS}")
    pods = as_stored([each.pod for each in sourced], manifests.limit_ranges)
    fleet, table = _arrays(node, pods)
    kept = [kept_away(pod, node, every_node=each.per_node) for pod, each in zip(pods, sourced, strict=True)]
    daemons = np.array([each.per_node and not why for each, why in zip(sourced, kept, strict=True)])
    taken = table[daemons].sum(axis=0)
    free = fleet.allocatable[0] - taken
    classes = [str(classify(pod).qos_class.value) for pod in pods]
    specs = tuple(
        _spec_fit(
            each.owner_name or pod.name, class_, each.replicas, each.per_node, why, row, free, fleet.resources
        )
        for pod, each, class_, why, row in zip(pods, sourced, classes, kept, table, strict=True)
    )
    may = np.array([not each.per_node and not why for each, why in zip(sourced, kept, strict=True)])
    replicas = np.array([each.replicas for each in sourced], dtype=np.int64)
    kind = np.repeat(np.arange(len(pods)), np.where(may, replicas, 0))
    class_of_node = Fleet(fleet.names, fleet.resources, np.maximum(free, 0)[None, :])
    held = bool((free >= 0).all()) and all(
        each.per_node or not why for each, why in zip(sourced, kept, strict=True)
    )
    needed = nodes_needed(table[kind], class_of_node) if held else None
    placement = packed_largest_first(table[kind], equal_nodes(class_of_node, count))
    lie = np.where(daemons, count, np.bincount(kind[placement.node >= 0], minlength=len(pods)))
    return CapacityPlan(
        node.name, count, spare, fleet.resources, specs, needed, wanted, placement.placed,
        tuple((fleet.allocatable[0] * count).tolist()),
        _by_class(classes, table, lie),
    )  # fmt: skip


def plan_openb(
    nodes_file: str, pods_file: str, *, scoring: str, seed: int = 0, load: int | None = None
) -> FleetPlan:
    """The openb pods packed on the openb nodes.

    Args:
        nodes_file: the node table.
        pods_file: the pod table.
        scoring: one of qos.capacity.pack.SCORINGS.
        seed: of the random order and the random scoring.
        load: resample the pods until they want this percentage of the GPUs; None: the list as it stands.

    Raises:
        InputError: a table is unreadable, or there is no such scoring.
    """
    if scoring not in SCORINGS:
        raise InputError("is no scoring", field="--scoring", value=scoring, expected=", ".join(SCORINGS))
    chosen: Scoring = SCORINGS[SCORINGS.index(scoring)]
    fleet = openb_fleet(read_openb_nodes(nodes_file))
    demand = openb_demand(read_openb_pods(pods_file), fleet)
    if load is not None and len(demand.names):
        demand = resampled(demand, fleet, load, seed)
    placement = pack(fleet, demand, chosen, seed=seed)
    lie = placement.node >= 0
    wanted = demand.device_count * demand.device_milli
    asked, got = demand.requests.sum(axis=0).tolist(), demand.requests[lie].sum(axis=0).tolist()
    return FleetPlan(
        nodes=len(fleet.names),
        pods=len(demand.names),
        placed=placement.placed,
        cpu_milli=fleet.total("cpu"),
        memory_bytes=fleet.total("memory"),
        cpu_milli_wanted=asked[0],
        memory_bytes_wanted=asked[1],
        cpu_milli_placed=got[0],
        memory_bytes_placed=got[1],
        gpus=gpus(fleet),
        gpu_milli_wanted=int(wanted.sum()),
        gpu_milli_placed=int(wanted[lie].sum()),
    )


def _arrays(node: Node, pods: Sequence[Pod]) -> tuple[Fleet, Integers]:
    """The node as a fleet of one, and what each pod requests of its resources."""
    requests = [pod_requests(pod) for pod in pods]
    others = {name for each in requests for name in each} - {"cpu", "memory", PODS}
    resources = ("cpu", "memory", PODS, *sorted(others))
    fleet = of_nodes([(node, _checked(_allocatable(node), node.name))], resources)
    rows = [_row(each, resources, pod) for each, pod in zip(requests, pods, strict=True)]
    return fleet, np.array(rows, dtype=np.int64)


def _by_class(classes: Sequence[str], table: Integers, lie: Integers) -> dict[str, tuple[int, ...]]:
    """What each QoS class requests of every resource, where ``lie`` pods of each spec are placed."""
    all_ = table * lie[:, None]
    return {
        each.value: tuple(all_[np.array([class_ == each.value for class_ in classes])].sum(axis=0).tolist())
        for each in QOSClass
    }


def _spec_fit(
    name: str, class_: str, replicas: int, every_node: bool, why: str, row: Integers, free: Integers,
    resources: Sequence[str],
) -> SpecFit:  # fmt: skip
    fits, binding = copies(free + row * (every_node and not why), row)
    requests = tuple(row.tolist())
    return SpecFit(
        name, class_, replicas, every_node, 0 if why else fits, why or resources[binding], requests
    )


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

"""Where a fleet's pods lie: as written, and the others as the default scheduler places them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from qos.scenario.scenario import Scenario

if TYPE_CHECKING:
    from qos.experiment.plan_cluster import Cluster
    from qos.scenario.placement import ScenarioPod

Integers = NDArray[np.int64]
SCORING: Final = "least-allocated"


@dataclass(frozen=True, slots=True)
class FleetPlacement:
    """Node of each pod.

    Attributes:
        node: (P,) number of the node, -1 for pods that found none.
        unplaced: what they lacked → how many.
    """

    node: Integers
    unplaced: dict[str, int]


def place(scenario: Scenario) -> FleetPlacement:
    """The node of each pod of a scenario: its own, or by requests: fit, then least-allocated scoring.

    Pods are placed one after another in the order of the scenario; those whose node is written down, and
    those of DaemonSets, lie there first.

    Raises:
        qos.errors.InputError: an amount is out of range, or a node's threshold is no quantity.
    """
    names = {node.name: number for number, node in enumerate(scenario.nodes)}
    node = np.array([names.get(each.node, -1) for each in scenario.placed], dtype=np.int64)
    (waiting,) = np.nonzero(node < 0)
    if not len(waiting):
        return FleetPlacement(node, {})
    from qos.capacity.pack import pack

    kinds, cluster = _cluster(scenario)
    lying = [(int(kinds[pod]), int(node[pod])) for pod in np.flatnonzero(node >= 0)]
    cluster = replace(cluster, lying=tuple(lying))
    demand = cluster.demand(kinds[waiting])
    found = pack(cluster.fleet, demand, SCORING, used=cluster.used, used_scored=cluster.used_scored)
    node[waiting] = found.node
    lacks = Counter(_lack(cluster, int(kinds[pod]), int(lack))
                    for pod, lack in zip(waiting, found.lacking, strict=True) if lack >= 0)  # fmt: skip
    return FleetPlacement(node, dict(lacks))


def _cluster(scenario: Scenario) -> tuple[Integers, Cluster]:
    """Kind of each pod, and the nodes with a spec for each kind."""
    from qos.experiment.plan_cluster import cluster_of
    from qos.scenario.manifest import Manifests
    from qos.scenario.pod_document import SourcedPod

    known: dict[tuple[int, int, str], int] = {}
    firsts: list[ScenarioPod] = []
    kinds = np.empty(len(scenario.placed), dtype=np.int64)
    for index, each in enumerate(scenario.placed):
        key = (id(each.pod.spec), id(each.pod.metadata.labels), each.pod.namespace)
        kinds[index] = known.setdefault(key, len(known))
        if kinds[index] == len(firsts):
            firsts.append(each)
    pods = [SourcedPod(each.pod, each.source, 1, "Deployment", each.owner_name) for each in firsts]
    manifests = Manifests(pods=tuple(pods), limit_ranges=scenario.limit_ranges)
    return kinds, cluster_of(manifests, scenario.nodes, on_nodes=False)


def _lack(cluster: Cluster, kind: int, lack: int) -> str:
    """What most nodes lacked for a pod, in words."""
    resources = cluster.fleet.resources
    if lack < len(resources):
        return f"not enough {resources[lack]}"
    return cluster.why_not(kind) or "topologySpreadConstraints"

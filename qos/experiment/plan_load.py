"""What a capacity plan is about: pods, nodes and a scenario, from `-f`, `--node` and `--scenario`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from qos.errors import InputError
from qos.experiment.plan_cluster import Cluster, cluster_of, numbered, zoned
from qos.model.node import Node
from qos.scenario.manifest import Manifests, read_manifests
from qos.scenario.nodes import check_capacity, read_node
from qos.scenario.scenario import scenario_parts
from qos.scenario.validation import one_or_all


@dataclass(frozen=True, slots=True)
class PlanInput:
    """Pods, the nodes they may lie on, candidate classes of node, and the scenario's file ("" for none)."""

    manifests: Manifests
    nodes: tuple[Node, ...]
    classes: tuple[Node, ...]
    scenario: str

    def cluster(self) -> Cluster:
        """All of it as arrays.

        Raises:
            InputError: no pods, too many, or an amount out of range.
        """
        return cluster_of(self.manifests, self.nodes)


def load_plan(
    paths: Sequence[str],
    node_files: Sequence[str],
    *,
    count: int = 1,
    scenario: str = "",
    stdin: BinaryIO | None = None,
    zones: int = 0,
) -> PlanInput:
    """Read the input of a plan.

    Args:
        paths: manifests, Nodes, a live dump, or a Scenario.
        node_files: classes of node; without any, the Nodes of ``paths`` or of the scenario are the cluster.
        count: nodes of the first class.
        scenario: file of a Scenario; pods and nodes that are not given otherwise are its own.
        stdin: read for ``-``.
        zones: the nodes lie in so many zones, in turn; 0: as their labels say.

    Raises:
        InputError: something is wrong, or there are no pods or no nodes; InputErrors where several are wrong.
    """
    manifests = read_manifests(paths, stdin) if paths else Manifests()
    if manifests.errors:
        raise one_or_all(manifests.errors)
    found = [each.source.file for each in manifests.skipped if each.kind == "Scenario"]
    scenario = scenario or (found[0] if found else "")
    own_nodes: tuple[Node, ...] = ()
    nodes = manifests.nodes
    if scenario and (not manifests.pods or not (nodes or node_files)):
        own_nodes, own = scenario_parts(scenario)
        manifests = manifests if manifests.pods else own
    if not manifests.pods:
        raise InputError("there are no pods to plan", expected="-f FILE with pods, or --scenario FILE")
    classes = tuple(read_node(file) for file in node_files)
    nodes = zoned(_nodes(classes, manifests if nodes else None, own_nodes, count), zones)
    return PlanInput(manifests, nodes, classes or nodes[:1], scenario)


def _nodes(
    classes: Sequence[Node], manifests: Manifests | None, own: Sequence[Node], count: int
) -> tuple[Node, ...]:
    """The first class of node ``count`` times, else the nodes of the manifests, else the scenario's own."""
    if classes:
        return numbered(classes[0], count)
    nodes = _with_kubelet(manifests) if manifests else tuple(own)
    if not nodes:
        raise InputError("there are no nodes to plan on", expected="--node FILE, or a Node in -f FILE")
    if count > 1 and len(nodes) > 1:
        raise InputError(
            "there are several nodes already", field="--count", value=count, expected="one Node, or --node"
        )
    return numbered(nodes[0], count) if count > 1 else nodes


def _with_kubelet(manifests: Manifests) -> tuple[Node, ...]:
    """The Nodes of some manifests, with the one kubelet configuration that may stand beside them."""
    where = manifests.pods[0].source
    configurations = manifests.kubelet_configurations
    if len(configurations) > 1:
        raise InputError(
            f"there are {len(configurations)} KubeletConfigurations", source=where, expected="at most one"
        )
    for node in manifests.nodes:
        if node.status.allocatable is None:
            check_capacity(node, where, f"node {node.name}: status.capacity")
    if not configurations:
        return manifests.nodes
    return tuple(node.model_copy(update={"kubelet": configurations[0]}) for node in manifests.nodes)

"""A fleet's nodes as machines of the stepped kernel: plans made once for nodes that hold the same pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from qos.experiment.admission import as_stored
from qos.experiment.plan_cluster import pool_of
from qos.experiment.policies import policy_named
from qos.experiment.simulate import beside, bind
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import CPU, MEMORY
from qos.model.quantity import Quantity
from qos.model.workload import Workload
from qos.policy.pod_cgroup import pod_uid
from qos.policy.registry import POLICIES, plan_node
from qos.scenario.placement import ScenarioPod
from qos.scenario.scenario import Scenario
from qos.simulate.step_frame import Machine

_ZERO: Final = Quantity.parse("0")
SYSTEM: Final = "system"
POOL_LABEL: Final = "pool"


@dataclass(slots=True)
class Leaf:
    """A container that does something: its cgroup in the shared plan, and what it is called in results."""

    cgroup: CgroupName
    pod: int
    container: str
    qos_class: str
    workload: str


@dataclass(slots=True)
class Template:
    """A plan and what runs under it, shared by all nodes that hold the same pods.

    Attributes:
        leaves: in order of the pods' kinds; ``pod`` counts within the node.
    """

    machine: Machine
    leaves: list[Leaf]


@dataclass(slots=True)
class FleetNode:
    """One node: its template, its pool, and its pods in the order of the template's."""

    name: str
    pool: str
    template: Template
    pods: list[ScenarioPod] = field(default_factory=list)

    def machine(self) -> Machine:
        """The machine; where chance has a part, pods draw by their own names."""
        shared = self.template.machine
        if not any(_draws(each) for each in shared.workloads.values()):
            return shared
        uids = [pod_uid(pod.pod) for pod in self.pods]
        names = {
            leaf.cgroup: f"pod{uids[leaf.pod]}/{leaf.cgroup.rsplit('/', 1)[-1]}"
            for leaf in self.template.leaves
            if leaf.pod >= 0
        }
        names |= {leaf.cgroup: f"{self.name}/{leaf.cgroup}" for leaf in self.template.leaves if leaf.pod < 0}
        return Machine(shared.plan, shared.workloads, shared.cpus, names, shared.memory_bytes)


def fleet_nodes(scenario: Scenario, policy: str, node_of: NDArray[np.int64]) -> list[FleetNode]:
    """The nodes of a scenario under a policy, those with the same plan side by side.

    Args:
        scenario: whose nodes and pods.
        policy: name of the policy.
        node_of: (P,) node of each pod, -1 for none.

    Raises:
        qos.errors.InputError: no such policy, or one whose rules cannot work.
    """
    held: list[list[tuple[int, ScenarioPod]]] = [[] for _ in scenario.nodes]
    kinds = _Kinds(by_name=_names_matter(scenario, policy))
    for number, pod in zip(node_of.tolist(), scenario.placed, strict=True):
        if number >= 0:
            held[number].append((kinds.of_pod(pod), pod))
    templates: dict[tuple[int, ...], Template] = {}
    nodes = []
    for node, mine in zip(scenario.nodes, held, strict=True):
        mine.sort(key=lambda each: each[0])
        key = (kinds.of_node(node), *(kind for kind, _ in mine))
        pods = [pod for _, pod in mine]
        if key not in templates:
            templates[key] = _template(scenario, policy, node, pods)
        pool = node.metadata.labels.get(POOL_LABEL) or pool_of(node)
        nodes.append(FleetNode(node.name, pool, templates[key], pods))
    order = {id(template): place for place, template in enumerate(templates.values())}
    return sorted(nodes, key=lambda each: order[id(each.template)])


def _template(scenario: Scenario, policy: str, node: Node, pods: Sequence[ScenarioPod]) -> Template:
    rules = policy_named(policy, scenario.policy_documents)
    stored = as_stored([each.pod for each in pods], scenario.limit_ranges)
    details = plan_node(rules, stored, node, scenario.profile)
    demand = {
        (index, container): workload
        for index, each in enumerate(pods)
        for container, workload in each.workloads.items()
    }
    workloads = bind(details, demand)
    leaves = [
        Leaf(container.cgroup, index, container.container.name, pod.qos_class.value, load.name)
        for index, pod in enumerate(details.pods)
        for container in pod.containers
        if (load := workloads.get(container.cgroup)) is not None
    ]
    leaves += [Leaf(name, -1, "", SYSTEM, load.name) for name, load in scenario.system.items()]
    capacity = node.status.capacity
    machine = Machine(
        beside(details.plan, scenario.system),
        {**workloads, **scenario.system},
        max(1, capacity.get(CPU, _ZERO).milli_value() // 1000),
        memory_bytes=float(capacity.get(MEMORY, _ZERO).value()),
    )
    return Template(machine, leaves)


def _names_matter(scenario: Scenario, policy: str) -> bool:
    """Whether pods alike but for their names could get other values."""
    for each in scenario.policy_documents:
        if each.name == policy:
            return any(rule.pod for rule in each.document.spec.rules)
    return policy not in POLICIES


def _draws(workload: Workload) -> bool:
    return workload.cpu is not None and workload.cpu.shape == "random"


class _Kinds:
    """Numbers of what is alike, by what it says; objects that are shared are looked at once."""

    def __init__(self, *, by_name: bool) -> None:
        self._by_name = by_name
        self._numbers: dict[Any, int] = {}
        self._seen: dict[tuple[int, ...], int] = {}
        self._dumps: dict[int, bytes] = {}

    def of_pod(self, each: ScenarioPod) -> int:
        """Alike: namespace, labels, annotations, spec (but for its node), and what the containers want."""
        pod = each.pod
        labels, notes = pod.metadata.labels, pod.metadata.annotations
        wants = [(name, id(workload)) for name, workload in each.workloads.items()]
        same = (
            id(pod.spec), id(labels), id(notes), *(part for _, part in wants), id(pod) if self._by_name else 0
        )  # fmt: skip
        if same not in self._seen:
            says = (
                pod.name if self._by_name else "", pod.namespace, orjson.dumps(sorted(labels.items())),
                orjson.dumps(sorted(notes.items())), pod.spec.model_dump_json(exclude={"node_name"}),
                tuple(wants),
            )  # fmt: skip
            self._seen[same] = self._numbers.setdefault(says, len(self._numbers))
        return self._seen[same]

    def of_node(self, node: Node) -> int:
        """Alike: everything but the name."""
        labels = orjson.dumps(sorted(node.metadata.labels.items()))
        parts = (self._dump(node.spec), self._dump(node.status), self._dump(node.kubelet))
        return self._numbers.setdefault((labels, *parts), len(self._numbers))

    def _dump(self, model: Any) -> bytes:
        if id(model) not in self._dumps:
            self._dumps[id(model)] = model.model_dump_json().encode()
        return self._dumps[id(model)]


def group_keys(nodes: Sequence[FleetNode]) -> dict[tuple[str, str, str], int]:
    """(Pool, class, workload) → number of its group, in order of first appearance."""
    keys: dict[tuple[str, str, str], int] = {}
    for node in nodes:
        for leaf in node.template.leaves:
            keys.setdefault((node.pool, leaf.qos_class, leaf.workload), len(keys))
    return keys


def leaf_groups(
    nodes: Sequence[FleetNode],
    cgroups: Sequence[Sequence[CgroupName]],
    keys: Mapping[tuple[str, str, str], int],
) -> NDArray[np.int64]:
    """(L,) group of each leaf of a fleet whose machine n has the leaves ``cgroups[n]``."""
    known: dict[tuple[int, str], NDArray[np.int64]] = {}
    parts = []
    for node, names in zip(nodes, cgroups, strict=True):
        same = (id(node.template), node.pool)
        if same not in known:
            by_cgroup = {leaf.cgroup: leaf for leaf in node.template.leaves}
            mine = [by_cgroup[name] for name in names]
            known[same] = np.array(
                [keys[node.pool, leaf.qos_class, leaf.workload] for leaf in mine], dtype=np.int64
            )
        parts.append(known[same])
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

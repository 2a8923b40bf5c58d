"""The kubelet's own policy: the whole tree of cgroups of a node, with the formula behind every value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.policy.base import (
    BEST_EFFORT,
    BURSTABLE,
    KUBEPODS,
    CgroupContext,
    ContainerDetails,
    Level,
    LevelTotals,
    PlanDetails,
    PodDetails,
    Values,
    make_spec,
)
from qos.policy.container_cgroup import container_values, exclusive_cpus
from qos.policy.facts import NodeFacts, node_facts
from qos.policy.oom_score import oom_score_adj, share_of_pod_level
from qos.policy.pod_cgroup import pod_cgroup_name, pod_totals, pod_uid, pod_values, uuid5_text
from qos.policy.qos_class import classify, effective_class
from qos.policy.qos_level import kubepods_values, level_configs, level_totals, level_values
from qos.policy.swap import swap_behavior

_COMPONENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
OOM_SCORE_ADJ_MAX: Final = 1000


class KubeletPolicy:
    """What the kubelet of the profile's version writes."""

    name = "kubelet"
    describe = "exactly what the kubelet and the runtime of the profile write"

    def plan(self, pods: Sequence[Pod], node: Node, profile: Profile) -> Plan:
        """The values for every cgroup of these pods on this node."""
        return self.details(pods, node, profile).plan

    def details(self, pods: Sequence[Pod], node: Node, profile: Profile) -> PlanDetails:
        """The plan, with everything that led to it."""
        return self.part(pods, node, profile, None)

    def part(
        self, pods: Sequence[Pod], node: Node, profile: Profile, totals: LevelTotals | None
    ) -> PlanDetails:
        """As :class:`qos.policy.base.PartwisePolicy` has it."""
        return kubelet_details(pods, node, node_facts(node, profile), totals)


def kubelet_details(
    pods: Sequence[Pod], node: Node, facts: NodeFacts, totals: LevelTotals | None = None
) -> PlanDetails:
    """The kubelet's plan, with everything that led to it, where the facts are known already.

    ``totals`` are those of all pods of the node where ``pods`` are only some of them.
    """
    described = _describe_pods(pods, facts)
    own = level_totals([(pod.pod, pod.qos_class, pod.requests) for pod, _ in described], facts)
    contexts = _level_contexts(node, facts, own if totals is None else totals)
    for details, values in described:
        _add(contexts, details.cgroup, "pod", details.qos_class, values, details.pod)
        for container in details.containers:
            exclusive = facts.static_cpu_manager and container.exclusive_cpus > 0
            files = container_values(details.pod, container.container, details.qos_class, facts, exclusive)
            _add(contexts, container.cgroup, "container", details.qos_class, files, details.pod, container)
    return _assemble(contexts, tuple(details for details, _ in described), own)


def _assemble(
    contexts: dict[CgroupName, CgroupContext], pods: tuple[PodDetails, ...], totals: LevelTotals
) -> PlanDetails:
    """Plan and formulas of some cgroups with their values."""
    # every name is made of checked components and has its parent here, so Plan.of has nothing to add
    ordered = {name: contexts[name] for name in sorted(contexts, key=lambda name: name.split("/"))}
    specs = {name: make_spec(context.values) for name, context in ordered.items()}
    adj = {c.cgroup: min(c.oom_score_adj.value, OOM_SCORE_ADJ_MAX) for pod in pods for c in pod.containers}
    plan = Plan(MappingProxyType(specs), MappingProxyType(dict(sorted(adj.items()))))
    return PlanDetails(
        plan, {name: context.values for name, context in ordered.items()}, pods, ordered, totals
    )


def _describe_pods(pods: Sequence[Pod], facts: NodeFacts) -> list[tuple[PodDetails, Values]]:
    return [_describe_pod(pod, uid, facts) for pod, uid in zip(pods, distinct_uids(pods), strict=True)]


def distinct_uids(pods: Sequence[Pod]) -> list[str]:
    """The uid that each of a node's pods goes by: its own, or one made of it where several have the same."""
    uids = [pod_uid(pod) for pod in pods]
    taken = Counter(uids)
    return uids if len(taken) == len(uids) else _tell_apart(pods, uids, taken)


def _tell_apart(pods: Sequence[Pod], uids: list[str], taken: Counter[str]) -> list[str]:
    """Pods of one uid get one each, by content, so that the order given does not matter."""
    content = [pod.model_dump_json() if taken[uid] > 1 else "" for pod, uid in zip(pods, uids, strict=True)]
    ranked = sorted(range(len(uids)), key=lambda index: (uids[index], content[index]))
    seen: Counter[str] = Counter()
    distinct = list(uids)
    for index in ranked:
        uid = uids[index]
        if seen[uid]:
            distinct[index] = uuid5_text(f"{uid}#{seen[uid]}")
        seen[uid] += 1
    return distinct


def _describe_pod(pod: Pod, uid: str, facts: NodeFacts) -> tuple[PodDetails, Values]:
    decision = classify(pod, pod_level_resources=facts.pod_level_resources)
    qos_class = effective_class(pod, decision)
    cgroup = pod_cgroup_name(uid, qos_class)
    share = share_of_pod_level(pod, facts)
    containers = []
    names: set[str] = set()
    for index, (container, kind) in enumerate(pod.typed_containers()):
        component = container.name if _is_component(container.name) else f"container{index}"
        component = f"{component}.{index}" if component in names else component
        names.add(component)
        containers.append(
            ContainerDetails(
                container,
                kind,
                CgroupName(f"{cgroup}/{component}"),
                oom_score_adj(pod, container, qos_class, facts, share),
                exclusive_cpus(container, qos_class),
                swap_behavior(pod, container, qos_class, facts),
            )
        )
    exclusive = facts.static_cpu_manager and any(c.exclusive_cpus for c in containers)
    totals = pod_totals(pod, facts, exclusive)
    details = PodDetails(
        pod, uid, decision, qos_class, cgroup, tuple(containers), totals.requests, totals.limits
    )
    return details, pod_values(pod, qos_class, facts, totals)


@lru_cache(maxsize=4096)
def _is_component(name: str) -> bool:
    return _COMPONENT.fullmatch(name) is not None


def _level_contexts(node: Node, facts: NodeFacts, totals: LevelTotals) -> dict[CgroupName, CgroupContext]:
    configs = level_configs(totals, facts)
    contexts: dict[CgroupName, CgroupContext] = {}
    kubepods = kubepods_values(node, facts, configs[QOSClass.GUARANTEED])
    _add(contexts, KUBEPODS, "node", QOSClass.GUARANTEED, kubepods)
    for name, qos_class in ((BURSTABLE, QOSClass.BURSTABLE), (BEST_EFFORT, QOSClass.BEST_EFFORT)):
        values = level_values(qos_class, configs[qos_class], facts, totals.pods(qos_class))
        _add(contexts, name, "qos", qos_class, values)
    return contexts


def _add(
    contexts: dict[CgroupName, CgroupContext],
    name: CgroupName,
    level: Level,
    qos_class: QOSClass,
    values: Values,
    pod: Pod | None = None,
    container: ContainerDetails | None = None,
) -> None:
    contexts[name] = CgroupContext(name, level, qos_class, values, pod, container)

"""Two versions of one pod side by side: before and after sidecar injection, or any other edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import ContainerType, Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import ContainerDetails, PlanDetails, PodDetails, Policy
from qos.policy.defaults import apply_defaults
from qos.policy.features import gate
from qos.policy.pod_resources import ResourceOptions, pod_limits, pod_requests
from qos.policy.registry import find_policy, plan_node
from qos.policy.shares import node_shares

T = TypeVar("T")
Fate = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """A value before and after."""

    before: T
    after: T

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class ContainerComparison:
    """One container of either version; None stands for a version that lacks it.

    Attributes:
        name: of the container.
        type: regular, init or sidecar, in the later version that has it.
        fate: added, removed, changed or same.
        oom_score_adj: in each version.
        files: file → its text in each version, those that differ only.
        cpus: CPUs it is sure to get under full contention; for an init container while it runs.
    """

    name: str
    type: ContainerType
    fate: Fate
    oom_score_adj: Pair[int | None]
    files: Mapping[str, Pair[str | None]]
    cpus: Pair[float | None]


@dataclass(frozen=True, slots=True)
class PodComparison:
    """What an edit of a pod changes.

    Attributes:
        qos_class: in each version.
        reason: the sentence that decides the class, in each version.
        requests, limits: what the pod asks for in all, by resource, those that differ only.
        files: the pod cgroup's files, those that differ only.
        cgroup: the pod's cgroup, which moves with the class.
        cpus: CPUs the pod is sure to get under full contention with the other pods.
        containers: every container of either version, in the order of the later one, removed ones last.
    """

    qos_class: Pair[QOSClass]
    reason: Pair[str]
    requests: Mapping[str, Pair[Quantity | None]]
    limits: Mapping[str, Pair[Quantity | None]]
    files: Mapping[str, Pair[str | None]]
    cgroup: Pair[CgroupName]
    cpus: Pair[float]
    containers: tuple[ContainerComparison, ...]

    @property
    def injected(self) -> tuple[str, ...]:
        """Names of the containers that only the later version has."""
        return tuple(one.name for one in self.containers if one.fate == "added")

    @property
    def same(self) -> bool:
        """Whether nothing that is looked at changed."""
        return (
            not (self.requests or self.limits or self.files or self.qos_class.changed)
            and not self.cpus.changed
            and all(one.fate == "same" for one in self.containers)
        )


def compare_pods(
    before: Pod,
    after: Pod,
    node: Node,
    profile: Profile | None = None,
    *,
    policy: Policy | None = None,
    others: Sequence[Pod] = (),
) -> PodComparison:
    """What changes from one version of a pod to the other: class, every value, CPU sure to be had.

    Args:
        before: a manifest, API defaulting is applied here.
        after: the same after injection or an edit; containers are told apart by name.
        node: whose capacity decides values and CPU.
        profile: versions; the newest known by default.
        policy: whose values; the kubelet's by default.
        others: pods on the same node that want CPU too; without them every pod gets what it may use.
    """
    profile = profile or Profile()
    policy = policy or find_policy("kubelet")
    pod_level = gate(profile, node.kubelet, "PodLevelResources")
    filled = [apply_defaults(pod, pod_level) for pod in others]

    def planned(pod: Pod) -> PlannedPod:
        plan = plan_node(policy, [apply_defaults(pod, pod_level), *filled], node, profile)
        return PlannedPod(plan, plan.pods[0], node_shares(plan, node), pod_level)

    return compare_planned(planned(before), planned(after))


@dataclass(frozen=True, slots=True)
class PlannedPod:
    """One version of a pod with the plan it stands in.

    Attributes:
        plan: of its node.
        details: the pod's part of it.
        shares: CPUs each cgroup of the plan is sure to get.
        pod_level: whether pod-level resources count.
    """

    plan: PlanDetails
    details: PodDetails
    shares: Mapping[CgroupName, float]
    pod_level: bool = True

    @property
    def containers(self) -> dict[str, ContainerDetails]:
        """The pod's containers by name."""
        return {one.container.name: one for one in self.details.containers}

    def files(self, cgroup: CgroupName | None) -> dict[str, str]:
        """The files of one cgroup; none where there is no such cgroup."""
        return self.plan.plan.cgroups[cgroup].files() if cgroup is not None else {}


def compare_planned(before: PlannedPod, after: PlannedPod) -> PodComparison:
    """As :func:`compare_pods`, of versions that were planned already."""
    old, new = before.details, after.details
    options = [ResourceOptions(skip_pod_level=not one.pod_level) for one in (before, after)]
    names = list(dict.fromkeys((*after.containers, *before.containers)))
    return PodComparison(
        qos_class=Pair(old.qos_class, new.qos_class),
        reason=Pair(old.decision.reason, new.decision.reason),
        requests=_differences(pod_requests(old.pod, options[0]), pod_requests(new.pod, options[1])),
        limits=_differences(pod_limits(old.pod, options[0]), pod_limits(new.pod, options[1])),
        files=_differences(before.files(old.cgroup), after.files(new.cgroup)),
        cgroup=Pair(old.cgroup, new.cgroup),
        cpus=Pair(before.shares[old.cgroup], after.shares[new.cgroup]),
        containers=tuple(_compare_container(name, before, after) for name in names),
    )


def _compare_container(name: str, first: PlannedPod, second: PlannedPod) -> ContainerComparison:
    old, new = first.containers.get(name), second.containers.get(name)
    adj = Pair(
        old.oom_score_adj.value if old else None,
        new.oom_score_adj.value if new else None,
    )
    files = _differences(first.files(old.cgroup if old else None), second.files(new.cgroup if new else None))
    cpus = Pair(first.shares[old.cgroup] if old else None, second.shares[new.cgroup] if new else None)
    fate: Fate = "same"
    if old is None or new is None:
        fate = "added" if old is None else "removed"
    elif files or adj.changed or old.type != new.type:
        fate = "changed"
    known = new or old
    assert known is not None  # every name comes from one of the two
    return ContainerComparison(name, known.type, fate, adj, files, cpus)


def _differences(old: Mapping[str, T], new: Mapping[str, T]) -> dict[str, Pair[T | None]]:
    names = dict.fromkeys((*old, *new))
    return {name: Pair(old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}

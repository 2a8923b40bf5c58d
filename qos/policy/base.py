"""What a policy is, and what it hands back: a plan, with the formula behind every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

from qos.model.cgroup import CgroupName, CgroupSpec, knobs
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Container, ContainerType, Pod, ResourceList
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.policy.qos_class import ClassDecision

KUBEPODS: Final = CgroupName("kubepods")
BURSTABLE: Final = CgroupName("kubepods/burstable")
BEST_EFFORT: Final = CgroupName("kubepods/besteffort")
CPU_QUOTA_MAX_USEC: Final = 2**44
MEMORY_MAX_BYTES: Final = 2**63 - 1

Level = Literal["node", "qos", "pod", "container"]
SwapBehavior = Literal["NoSwap", "LimitedSwap"]


class Explained(NamedTuple):
    """A knob's value and, told only when asked, the formula with its numbers as a sentence.

    Attributes:
        because: makes the sentence of ``told``; not called before somebody wants to read it.
        told: the numbers it needs.
    """

    value: Any
    because: Callable[..., str]
    told: tuple[Any, ...] = ()

    @property
    def formula(self) -> str:
        """The sentence."""
        return self.because(*self.told)


Values = dict[str, Explained]
"""Knob (field of CgroupSpec) → value and formula, for one cgroup."""


class ResourceConfig(NamedTuple):
    """What the kubelet hands to the cgroup library for one cgroup of its own; None: not set.

    Attributes:
        cpu_quota_usec: -1 is no quota.
        hugepages: page size in bytes → bytes.
        unified: knob → bytes, written as they are (memory.min, memory.low).
    """

    cpu_shares: int | None = None
    cpu_quota_usec: int | None = None
    cpu_period_usec: int | None = None
    memory_bytes: int | None = None
    pids_limit: int | None = None
    hugepages: Mapping[int, int] = MappingProxyType({})
    unified: Mapping[str, int] = MappingProxyType({})


class ContainerDetails(NamedTuple):
    """One container of a plan.

    Attributes:
        exclusive_cpus: CPUs the static CPU manager would give it alone.
        swap_behavior: what the kubelet decided about its swap.
    """

    container: Container
    type: ContainerType
    cgroup: CgroupName
    oom_score_adj: Explained
    exclusive_cpus: int
    swap_behavior: SwapBehavior


class PodDetails(NamedTuple):
    """One pod of a plan: its class and why, its cgroup, its containers (init first).

    Attributes:
        qos_class: the class the kubelet acts on (``status.qosClass`` where the API server has set it).
        requests: of the whole pod, as the scheduler counts them.
        limits: of the whole pod; what it may use in all only where every container has a limit.
    """

    pod: Pod
    uid: str
    decision: ClassDecision
    qos_class: QOSClass
    cgroup: CgroupName
    containers: tuple[ContainerDetails, ...]
    requests: ResourceList
    limits: ResourceList


class CgroupContext(NamedTuple):
    """Where a cgroup of a plan stands; what a house policy looks at.

    Attributes:
        qos_class: class of the pod; of the level for ``qos``; Guaranteed for ``node`` (kubepods).
        values: what the policy below has set so far.
    """

    name: CgroupName
    level: Level
    qos_class: QOSClass
    values: Mapping[str, Explained]
    pod: Pod | None = None
    container: ContainerDetails | None = None


class LevelTotals(NamedTuple):
    """What the pods of a node come to, as far as the levels look at it; those of parts of a node add up.

    Attributes:
        burstable_pods: how many Burstable pods.
        best_effort_pods: how many BestEffort pods.
        burstable_milli_cpu: requests of the Burstable pods, each rounded up to a thousandth of a CPU.
        guaranteed_memory_bytes: requests of the Guaranteed pods; counted only where a level's file needs it.
        burstable_memory_bytes: requests of the Burstable pods, likewise.
    """

    burstable_pods: int = 0
    best_effort_pods: int = 0
    burstable_milli_cpu: int = 0
    guaranteed_memory_bytes: int = 0
    burstable_memory_bytes: int = 0

    def plus(self, other: LevelTotals) -> LevelTotals:
        """These pods and others."""
        return LevelTotals(*(mine + more for mine, more in zip(self, other, strict=True)))

    def pods(self, qos_class: QOSClass) -> int:
        """How many pods are in the level of a class."""
        return self.best_effort_pods if qos_class is QOSClass.BEST_EFFORT else self.burstable_pods


NO_PODS: Final = LevelTotals()


@dataclass(frozen=True, slots=True)
class PlanDetails:
    """A plan with everything that led to it.

    Attributes:
        plan: the values alone; what both kernels run.
        cgroups: cgroup → knob → value and formula.
        pods: in the order given.
        contexts: where each cgroup stands.
        totals: what ``pods`` come to for the levels, where the policy works part by part.
    """

    plan: Plan
    cgroups: Mapping[CgroupName, Mapping[str, Explained]]
    pods: tuple[PodDetails, ...] = ()
    contexts: Mapping[CgroupName, CgroupContext] = field(default_factory=dict)
    totals: LevelTotals = NO_PODS

    @property
    def formulas(self) -> Mapping[CgroupName, Mapping[str, str]]:
        """Cgroup → file → the formula's sentence, for every value of the plan."""
        files = {knob.field: knob.file for knob in knobs().values()}
        return MappingProxyType(
            {
                name: {files[knob]: why.formula for knob, why in values.items()}
                for name, values in self.cgroups.items()
            }
        )

    @property
    def containers(self) -> Mapping[CgroupName, ContainerDetails]:
        """Every container by its cgroup."""
        return {c.cgroup: c for pod in self.pods for c in pod.containers}


@runtime_checkable
class Policy(Protocol):
    """Rules that turn pods and a node into a plan. Pure: the same input gives the same plan.

    Users' own policies are entry points of group ``qos.policies`` that name an object like this.
    """

    @property
    def name(self) -> str:
        """What ``--policy`` calls it."""

    @property
    def describe(self) -> str:
        """One sentence: what it does, and to whom it matters."""

    def plan(self, pods: Sequence[Pod], node: Node, profile: Profile) -> Plan:
        """The values for every cgroup of these pods on this node."""


@runtime_checkable
class ExplainingPolicy(Protocol):
    """A policy that also tells the formula behind each value, as all built-in ones do."""

    def details(self, pods: Sequence[Pod], node: Node, profile: Profile) -> PlanDetails:
        """The plan, with everything that led to it."""


@runtime_checkable
class PartwisePolicy(Policy, Protocol):
    """A policy whose values for a pod depend on no other pod, so that a node can be planned in parts."""

    def part(
        self, pods: Sequence[Pod], node: Node, profile: Profile, totals: LevelTotals | None
    ) -> PlanDetails:
        """As ``details``, of some pods of the node; no two of the node may have the same uid.

        The levels are planned for ``totals``, those of all pods of the node, or else of ``pods`` alone.
        """


_NOTHING_MANAGED: Final = CgroupSpec.model_construct()


def in_bytes(amount: int) -> int:
    """An amount of memory as the kernel's counters can hold it: from 0 to 2^63 - 1."""
    return min(max(amount, 0), MEMORY_MAX_BYTES)


def make_spec(values: Mapping[str, Explained]) -> CgroupSpec:
    """The CgroupSpec of some values, unchecked: each formula keeps its knob's range (tests prove it)."""
    return _NOTHING_MANAGED.model_copy(update={knob: explained.value for knob, explained in values.items()})


def said(value: Any, sentence: str) -> Explained:
    """A value whose sentence needs no numbers worked out."""
    return Explained(value, str, (sentence,))

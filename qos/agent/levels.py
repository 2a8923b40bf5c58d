"""The kubelet's QoS container manager: once a minute the QoS-level cgroups follow the pods that are there.

Source: pkg/kubelet/cm/qos_container_manager_linux.go of Kubernetes 1.36 (UpdateCgroups, every minute).
The values are the policy's: burstable's cpu.weight by the CPU requests of its pods, with MemoryQoS also
memory.min and memory.low, whatever a house policy puts there instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from qos.agent.facts import PodFacts
from qos.model.action import Action, Write
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Change, Plan, diff

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

UPDATE_INTERVAL_SECONDS: Final = 60.0
PlanOf = Callable[[frozenset[CgroupName]], Plan]
"""The plan of a policy for those pods whose cgroups are given."""


class QOSLevelAgent:
    """Writes what the policy wants of the cgroups above the pods, whenever a pod has gone.

    Args:
        pods: the pods the node started with.
        plan_of: compiles the plan for the pods that are left.
    """

    name = "qosLevels"
    period_seconds = UPDATE_INTERVAL_SECONDS

    def __init__(self, pods: Sequence[PodFacts], plan_of: PlanOf) -> None:
        self._pods = frozenset(pod.cgroup for pod in pods)
        self._plan_of = plan_of
        self._evicted: set[CgroupName] = set()
        self._live: frozenset[CgroupName] | None = None

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """One Write, if the pods that are left want other values above them."""
        del now_seconds, samples
        self._evicted.update(one.cgroup for one in events if one.kind == "evict")
        live = frozenset(name for name in self._pods if name in plan.cgroups and name not in self._evicted)
        if live == self._live:
            return ()
        self._live = live
        changes = level_changes(plan, self._plan_of(live), self._pods)
        if not changes:
            return ()
        return (Write(changes, f"QoS levels follow {len(live)} of {len(self._pods)} pods"),)


def level_changes(now: Plan, wanted: Plan, pods: frozenset[CgroupName]) -> tuple[Change, ...]:
    """The sets that bring the cgroups above the pods from one plan to the other; pods stay untouched."""
    return tuple(
        change
        for change in diff(now, wanted)
        if change.kind == "set" and change.cgroup in now.cgroups and not _in_a_pod(change.cgroup, pods)
    )


def _in_a_pod(name: CgroupName, pods: frozenset[CgroupName]) -> bool:
    while name:
        if name in pods:
            return True
        name = CgroupName(name.rpartition("/")[0])
    return False

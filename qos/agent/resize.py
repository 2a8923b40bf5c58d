"""In-place resize over time: accepted at once, tried again while Deferred, dropped when Infeasible.

Source: pkg/kubelet/allocation/allocation_manager.go of Kubernetes 1.36 (RetryPendingResizes: when a pod
has gone, else every 3 minutes), pkg/kubelet/kuberuntime/kuberuntime_manager.go (a memory limit is not
lowered below what is in use). KEP-1287 gives the order of those that wait: priority, then QoS class,
then who waited longest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qos.agent.facts import PodFacts
from qos.agent.reading import MEMORY_CURRENT, Reading
from qos.model.action import Action, Note, Write
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Change, Plan, diff
from qos.model.qos_class import QOSClass
from qos.model.resize import ResizeDecision
from qos.model.write_order import direction, order_writes

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

RETRY_SECONDS: Final = 180.0
_CLASS_ORDER: Final = (QOSClass.GUARANTEED, QOSClass.BURSTABLE, QOSClass.BEST_EFFORT)


@dataclass(frozen=True, slots=True)
class ResizeRequest:
    """A resize somebody asks for.

    Attributes:
        at_seconds: when it is asked for.
        pod: the pod as it is now.
        wanted: the plan of the node with the pod resized; only the pod's own cgroups are taken from it.
    """

    at_seconds: float
    pod: PodFacts
    wanted: Plan


Decide = Callable[[ResizeRequest, frozenset[CgroupName], tuple[ResizeRequest, ...]], ResizeDecision]
"""The kubelet's answer, given the pod cgroups that are alive and the resizes accepted so far."""


@dataclass(slots=True)
class _Pending:
    request: ResizeRequest
    said: str = ""
    retry_at_seconds: float = 0.0


class ResizeAgent:
    """Carries out resizes as the kubelet does.

    Args:
        requests: what is asked for, and when.
        decide: accepted, deferred or infeasible (``qos.policy.decisions.resize.decide_resize``).
        pods: all pods of the node; those whose cgroups have gone leave room.
    """

    name = "resize"
    period_seconds = 1.0

    def __init__(
        self, requests: Sequence[ResizeRequest], decide: Decide, pods: Sequence[PodFacts] = ()
    ) -> None:
        order = sorted(requests, key=lambda one: one.at_seconds)
        self._waiting = [_Pending(one) for one in order]
        self._decide = decide
        self._pods = frozenset(pod.cgroup for pod in pods)
        self._evicted: set[CgroupName] = set()
        self._accepted: list[ResizeRequest] = []

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """A Write for each resize that is accepted now, a Note for each that is put off or refused."""
        gone = {one.cgroup for one in events if one.kind == "evict"}
        self._evicted |= gone
        live = frozenset(name for name in self._pods if name in plan.cgroups) - self._evicted
        if gone:
            for one in self._waiting:
                one.retry_at_seconds = 0.0
        due = [
            one
            for one in self._waiting
            if one.request.at_seconds <= now_seconds and one.retry_at_seconds <= now_seconds
        ]
        reading = Reading(samples)
        actions: list[Action] = []
        for one in sorted(due, key=_urgency):
            actions += self._try(one, now_seconds, reading, plan, live)
        return tuple(actions)

    def _try(
        self, one: _Pending, now_seconds: float, reading: Reading, plan: Plan, live: frozenset[CgroupName]
    ) -> list[Action]:
        pod = one.request.pod
        if pod.cgroup not in plan.cgroups or pod.cgroup in self._evicted:
            self._waiting.remove(one)
            return []
        decision = self._decide(one.request, live, tuple(self._accepted))
        if decision.outcome == "infeasible":
            self._waiting.remove(one)
            return [Note("resize", pod.cgroup, f"{pod.name}: Infeasible: {decision.message}")]
        if decision.outcome == "deferred":
            one.retry_at_seconds = now_seconds + RETRY_SECONDS
            return self._say(one, f"{pod.name}: Deferred: {decision.message}")
        changes = order_writes(resize_changes(plan, one.request.wanted, pod.cgroup), plan)
        blocked = _below_usage(changes, reading)
        if blocked:
            return self._say(one, f"{pod.name}: InProgress: {blocked}")
        self._waiting.remove(one)
        self._accepted.append(one.request)
        return [Write(changes, f"{pod.name} resized in place")] if changes else []

    def _say(self, one: _Pending, text: str) -> list[Action]:
        if text == one.said:
            return []
        one.said = text
        return [Note("resize", one.request.pod.cgroup, text)]


def resize_changes(now: Plan, wanted: Plan, pod: CgroupName) -> tuple[Change, ...]:
    """The sets within one pod's cgroups that lead from one plan to the other."""
    return tuple(
        change
        for change in diff(now, wanted)
        if change.kind == "set"
        and change.cgroup in now.cgroups
        and (change.cgroup == pod or change.cgroup.startswith(f"{pod}/"))
    )


def _urgency(one: _Pending) -> tuple[int, int, float]:
    pod = one.request.pod
    return (-pod.priority, _CLASS_ORDER.index(pod.qos_class), one.request.at_seconds)


def _below_usage(changes: Sequence[Change], reading: Reading) -> str:
    for change in changes:
        if change.knob != "memory_max" or direction(change) != "shrink":
            continue
        used = reading.value(MEMORY_CURRENT, change.cgroup)
        if used is not None and used > change.new:
            return f"memory limit {change.new} of {change.cgroup} is below current usage"
    return ""

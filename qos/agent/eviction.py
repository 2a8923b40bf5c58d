"""The kubelet's eviction manager: every 10 s look at what is left, and kill at most one pod.

Source: pkg/kubelet/eviction/eviction_manager.go of Kubernetes 1.36 (synchronize). What a kernel without
filesystem statistics cannot show (nodefs, imagefs, localStorage limits) is not observed, and a threshold
without an observation is not met, as in the kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from qos.agent.facts import NodeFacts, PodFacts
from qos.agent.ranking import PodUsage, rank
from qos.agent.reading import MEMORY_CURRENT, PIDS_CURRENT, Reading
from qos.agent.thresholds import (
    ALLOCATABLE_MEMORY_AVAILABLE,
    MEMORY_AVAILABLE,
    PID_AVAILABLE,
    NodeCondition,
    Observation,
    Threshold,
    is_met,
)
from qos.model.action import Action, Evict, Note
from qos.model.cgroup import ROOT, CgroupName
from qos.model.event import Event
from qos.model.plan import Plan
from qos.model.quantity import Quantity

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

MONITORING_INTERVAL_SECONDS: Final = 10.0
POD_CLEANUP_TIMEOUT_SECONDS: Final = 30.0
IMMEDIATE_GRACE_SECONDS: Final = 1.0
_MEMORY_SIGNALS: Final = frozenset({MEMORY_AVAILABLE, ALLOCATABLE_MEMORY_AVAILABLE})


class EvictionAgent:
    """Evicts one pod a pass while a threshold is met, until the minimum reclaim is free again.

    Args:
        node: what the machine has.
        pods: the pods that may be evicted; one whose cgroup is gone from the plan is over.
        thresholds: as :func:`qos.agent.thresholds.parse_thresholds` gives them.
        pressure_transition_period_seconds: how long a condition stays after it was last seen.
        max_pod_grace_period_seconds: most grace a soft threshold gives (``evictionMaxPodGracePeriod``).
        period_seconds: how often to look; the kubelet's 10 s cannot be set there.
    """

    name = "eviction"

    def __init__(
        self,
        node: NodeFacts,
        pods: Sequence[PodFacts],
        thresholds: Sequence[Threshold],
        *,
        pressure_transition_period_seconds: float = 300.0,
        max_pod_grace_period_seconds: float = 0.0,
        period_seconds: float = MONITORING_INTERVAL_SECONDS,
    ) -> None:
        self.period_seconds = period_seconds
        self._node = node
        self._pods = tuple(pods)
        self._thresholds = tuple(thresholds)
        self._transition_seconds = pressure_transition_period_seconds
        self._max_grace_seconds = max_pod_grace_period_seconds
        self._met: tuple[Threshold, ...] = ()
        self._first_observed: dict[Threshold, float] = {}
        self._condition_last_observed: dict[NodeCondition, float] = {}
        self._conditions: tuple[NodeCondition, ...] = ()
        self._last_observations: Mapping[str, Observation] = {}
        self._evicted: set[CgroupName] = set()
        self._cleaning: tuple[CgroupName, float] | None = None

    @property
    def conditions(self) -> tuple[NodeCondition, ...]:
        """The pressure conditions the node reports now; admission looks at these."""
        return self._conditions

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """At most one eviction, and a note for each condition that came or went."""
        del events  # the eviction manager looks at statistics only
        reading = Reading(samples)
        if self._waits_for_cleanup(now_seconds, reading, plan):
            return ()
        observations = self._observe(reading, plan)
        before = self._conditions
        due = self._thresholds_due(now_seconds, observations)
        notes = _condition_notes(before, self._conditions)
        if not due:
            return notes
        chosen = min(due, key=lambda one: one.signal not in _MEMORY_SIGNALS)  # memory before all others
        return (*notes, *self._evict(now_seconds, chosen, observations[chosen.signal], reading, plan))

    def _waits_for_cleanup(self, now_seconds: float, reading: Reading, plan: Plan) -> bool:
        if self._cleaning is None:
            return False
        cgroup, since = self._cleaning
        left = reading.value(PIDS_CURRENT, cgroup)
        if left is None:
            left = reading.value(MEMORY_CURRENT, cgroup)
        if cgroup in plan.cgroups and left and now_seconds - since < POD_CLEANUP_TIMEOUT_SECONDS:
            return True
        self._cleaning = None
        return False

    def _observe(self, reading: Reading, plan: Plan) -> dict[str, Observation]:
        seen: dict[str, Observation] = {}
        time = reading.time_seconds
        if time is None:
            return seen
        used = reading.node_working_set_bytes()
        if used is not None:
            capacity = self._node.memory_capacity_bytes
            seen[MEMORY_AVAILABLE] = Observation(max(0, capacity - used), capacity, time)
        pods_used = reading.working_set_bytes(self._node.pods_cgroup)
        limit = self._pods_limit_bytes(plan)
        if pods_used is not None and limit is not None:
            available = max(0, limit - pods_used)
            seen[ALLOCATABLE_MEMORY_AVAILABLE] = Observation(available, available + pods_used, time)
        tasks = reading.node_value(PIDS_CURRENT)
        if tasks is not None and self._node.pids_capacity is not None:
            capacity = self._node.pids_capacity
            seen[PID_AVAILABLE] = Observation(max(0, capacity - int(tasks)), capacity, time)
        return seen

    def _pods_limit_bytes(self, plan: Plan) -> int | None:
        spec = plan.cgroups.get(self._node.pods_cgroup)
        if spec is not None and isinstance(spec.memory_max, int):
            return spec.memory_max
        return self._node.memory_pods_bytes

    def _thresholds_due(self, now_seconds: float, observations: Mapping[str, Observation]) -> list[Threshold]:
        met = [one for one in self._thresholds if _met(one, observations)]
        met += [
            one for one in self._met if one not in met and _met(one, observations, enforce_min_reclaim=True)
        ]
        self._first_observed = {one: self._first_observed.get(one, now_seconds) for one in met}
        self._update_conditions(now_seconds, met)
        due = [one for one in met if now_seconds - self._first_observed[one] >= one.grace_period_seconds]
        self._met = tuple(due)
        last, self._last_observations = self._last_observations, observations
        return [
            one
            for one in due
            if one.signal not in last or observations[one.signal].time_seconds > last[one.signal].time_seconds
        ]

    def _update_conditions(self, now_seconds: float, met: Sequence[Threshold]) -> None:
        for one in met:
            self._condition_last_observed[one.node_condition] = now_seconds
        self._conditions = tuple(
            sorted(
                condition
                for condition, at in self._condition_last_observed.items()
                if now_seconds - at < self._transition_seconds or at == now_seconds
            )
        )

    def _evict(
        self, now_seconds: float, threshold: Threshold, seen: Observation, reading: Reading, plan: Plan
    ) -> tuple[Action, ...]:
        active = {
            pod.cgroup: pod
            for pod in self._pods
            if pod.cgroup in plan.cgroups and pod.cgroup not in self._evicted
        }
        ranked = rank(threshold.signal, [_usage(pod, reading) for pod in active.values()])
        for usage in ranked:
            pod = active[CgroupName(usage.key)]
            if pod.critical:
                continue
            self._evicted.add(pod.cgroup)
            self._cleaning = (pod.cgroup, now_seconds)
            grace = IMMEDIATE_GRACE_SECONDS if threshold.hard else self._soft_grace_seconds(pod)
            return (Evict(pod.cgroup, _reason(pod, usage, threshold, seen), grace),)
        return ()

    def _soft_grace_seconds(self, pod: PodFacts) -> float:
        return min(self._max_grace_seconds, pod.termination_grace_period_seconds)


def _met(
    threshold: Threshold, observations: Mapping[str, Observation], *, enforce_min_reclaim: bool = False
) -> bool:
    seen = observations.get(threshold.signal)
    return seen is not None and is_met(threshold, seen, enforce_min_reclaim=enforce_min_reclaim)


def _usage(pod: PodFacts, reading: Reading) -> PodUsage:
    memory = reading.working_set_bytes(pod.cgroup)
    tasks = reading.value(PIDS_CURRENT, pod.cgroup)
    used = {} if memory is None else {"memory": Quantity.from_int(memory)}
    if tasks is not None:
        used["pids"] = Quantity.from_int(int(tasks))
    request = {"memory": Quantity.from_int(pod.memory_request_bytes)}
    return PodUsage(pod.cgroup, pod.priority, bool(used), request, used)


def _reason(pod: PodFacts, usage: PodUsage, threshold: Threshold, seen: Observation) -> str:
    resource = threshold.resource
    wanted = threshold.value.of(seen.capacity)
    used = usage.used.get(resource)
    request = usage.request.get(resource, Quantity.zero())
    used_text = "unknown" if used is None else str(used)
    return (
        f"The node was low on resource: {resource}. Threshold quantity: {wanted}, "
        f"available: {seen.available}. Pod {pod.name} was using {used_text}, request is {request}"
        + (", has larger consumption of " + resource if used is not None and used > request else "")
    )


def _condition_notes(before: Sequence[NodeCondition], after: Sequence[NodeCondition]) -> tuple[Note, ...]:
    came = [
        Note("node_pressure", ROOT, f"{condition} is true") for condition in after if condition not in before
    ]
    went = [
        Note("node_pressure", ROOT, f"{condition} is false again")
        for condition in before
        if condition not in after
    ]
    return (*came, *went)

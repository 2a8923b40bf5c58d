"""Which pods the kubelet kills so that a critical pod fits.

Source: pkg/kubelet/preemption/preemption.go and pkg/kubelet/types/pod_update.go of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qos.errors import PlanError
from qos.model.pod import CPU, MEMORY, Pod
from qos.model.qos_class import QOSClass
from qos.policy.critical import is_critical_pod
from qos.policy.pod_resources import eviction_request
from qos.policy.qos_class import classify, effective_class

PODS: Final = "pods"


def may_preempt(preemptor: Pod, other: Pod) -> bool:
    """Whether one pod may have the other killed: critical over not, else higher over lower priority."""
    if is_critical_pod(preemptor) and not is_critical_pod(other):
        return True
    mine, its = preemptor.spec.priority, other.spec.priority
    return mine is not None and its is not None and mine > its


def pods_to_preempt(
    preemptor: Pod, running: Iterable[Pod], missing: Mapping[str, int], *, pod_level_resources: bool = True
) -> tuple[Pod, ...]:
    """The pods to kill: BestEffort ones first, then Burstable, then Guaranteed.

    Guaranteed pods die only where all others together would not do. Within a class, always the pod that
    comes closest to what is still missing: the squared fraction that would be left of each resource.

    Args:
        preemptor: the critical pod that does not fit.
        running: the pods on the node.
        missing: resource → how much is short: cpu in thousandths, memory in bytes, ``pods`` in pods.
        pod_level_resources: gate PodLevelResources.

    Raises:
        PlanError: all pods that may be killed together are not enough.
    """
    wanted = {name: amount for name, amount in missing.items() if amount > 0}
    candidates = [_Candidate(pod, pod_level_resources) for pod in running if may_preempt(preemptor, pod)]
    by_class = {one: [c for c in candidates if c.qos_class is one] for one in QOSClass}
    effort, burstable, guaranteed = (
        by_class[one] for one in (QOSClass.BEST_EFFORT, QOSClass.BURSTABLE, QOSClass.GUARANTEED)
    )
    left = _less(wanted, candidates)
    if left:
        short = ", ".join(f"{name} {amount}" for name, amount in left.items())
        raise PlanError(f"no set of running pods found to reclaim resources: {short} would still be missing")
    from_guaranteed = _closest(guaranteed, _less(wanted, [*effort, *burstable]))
    from_burstable = _closest(burstable, _less(wanted, [*effort, *from_guaranteed]))
    from_effort = _closest(effort, _less(wanted, [*from_burstable, *from_guaranteed]))
    return tuple(one.pod for one in (*from_effort, *from_burstable, *from_guaranteed))


class _Candidate:
    """A pod that may be killed, and what that would free."""

    def __init__(self, pod: Pod, pod_level: bool) -> None:
        self.pod = pod
        self.qos_class = effective_class(pod, classify(pod, pod_level_resources=pod_level))
        self._pod_level = pod_level
        self._freed: dict[str, int] = {PODS: 1}

    def frees(self, name: str) -> int:
        if name not in self._freed:
            request = eviction_request(self.pod, name, self._pod_level)
            self._freed[name] = request.milli_value() if name == CPU else request.value()
        return self._freed[name]

    def size(self) -> tuple[int, int]:
        return (self.frees(MEMORY), self.frees(CPU))


def _less(missing: Mapping[str, int], gone: Sequence[_Candidate]) -> dict[str, int]:
    left = {name: amount - sum(one.frees(name) for one in gone) for name, amount in missing.items()}
    return {name: amount for name, amount in left.items() if amount > 0}


def _closest(candidates: Sequence[_Candidate], missing: dict[str, int]) -> list[_Candidate]:
    """Candidates until nothing is missing; of two that are equally close the smaller, of equals the later."""
    pool, chosen = list(candidates), []
    while missing and pool:
        best = 0
        for index, one in enumerate(pool):
            distance, least = _distance(one, missing), _distance(pool[best], missing)
            if distance < least or (distance == least and one.size() <= pool[best].size()):
                best = index
        chosen.append(pool[best])
        missing = _less(missing, [pool[best]])
        pool[best] = pool[-1]  # the kubelet fills the gap with the last pod, which decides between equals
        pool.pop()
    return chosen


def _distance(candidate: _Candidate, missing: Mapping[str, int]) -> float:
    """How much would still be missing: 0 is all there, 1 a resource, none of it freed."""
    left = {name: amount - candidate.frees(name) for name, amount in missing.items()}
    return sum((left[name] / amount) ** 2 for name, amount in missing.items() if left[name] > 0)

"""Properties of qos.policy.decisions.preemption beside the golden vectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_pods import pods

from qos.errors import PlanError
from qos.model.pod import CPU, MEMORY, Pod
from qos.model.qos_class import QOSClass
from qos.policy.critical import is_critical_pod
from qos.policy.decisions.preemption import may_preempt, pods_to_preempt
from qos.policy.pod_resources import eviction_request
from qos.policy.qos_class import classify

CRITICAL = Pod.model_validate({"metadata": {"name": "critical"}, "spec": {"priority": 2_000_000_000}})
_running = st.lists(pods(), max_size=8)
_missing = st.fixed_dictionaries({CPU: st.integers(0, 6000), MEMORY: st.integers(0, 2**31)})


def _freed(gone: list[Pod]) -> dict[str, int]:
    return {
        CPU: sum(eviction_request(pod, CPU).milli_value() for pod in gone),
        MEMORY: sum(eviction_request(pod, MEMORY).value() for pod in gone),
    }


@given(_running, _missing)
def test_enough_is_freed_or_it_is_said_that_it_cannot_be(running: list[Pod], missing: dict[str, int]) -> None:
    """Either the killed pods free all that is missing, or all candidates together would not."""
    candidates = [pod for pod in running if may_preempt(CRITICAL, pod)]
    try:
        gone = pods_to_preempt(CRITICAL, running, missing)
    except PlanError:
        freed = _freed(candidates)
        assert any(freed[name] < amount for name, amount in missing.items())
        return
    freed = _freed(list(gone))
    assert all(freed[name] >= amount for name, amount in missing.items())
    assert all(may_preempt(CRITICAL, pod) for pod in gone)


@given(_running, _missing)
def test_guaranteed_pods_die_only_if_all_others_are_not_enough(
    running: list[Pod], missing: dict[str, int]
) -> None:
    """Where the pods of the lower classes would do, no Guaranteed pod is killed."""
    candidates = [pod for pod in running if may_preempt(CRITICAL, pod)]
    lower = [pod for pod in candidates if classify(pod).qos_class is not QOSClass.GUARANTEED]
    freed = _freed(lower)
    if any(freed[name] < amount for name, amount in missing.items()):
        return
    gone = pods_to_preempt(CRITICAL, running, missing)
    assert all(classify(pod).qos_class is not QOSClass.GUARANTEED for pod in gone)


@given(_running)
def test_nothing_missing_kills_nobody(running: list[Pod]) -> None:
    """A pod that fits preempts nobody."""
    assert pods_to_preempt(CRITICAL, running, {CPU: 0, MEMORY: 0}) == ()


@given(pods(), pods())
def test_preemption_goes_one_way(one: Pod, other: Pod) -> None:
    """Never may each of two pods preempt the other, and critical pods of equal priority never do."""
    assert not (may_preempt(one, other) and may_preempt(other, one))
    if is_critical_pod(one) and is_critical_pod(other):
        assert not may_preempt(one, other)


def test_the_error_names_what_would_still_be_missing() -> None:
    """Nobody to kill: the sentence says what and how much."""
    with pytest.raises(PlanError, match="cpu 100 would still be missing"):
        pods_to_preempt(CRITICAL, [], {CPU: 100})

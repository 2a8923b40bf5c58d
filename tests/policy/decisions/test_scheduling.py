"""Tests of qos.policy.decisions.scheduling: requests while a resize is under way, by version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.decisions.scheduling import scheduler_requests

_cpus = st.one_of(st.none(), st.integers(1, 4))


def _pod(*containers: tuple[int, int | None, int | None], reason: str = "") -> Pod:
    """Containers of (wanted, allocated, actuated) CPUs; None: the status does not say."""
    statuses: list[dict[str, Any]] = []
    for index, (_, allocated, actuated) in enumerate(containers):
        status: dict[str, Any] = {"name": f"c{index}"}
        if allocated is not None:
            status["allocatedResources"] = {"cpu": allocated}
        if actuated is not None:
            status["resources"] = {"requests": {"cpu": actuated}}
        statuses.append(status)
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    spec = {
        "containers": [
            {"name": f"c{index}", "resources": {"requests": {"cpu": one[0]}}}
            for index, one in enumerate(containers)
        ]
    }
    return Pod.model_validate(
        {"spec": spec, "status": {"containerStatuses": statuses, "conditions": conditions}}
    )


def _counted(pod: Pod, *version: int) -> int:
    return scheduler_requests(pod, Profile(kubernetes=version))["cpu"].value()


def test_two_containers_that_swap_a_cpu() -> None:
    """The case of kubernetes/kubernetes#140046: 4 CPUs up to 1.36, 3 after."""
    pod = _pod((1, 2, 2), (2, 1, 1))
    assert [_counted(pod, 1, minor) for minor in (33, 34, 35, 36)] == [4, 4, 4, 4]
    assert _counted(pod, 1, 37) == 3


def test_before_in_place_resize_only_the_spec_counts() -> None:
    """1.32 has the gate off by default."""
    assert _counted(_pod((1, 4, 4)), 1, 32) == 1


@pytest.mark.parametrize("minor", [36, 37])
def test_what_is_infeasible_is_not_counted(minor: int) -> None:
    """A wish the node cannot fulfil counts for nothing; without the condition it does."""
    assert _counted(_pod((8, 1, 1), reason="Infeasible"), 1, minor) == 1
    assert _counted(_pod((8, 1, 1), reason="Deferred"), 1, minor) == 8


@given(st.lists(st.tuples(st.integers(1, 4), _cpus, _cpus), min_size=1, max_size=4))
def test_whole_pods_never_count_more_than_containers(
    containers: list[tuple[int, int | None, int | None]],
) -> None:
    """The maximum of sums is at most the sum of maxima, at least what is wanted; for one container equal."""
    complete = [(w, a if a is not None else w, c if c is not None else w) for w, a, c in containers]
    pod = _pod(*complete)
    old, new = _counted(pod, 1, 36), _counted(pod, 1, 37)
    assert sum(wanted for wanted, _, _ in containers) <= new <= old
    if len(containers) == 1:
        assert new == old

"""Tests of qos.policy.decisions.resize: accepted, Deferred, Infeasible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made_pods import pods

from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.decisions.resize import decide_resize, restarted_by_resize

CAPACITY = {"cpu": "4", "memory": "4Gi", "pods": "110"}


def _node(**kubelet: object) -> Node:
    return Node.model_validate(
        {"status": {"capacity": CAPACITY, "allocatable": CAPACITY}, "kubelet": kubelet}
    )


def _pod(cpu: str, memory: str = "1Gi", *, guaranteed: bool = False, **container: object) -> Pod:
    amounts = {"cpu": cpu, "memory": memory}
    resources = {"requests": amounts} | ({"limits": amounts} if guaranteed else {})
    one = {"name": "c", "resources": resources, **container}
    return Pod.model_validate({"metadata": {"name": "p"}, "spec": {"containers": [one]}})


@given(pods(), pods(), st.lists(pods(), max_size=4))
def test_deferred_fits_once_the_others_have_gone(new: Pod, old: Pod, others: list[Pod]) -> None:
    """Infeasible does not depend on the other pods, and what is Deferred is accepted without them."""
    node = _node()
    alone = decide_resize(new, old, node, [])
    beside = decide_resize(new, old, node, others)
    assert (alone.outcome == "infeasible") == (beside.outcome == "infeasible")
    if beside.outcome == "deferred":
        assert alone.outcome == "accepted"
        assert beside.message.startswith("Node didn't have enough resource: ")


def test_more_than_the_node_has_is_infeasible() -> None:
    """5 CPUs on a node of 4: the kubelet's sentence with both numbers."""
    decision = decide_resize(_pod("5"), _pod("1"), _node(), [])
    assert decision.outcome == "infeasible"
    assert decision.message == "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"


def test_what_does_not_fit_now_is_deferred() -> None:
    """3 CPUs beside a pod of 2 on a node of 4."""
    decision = decide_resize(_pod("3"), _pod("1"), _node(), [_pod("2")])
    assert decision.outcome == "deferred"
    assert decision.message == (
        "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000"
    )


def test_exclusive_cpus_are_not_resized() -> None:
    """Under the static CPU manager a Guaranteed pod stays as it is, unless the gate says otherwise."""
    node = _node(cpuManagerPolicy="static")
    old, new = _pod("1", guaranteed=True), _pod("2", guaranteed=True)
    assert "CPU Manager static policy" in decide_resize(new, old, node, []).message
    gated = Profile(feature_gates={"InPlacePodVerticalScalingExclusiveCPUs": True})
    assert decide_resize(new, old, node, [], gated).outcome == "accepted"


def test_before_1_33_there_is_no_resize() -> None:
    """The gate is alpha and off in 1.32."""
    assert (
        decide_resize(_pod("2"), _pod("1"), _node(), [], Profile(kubernetes=(1, 32))).outcome == "infeasible"
    )


def test_static_pods_are_not_resized() -> None:
    """A pod from a file of the node is infeasible."""
    old = _pod("1").model_copy(
        update={
            "metadata": _pod("1").metadata.model_copy(
                update={"annotations": {"kubernetes.io/config.source": "file"}}
            )
        }
    )
    assert "static-pods" in decide_resize(_pod("2"), old, _node(), []).message


def test_resize_policy_decides_who_restarts() -> None:
    """RestartContainer for memory restarts on a memory change only."""
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    old = _pod("1", resizePolicy=policy)
    assert restarted_by_resize(_pod("2", resizePolicy=policy), old) == ()
    assert restarted_by_resize(_pod("1", "2Gi", resizePolicy=policy), old) == ("c",)

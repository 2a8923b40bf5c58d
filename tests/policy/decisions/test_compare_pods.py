"""Tests of qos.policy.decisions.compare: before and after sidecar injection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from made_pods import pods

from qos.model.node import Node
from qos.model.pod import Pod
from qos.policy.decisions.compare import compare_pods

NODE = Node.model_validate({"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}})
WEB = {"name": "web", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
PROXY = {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}}


def _pod(**spec: object) -> Pod:
    return Pod.model_validate({"metadata": {"name": "p", "uid": "u1"}, "spec": {"containers": [WEB], **spec}})


def _rival(index: int) -> Pod:
    spec = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
    return Pod.model_validate({"metadata": {"name": f"rival{index}", "uid": f"r{index}"}, "spec": spec})


def test_injecting_a_proxy_without_limits_costs_the_class_and_the_limits() -> None:
    """A Guaranteed pod becomes Burstable, its cgroup loses cpu.max and memory.max, web is killed sooner."""
    found = compare_pods(_pod(), _pod(initContainers=[PROXY]), NODE, others=[_rival(i) for i in range(8)])
    assert (found.qos_class.before, found.qos_class.after) == ("Guaranteed", "Burstable")
    assert "proxy" in found.reason.after
    assert found.injected == ("proxy",)
    assert found.files["cpu.max"].after is None
    assert found.files["memory.max"].after is None
    web = next(one for one in found.containers if one.name == "web")
    assert web.fate == "changed"
    assert web.oom_score_adj.before == -997
    assert web.oom_score_adj.after is not None
    assert web.oom_score_adj.after > 0
    assert web.cpus.before is not None
    assert web.cpus.after is not None
    assert web.cpus.after < web.cpus.before


@given(pods("p"), st.lists(pods("q"), max_size=2))
def test_a_pod_compared_with_itself_is_the_same(pod: Pod, others: list[Pod]) -> None:
    """No edit, no difference, whatever else is on the node."""
    named = [
        one.model_copy(update={"metadata": one.metadata.model_copy(update={"name": f"q{index}"})})
        for index, one in enumerate(others)
    ]
    assert compare_pods(pod, pod, NODE, others=named).same


def test_a_removed_container_is_told_last() -> None:
    """Containers come in the order of the later version, removed ones at the end."""
    found = compare_pods(_pod(initContainers=[PROXY]), _pod(), NODE)
    assert [(one.name, one.fate) for one in found.containers] == [("web", "changed"), ("proxy", "removed")]

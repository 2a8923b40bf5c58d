"""Properties of every plan: random pods on random nodes, under every profile and policy.

``QOS_EXAMPLES`` and ``QOS_PODS`` ask for more of them than a quick run has.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_pods import BUSY_KUBELET, crowd_document, nodes, pods, profiles

from qos.model.cgroup import CgroupSpec, parent
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import KUBERNETES_VERSIONS, Profile, format_version
from qos.policy.defaults import apply_defaults
from qos.policy.registry import POLICIES, plan_node

EXAMPLES = int(os.environ.get("QOS_EXAMPLES", "25"))

each_policy = pytest.mark.parametrize("policy", POLICIES)


@each_policy
@settings(max_examples=EXAMPLES, deadline=None)
@given(pods=pods(), node=nodes(), profile=profiles(), defaulted=st.booleans())
def test_values_in_range(policy: str, pods: list[Pod], node: Node, profile: Profile, defaulted: bool) -> None:
    """No pod is too odd to plan, every value lies within its knob's range, and every value is explained."""
    if defaulted:
        pods = [apply_defaults(pod) for pod in pods]
    details = plan_node(POLICIES[policy], pods, node, profile)
    for name, spec in details.plan.cgroups.items():
        CgroupSpec.model_validate(spec.model_dump(exclude_none=True))
        assert parent(name) in details.plan.cgroups or parent(name) == ""
        files = spec.files()
        assert details.formulas[name].keys() == files.keys()
        assert all(details.formulas[name].values())
    assert all(-1000 <= adj <= 1000 for adj in details.plan.oom_score_adj.values())
    assert set(details.plan.oom_score_adj) == set(details.containers)
    for pod in details.pods:
        assert pod.decision.reason
        assert bool(pod.decision.to_guaranteed) == bool(pod.decision.changes)


@each_policy
@settings(max_examples=EXAMPLES, deadline=None)
@given(pods=pods(), node=nodes(), profile=profiles())
def test_text_round_trip(policy: str, pods: list[Pod], node: Node, profile: Profile) -> None:
    """A plan written as text is read back as the same plan."""
    plan = POLICIES[policy].plan(pods, node, profile)
    assert Plan.from_text(plan.to_text()) == plan


@each_policy
@settings(max_examples=EXAMPLES, deadline=None)
@given(pods=pods(), node=nodes(), profile=profiles(), seed=st.integers(0, 1000))
def test_order_of_pods(policy: str, pods: list[Pod], node: Node, profile: Profile, seed: int) -> None:
    """The order in which pods are given does not matter, not even of two with one name."""
    shuffled = random.Random(seed).sample(pods, len(pods))
    assert POLICIES[policy].plan(shuffled, node, profile) == POLICIES[policy].plan(pods, node, profile)


@settings(max_examples=EXAMPLES, deadline=None)
@given(pods=pods())
def test_defaulting_twice(pods: list[Pod]) -> None:
    """API defaulting changes nothing the second time, and never a class that was Guaranteed."""
    for pod in pods:
        once = apply_defaults(pod)
        assert apply_defaults(once) == once


PODS = int(os.environ.get("QOS_PODS", "200"))


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS, ids=format_version)
def test_many_pods(version: tuple[int, ...]) -> None:
    """A node full of random pods is planned by every policy with every value within its range."""
    draw = random.Random(str(version))
    crowd = [Pod.model_validate(crowd_document(draw, index)) for index in range(PODS)]
    stored = [apply_defaults(pod) for pod in crowd]
    node = Node.model_validate(
        {"status": {"capacity": {"cpu": "64", "memory": "256Gi"}}, "kubelet": BUSY_KUBELET}
    )
    for policy in POLICIES.values():
        plan = policy.plan(stored, node, Profile(kubernetes=version))
        again = Plan.from_text(plan.to_text())  # from_text checks every range
        assert again == plan
        assert len(plan.oom_score_adj) == sum(len(pod.typed_containers()) for pod in stored)

"""CPU that each cgroup is sure to get under full contention."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_pods import nodes, pods

from qos.model.cgroup import CgroupName, CgroupSpec, CpuMax, parent
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.defaults import apply_defaults
from qos.policy.fair_share import fair_share, water_fill
from qos.policy.registry import POLICIES, plan_node
from qos.policy.shares import node_shares


def plan(**cgroups: CgroupSpec) -> Plan:
    """A plan; ``__`` in a name stands for a slash."""
    return Plan.of({CgroupName(name.replace("__", "/")): spec for name, spec in cgroups.items()})


class TestWorkedExamples:
    def test_weights(self) -> None:
        """Siblings of weight 100 and 300 share 4 CPUs as 1 and 3."""
        assert fair_share(plan(a=CgroupSpec(cpu_weight=100), b=CgroupSpec(cpu_weight=300)), 4) == {
            "a": 1,
            "b": 3,
        }

    def test_quota_left_to_others(self) -> None:
        """What a quota keeps one from using goes to the others by weight."""
        capped = CgroupSpec(cpu_weight=300, cpu_max=CpuMax(quota_usec=200_000))
        assert fair_share(plan(a=CgroupSpec(cpu_weight=100), b=capped), 4) == {"a": 2, "b": 2}

    def test_level_by_level(self) -> None:
        """Weights act among siblings: two children share their parent's part, however heavy they are."""
        tree = plan(
            a=CgroupSpec(cpu_weight=100),
            b=CgroupSpec(cpu_weight=100),
            b__x=CgroupSpec(cpu_weight=10_000),
            b__y=CgroupSpec(),
        )
        shares = fair_share(tree, 2)
        assert shares["a"] == shares["b"] == 1
        assert shares["b/x"] == pytest.approx(10_000 / 10_100)

    def test_child_limits_bind_the_parent(self) -> None:
        """A parent whose children may use 1 CPU in all leaves the rest to its sibling."""
        small = CgroupSpec(cpu_max=CpuMax(quota_usec=50_000))
        shares = fair_share(plan(a=CgroupSpec(), b=CgroupSpec(), b__x=small, b__y=small), 4)
        assert shares == {"a": 3, "b": 1, "b/x": 0.5, "b/y": 0.5}

    def test_idle_yields(self) -> None:
        """An idle cgroup counts as weight 3 of 1024 against 100."""
        shares = fair_share(plan(a=CgroupSpec(), b=CgroupSpec(cpu_idle=1)), 1)
        assert shares["b"] == pytest.approx(3 / 1027)

    def test_cpuset(self) -> None:
        """A cgroup uses at most the CPUs it may run on."""
        assert fair_share(plan(a=CgroupSpec(cpuset_cpus="0"), b=CgroupSpec()), 4) == {"a": 1, "b": 3}

    def test_done_and_empty(self) -> None:
        """Leaves that run nothing get nothing, and so do levels with nothing in them."""
        shares = fair_share(
            plan(a=CgroupSpec(), b=CgroupSpec(), b__x=CgroupSpec()), 2, without={CgroupName("b/x")}
        )
        assert shares == {"a": 2, "b": 0, "b/x": 0}


@given(
    st.floats(0, 1000),
    st.lists(st.tuples(st.floats(0.1, 10_000), st.floats(0, 100)), min_size=1, max_size=8),
)
def test_water_fill(amount: float, siblings: list[tuple[float, float]]) -> None:
    """All is given out unless everyone is full, nobody has more than may be, and the open ones are level."""
    weights = {CgroupName(str(i)): weight for i, (weight, _) in enumerate(siblings)}
    ceilings = {CgroupName(str(i)): ceiling for i, (_, ceiling) in enumerate(siblings)}
    given_out = water_fill(amount, weights, ceilings)
    assert math.fsum(given_out.values()) == pytest.approx(min(amount, math.fsum(ceilings.values())), abs=1e-6)
    assert all(given_out[name] <= ceilings[name] + 1e-9 for name in weights)
    levels = [given_out[name] / weights[name] for name in weights if given_out[name] < ceilings[name] - 1e-6]
    full = [given_out[name] / weights[name] for name in weights if given_out[name] >= ceilings[name] - 1e-6]
    if levels:
        assert max(levels) == pytest.approx(min(levels), abs=1e-6)
        assert all(level <= min(levels) + 1e-6 for level in full)


@settings(max_examples=40, deadline=None)
@given(some=pods(), node=nodes())
def test_node_shares(some: list[Pod], node: Node) -> None:
    """On a node no more is given out than it has for pods, and children never have more than their parent."""
    stored = [apply_defaults(pod) for pod in some]
    details = plan_node(POLICIES["kubelet"], stored, node, Profile())
    shares = node_shares(details, node)
    assert shares.keys() == details.plan.cgroups.keys()
    assert all(math.isfinite(share) and share >= 0 for share in shares.values())
    init = {c.cgroup for c in details.containers.values() if c.type == "init"}
    for name in details.plan:
        running = [shares[child] for child in details.plan.children(name) if child not in init]
        assert math.fsum(running) <= shares[name] + 1e-6
        assert parent(name) == "" or shares[name] <= shares[parent(name)] + 1e-6


def test_reserved_is_not_shared_out() -> None:
    """Of 4 CPUs with half a CPU reserved, pods share 3.5; an exclusive CPU is taken out first."""
    node = Node.model_validate(
        {
            "status": {"capacity": {"cpu": "4", "memory": "8Gi"}},
            "kubelet": {"systemReserved": {"cpu": "500m"}, "cpuManagerPolicy": "static"},
        }
    )
    pinned = {"name": "pinned", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    setup = {"name": "setup", "resources": {"limits": {"cpu": "1"}}}
    documents = [
        {"metadata": {"name": "a", "uid": "a"}, "spec": {"containers": [pinned]}},
        {
            "metadata": {"name": "b", "uid": "b"},
            "spec": {"containers": [{"name": "free"}], "initContainers": [setup]},
        },
    ]
    stored = [apply_defaults(Pod.model_validate(document)) for document in documents]
    shares = node_shares(plan_node(POLICIES["kubelet"], stored, node, Profile()), node)
    assert shares[CgroupName("kubepods")] == 3.5
    assert shares[CgroupName("kubepods/poda/pinned")] == 1
    assert shares[CgroupName("kubepods/burstable/podb/free")] == 2.5
    assert shares[CgroupName("kubepods/burstable/podb/setup")] == 1

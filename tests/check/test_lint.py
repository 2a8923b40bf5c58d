"""Tests of qos.check.lint: each rule on the pod it was written for, and on none that is fine.

The plans are the kubelet policy's own, so a rule is tested against the values a node would really get.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.check.lint import Finding, LintInput, lint
from qos.check.lint_rules import RULES
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.defaults import apply_defaults
from qos.policy.formulas import milli_cpu_to_shares, shares_to_weight_linear, shares_to_weight_quadratic
from qos.policy.registry import find_policy, plan_node


def _given(spec: dict[str, Any], kubelet: dict[str, Any] | None = None, **more: Any) -> LintInput:
    pod = apply_defaults(Pod.model_validate({"metadata": {"name": "p"}, "spec": spec}))
    node = Node.model_validate(
        {"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}, "kubelet": kubelet or {}}
    )
    profile = more.pop("profile", Profile())
    details = plan_node(find_policy("kubelet"), [pod], node, profile)
    containers = {one.container.name: one.cgroup for one in details.pods[0].containers}
    return LintInput(pod, details.pods[0].cgroup, containers, details.plan, node_cpus=4.0, **more)


def _container(
    requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, name: str = "c", **more: Any
):
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}, **more}


def _found(given: LintInput, rule: str) -> list[Finding]:
    return list(RULES[rule](given))


def test_a_plain_pod_has_no_finding() -> None:
    """Requests below limits, whole pages, a quota above the threads: nothing to say."""
    fine = _container({"cpu": "500m", "memory": "256Mi"}, {"cpu": "2", "memory": "512Mi"})
    assert lint(_given({"containers": [fine]}, threads={"c": 2}), RULES) == ()


@pytest.mark.parametrize("limit", ["1m", "3m", "9m"])
def test_limits_below_ten_millicores_are_all_ten(limit: str) -> None:
    """The kernel's least quota of 1 ms makes 10m of each, and the finding says so."""
    (finding,) = _found(_given({"containers": [_container(limits={"cpu": limit})]}), "quota-rounded-up")
    assert finding.reason.endswith("it gets 10m")
    assert _found(_given({"containers": [_container(limits={"cpu": "10m"})]}), "quota-rounded-up") == []


def test_a_request_that_weighs_as_much_as_none() -> None:
    """2m is weight 1 in its own cgroup and in the pod's; 29m is above 1 in both."""
    found = _found(_given({"containers": [_container({"cpu": "2m"})]}), "weight-one")
    assert [one.where for one in found] == ["default/p/c", "default/p"]
    assert _found(_given({"containers": [_container({"cpu": "29m"})]}), "weight-one") == []


def test_the_advice_of_29m_holds_for_every_conversion() -> None:
    """28m is the largest request that the kubelet's conversion still turns into weight 1."""
    for convert, one, two in ((shares_to_weight_linear, 28, 29), (shares_to_weight_quadratic, 2, 3)):
        assert convert(milli_cpu_to_shares(one)) == 1
        assert convert(milli_cpu_to_shares(two)) == 2


def test_requests_that_differ_but_weigh_the_same() -> None:
    """1m and 2m both become weight 1, so the second buys nothing over the first."""
    pair = [_container({"cpu": "1m"}, name="a"), _container({"cpu": "2m"}, name="b")]
    (finding,) = _found(_given({"containers": pair}), "weights-alike")
    assert "a 1m, b 2m" in finding.reason
    pair = [_container({"cpu": "100m"}, name="a"), _container({"cpu": "200m"}, name="b")]
    assert _found(_given({"containers": pair}), "weights-alike") == []


def test_page_cache_that_can_never_be_reclaimed() -> None:
    """A Guaranteed container under MemoryQoS has memory.min == memory.max."""
    kubelet = {"featureGates": {"MemoryQoS": True}, "memoryReservationPolicy": "TieredReservation"}
    spec = {"containers": [_container(limits={"cpu": "1", "memory": "1Gi"})]}
    (finding,) = _found(_given(spec, kubelet), "min-equals-max")
    assert finding.severity == "info"
    (finding,) = _found(_given(spec, kubelet, page_cache=frozenset({"c"})), "min-equals-max")
    assert finding.severity == "warning"
    assert _found(_given(spec), "min-equals-max") == []


def test_more_threads_than_quota() -> None:
    """4 threads with 1 CPU burn the quota in 25 of 100 ms; threads also come from GOMAXPROCS."""
    spec = {"containers": [_container(limits={"cpu": "1"})]}
    (finding,) = _found(_given(spec, threads={"c": 4}), "quota-below-threads")
    assert "in 25.0 of 100 ms" in finding.reason
    assert "for 75.0 ms" in finding.reason
    env = [{"name": "GOMAXPROCS", "value": "4"}]
    spec = {"containers": [_container(limits={"cpu": "1"}, env=env)]}
    assert len(_found(_given(spec), "quota-below-threads")) == 1
    assert (
        _found(_given({"containers": [_container(limits={"cpu": "4"}, env=env)]}), "quota-below-threads")
        == []
    )


def test_a_limit_of_zero_is_none() -> None:
    """The file says max although the manifest says 0."""
    given = _given({"containers": [_container(limits={"cpu": "0"})]})
    (finding,) = _found(given, "zero-limit")
    assert finding.severity == "error"
    assert str(given.spec(given.containers["c"]).cpu_max).startswith("max")


def test_memory_in_thousandths_and_cpu_in_bytes() -> None:
    """memory: 100m is one byte, cpu: 512Mi half a billion CPUs."""
    (finding,) = _found(_given({"containers": [_container({"memory": "100m"})]}), "memory-below-a-page")
    assert "probably 100Mi" in finding.fix
    (finding,) = _found(_given({"containers": [_container({"cpu": "512Mi"})]}), "cpu-in-bytes")
    assert "536870912 CPUs" in finding.reason


def test_an_empty_pod_level_makes_any_pod_best_effort() -> None:
    """spec.resources: {} hides what the containers ask for."""
    spec = {"containers": [_container({"cpu": "1"})], "resources": {}}
    assert len(_found(_given(spec), "empty-pod-resources")) == 1
    assert _found(_given({"containers": [_container({"cpu": "1"})]}), "empty-pod-resources") == []


def test_one_init_container_takes_the_pods_limit() -> None:
    """Without its limit the pod's cgroup has no memory.max, as the plan shows."""
    spec = {
        "containers": [_container(limits={"cpu": "1", "memory": "1Gi"})],
        "initContainers": [_container({"cpu": "1"}, {"cpu": "1"}, name="i")],
    }
    given = _given(spec)
    (finding,) = _found(given, "init-without-limit")
    assert finding.where == "default/p/i"
    assert given.spec(given.cgroup).memory_max is None


def test_limits_nobody_reaches() -> None:
    """More CPUs than the node has, more memory than the pod may use."""
    assert len(_found(_given({"containers": [_container(limits={"cpu": "8"})]}), "limit-above-node")) == 1
    spec = {
        "containers": [_container(limits={"cpu": "2", "memory": "1Gi"})],
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
    }
    assert [one.where for one in _found(_given(spec), "limit-above-pod")] == ["default/p/c"] * 2


def test_protection_that_an_ancestor_does_not_have_is_void() -> None:
    """Before 1.36 MemoryQoS set memory.min at every level; a container's alone protects nothing."""
    spec = {"containers": [_container({"memory": "256Mi"}, {"memory": "1Gi"})]}
    given = _given(
        spec, {"featureGates": {"MemoryQoS": True}, "memoryReservationPolicy": "TieredReservation"}
    )
    assert _found(given, "void-protection") == []
    bare = {
        name: value.model_copy(update={"memory_low": None}) if name == given.cgroup else value
        for name, value in given.plan.cgroups.items()
    }
    alone = LintInput(given.pod, given.cgroup, given.containers, type(given.plan).of(bare))
    (finding,) = _found(alone, "void-protection")
    assert finding.where == "default/p/c"


_quantities = st.sampled_from(["0", "1m", "100m", "2", "64Mi", "1Gi", "8Gi"])
_lists = st.dictionaries(st.sampled_from(["cpu", "memory"]), _quantities)


@given(st.lists(st.tuples(_lists, _lists), min_size=1, max_size=3), st.booleans())
def test_no_pod_breaks_a_rule(
    resources: list[tuple[dict[str, str], dict[str, str]]], memory_qos: bool
) -> None:
    """Whatever the pod, findings come worst first and each says where, why and what to do."""
    containers = [_container(*one, name=f"c{index}") for index, one in enumerate(resources)]
    kubelet = {"featureGates": {"MemoryQoS": memory_qos}}
    found = lint(_given({"containers": containers}, kubelet), RULES)
    order = [("error", "warning", "info").index(one.severity) for one in found]
    assert order == sorted(order)
    assert all(one.where.startswith("default/p") and one.reason and one.fix for one in found)
    assert {one.id for one in found} <= RULES.keys()

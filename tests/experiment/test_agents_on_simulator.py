"""The kubelet's agents on the simulated kernel: leaks, evictions and restarts as they come about."""

from __future__ import annotations

from typing import Any

import pytest

from qos.experiment.agents import build_agents
from qos.experiment.drive import Driver, Observed
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.workload import Workload
from qos.policy.base import PlanDetails
from qos.policy.defaults import apply_defaults
from qos.policy.registry import find_policy, plan_node
from qos.simulate.kernel import SimKernel

MIB = 1024 * 1024
GIB = 1024 * MIB


def _pod(name: str, requests: dict[str, str], limits: dict[str, str] | None = None, **spec: Any) -> Pod:
    container = {"name": "c", "resources": {"requests": requests, "limits": limits or {}}}
    pod = {"metadata": {"name": name, "uid": name}, "spec": {"containers": [container], **spec}}
    return apply_defaults(Pod.model_validate(pod))


def _run(
    pods: list[Pod], loads: dict[str, dict[str, Any]], seconds: float, agents: tuple[str, ...]
) -> tuple[Observed, dict[str, CgroupName]]:
    node = Node.model_validate({"status": {"capacity": {"cpu": "2", "memory": "1Gi", "pods": "10"}}})
    policy = find_policy("kubelet")

    def plan_of(live: Any) -> Any:
        kept = [one.pod for one in details.pods if one.cgroup in live]
        return plan_node(policy, kept, node, Profile()).plan

    details: PlanDetails = plan_node(policy, pods, node, Profile())
    names = {one.pod.name: one.cgroup for one in details.pods}
    leaves = {one.pod.name: one.containers[0].cgroup for one in details.pods}
    workloads = {leaves[name]: Workload.model_validate(load) for name, load in loads.items()}
    kernel = SimKernel(details.plan, cpus=2, memory_bytes=GIB, sample_interval_seconds=1.0)
    driver = Driver(kernel, details.plan, workloads, build_agents(agents, details, node, plan_of))
    return driver.run(seconds), names | {f"{name}/c": leaf for name, leaf in leaves.items()}


def _events(seen: Observed, *kinds: str) -> list[tuple[float, str, CgroupName]]:
    return [(event.time, event.kind, event.cgroup) for event in seen.events if event.kind in kinds]


def _leak(start: str, rate: str) -> dict[str, Any]:
    anon = {"start": start, "growPerSecond": rate, "growAt": "1s", "limit": "4Gi"}
    return {"memory": {"anon": anon}, "cpu": {"shape": "constant", "cpu": "100m", "threads": 1}}


def test_a_slow_leak_is_evicted_before_the_kernel_kills() -> None:
    """10 MiB/s past its request: the kubelet evicts the leaker, nobody is OOM-killed, the other pod lives."""
    pods = [_pod("leaker", {"memory": "64Mi"}), _pod("steady", {"memory": "512Mi"})]
    loads = {"leaker": _leak("64Mi", "8Mi"), "steady": {"memory": {"anon": {"start": "400Mi"}}}}
    seen, names = _run(pods, loads, 120, ("eviction", "restart"))
    ((at, _, cgroup),) = _events(seen, "evict")
    assert cgroup == names["leaker"]
    assert at % 10 == pytest.approx(0)
    assert _events(seen, "oom_kill", "global_oom_kill") == []
    left = seen.samples.column("memory_current", names["leaker/c"])
    assert left[-1] == 0
    assert seen.samples.column("memory_current", names["steady/c"])[-1] == pytest.approx(400 * MIB, rel=0.05)


def test_a_fast_leak_is_killed_by_the_kernel_between_two_looks() -> None:
    """200 MiB/s fills the node in less than the 10 s between two looks: the kernel is first."""
    pods = [_pod("leaker", {"memory": "64Mi"}), _pod("steady", {"memory": "512Mi"})]
    loads = {"leaker": _leak("64Mi", "200Mi"), "steady": {"memory": {"anon": {"start": "400Mi"}}}}
    seen, names = _run(pods, loads, 9, ("eviction",))
    assert _events(seen, "evict") == []
    killed = [cgroup for _, _, cgroup in _events(seen, "oom_kill", "global_oom_kill")]
    assert killed[:1] == [names["leaker/c"]]


def test_a_container_that_hits_its_limit_comes_back_with_growing_waits() -> None:
    """A leak of 100 MiB/s under 200 MiB dies 1 to 3 s after each start; restarts wait 0, 10, 20, 40 s."""
    pods = [_pod("leaker", {"memory": "200Mi"}, {"memory": "200Mi"})]
    seen, names = _run(pods, {"leaker": _leak("50Mi", "100Mi")}, 100, ("restart",))
    deaths = [at for at, _, cgroup in _events(seen, "oom_kill") if cgroup == names["leaker/c"]]
    restarts = [at for at, _, cgroup in _events(seen, "restart") if cgroup == names["leaker/c"]]
    waits = [back - gone for gone, back in zip(deaths, restarts, strict=False)]
    assert len(waits) >= 4
    assert waits[:4] == pytest.approx([0, 10, 20, 40], abs=1.0)


def test_never_means_never() -> None:
    """With restartPolicy Never: one death, no restart."""
    pods = [_pod("leaker", {"memory": "200Mi"}, {"memory": "200Mi"}, restartPolicy="Never")]
    seen, _ = _run(pods, {"leaker": _leak("50Mi", "100Mi")}, 60, ("restart",))
    assert len(_events(seen, "oom_kill")) == 1
    assert _events(seen, "restart", "backoff") == []


def test_best_effort_makes_room() -> None:
    """BestEffort's quota falls to what a busy pod leaves below 65 % of the node, and is written down."""
    pods = [_pod("busy", {"cpu": "1"}), _pod("effort", {})]
    spin = {"cpu": {"shape": "spin", "threads": 2}}
    loads = {"busy": {"cpu": {"shape": "constant", "cpu": "1", "threads": 1}}, "effort": spin}
    seen, names = _run(pods, loads, 60, ("suppress",))
    assert _events(seen, "suppress")
    usage = seen.samples.column("cpu_stat_usage_usec", names["effort/c"])
    last_ten_seconds = (usage[-1] - usage[-11]) / 10e6
    assert last_ten_seconds == pytest.approx(0.3, abs=0.05)

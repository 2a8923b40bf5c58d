"""The agents of the simulator on a real kernel: the same classes, the same driver, real processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from applying import enforcer_of, plan_of

from enforcer.cgroupfs import CgroupFS
from enforcer.kernel import HostKernel
from enforcer.load import LoadProcess, start_load
from qos.agent.eviction import EvictionAgent
from qos.agent.facts import ContainerFacts, NodeFacts, PodFacts
from qos.agent.restart import RestartAgent
from qos.agent.thresholds import parse_thresholds
from qos.experiment.drive import Driver
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.kernel import Agent
from qos.model.sample import Samples
from qos.model.workload import Workload

MIB = 1024 * 1024
LONGEST_SECONDS = 60.0
LEAKER, STEADY = CgroupName("kubepods/leaker"), CgroupName("kubepods/steady")
PLAN = {
    "kubepods": {},
    "kubepods/leaker": {},
    "kubepods/leaker/c": {"memory.max": str(120 * MIB), "memory.oom.group": "1"},
    "kubepods/steady": {},
    "kubepods/steady/c": {},
}


def _pod(cgroup: CgroupName, request_mib: int) -> PodFacts:
    container = ContainerFacts("c", CgroupName(f"{cgroup}/c"))
    return PodFacts(f"default/{cgroup}", cgroup, (container,), memory_request_bytes=request_mib * MIB)


def _kernel(fs: CgroupFS, state: Path) -> HostKernel:
    def start(name: CgroupName, path: str, workload: Workload, oom_score_adj: int) -> LoadProcess:
        del name
        return start_load(fs, path, workload, None, oom_score_adj=oom_score_adj)

    return HostKernel(fs, enforcer_of(fs, state), plan_of(PLAN), starter=start, sample_interval_seconds=0.5)


def _leak(start: str, rate: str, limit: str) -> Workload:
    anon = {"start": start, "growPerSecond": rate, "growAt": "1s", "limit": limit}
    return Workload.model_validate({"memory": {"anon": anon}})


def _steady(amount: str) -> Workload:
    return Workload.model_validate({"memory": {"anon": {"start": amount}}})


def _run_until_evicted(
    kernel: HostKernel, loads: Mapping[CgroupName, Workload], agents: Sequence[Agent]
) -> tuple[list[Event], Samples]:
    """Ten seconds, and more while nothing is evicted: the guest of a busy machine leaks later."""
    seen = Driver(kernel, kernel.plan, loads, agents).run(10)
    events = list(seen.events)
    while kernel.now_seconds < LONGEST_SECONDS and all(event.kind != "evict" for event in events):
        seen = Driver(kernel, kernel.plan, loads, agents, running=loads).run(5)
        events += seen.events
    return events, seen.samples


def test_the_leaker_is_evicted_and_the_other_lives(fs: CgroupFS, tmp_path: Path) -> None:
    """On a node told to have 240 MiB, a pod that leaks past its request is killed for good; no OOM kill."""
    pods = (_pod(LEAKER, 20), _pod(STEADY, 100))
    thresholds = parse_thresholds({"memory.available": "100Mi"}, enforce_node_allocatable=())
    node = NodeFacts(memory_capacity_bytes=240 * MIB, cpu_capacity_milli=1000)
    agents = [EvictionAgent(node, pods, thresholds, period_seconds=1.0), RestartAgent(pods)]
    loads = {
        CgroupName("kubepods/leaker/c"): _leak("30Mi", "15Mi", "110Mi"),
        CgroupName("kubepods/steady/c"): _steady("80Mi"),
    }
    with _kernel(fs, tmp_path / "s") as kernel:
        events, samples = _run_until_evicted(kernel, loads, agents)
    told = [(event.kind, event.cgroup) for event in events if event.kind in {"evict", "oom_kill", "restart"}]
    assert told == [("evict", LEAKER)]
    assert samples.column("cgroup_events_populated", "kubepods/leaker/c")[-1] == 0
    assert samples.column("memory_current", "kubepods/steady/c")[-1] >= 80 * MIB
    (evict,) = (event for event in events if event.kind == "evict")
    assert "low on resource: memory" in evict.reason


def test_an_oom_killed_container_comes_back_with_the_kubelets_back_off(fs: CgroupFS, tmp_path: Path) -> None:
    """The real OOM killer, told by the kernel: the first restart comes at once, the second after 10 s."""
    pods = (_pod(LEAKER, 20),)
    loads = {CgroupName("kubepods/leaker/c"): _leak("20Mi", "100Mi", "160Mi")}
    with _kernel(fs, tmp_path / "s") as kernel:
        seen = Driver(kernel, kernel.plan, loads, [RestartAgent(pods)]).run(32)
    deaths = [event.time for event in seen.events if event.kind == "oom_kill"]
    backs = [event.time for event in seen.events if event.kind == "restart"]
    assert len(deaths) >= 2
    assert len(backs) >= 2
    assert backs[0] - deaths[0] == pytest.approx(0, abs=1.5)  # the agent looks once a second
    assert backs[1] - deaths[1] == pytest.approx(10, abs=1.5)

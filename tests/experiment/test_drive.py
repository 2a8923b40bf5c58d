"""The driver: one loop for both kernels, tried here on the simulated one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from qos.experiment.drive import Driver, join_completions
from qos.model.action import Action, Evict, Restart, Write
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.event import Event
from qos.model.plan import Change, Plan
from qos.model.sample import Completions, Samples
from qos.model.workload import Spin, Workload
from qos.simulate.kernel import SimKernel

WEB, JOB = CgroupName("kubepods/pod-a/web"), CgroupName("kubepods/pod-b/job")
PLAN = Plan.of({WEB: CgroupSpec(cpu_weight=100), JOB: CgroupSpec(cpu_weight=100)})
BUSY = Workload(name="busy", cpu=Spin(threads=1))


class _Scripted:
    """An agent that does what it is told at its n-th look."""

    name = "scripted"

    def __init__(self, period_seconds: float, actions: dict[int, Action]) -> None:
        self.period_seconds = period_seconds
        self.actions = actions
        self.looks: list[float] = []

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """The action of this look."""
        del events, plan
        assert samples.times[-1] == pytest.approx(now_seconds)
        self.looks.append(now_seconds)
        action = self.actions.get(len(self.looks))
        return [action] if action else []


def _run(agent: _Scripted, seconds: float = 10.0) -> tuple[SimKernel, Samples, tuple[Event, ...]]:
    kernel = SimKernel(PLAN, cpus=1, memory_bytes=1 << 30)
    seen = Driver(kernel, PLAN, {WEB: BUSY, JOB: BUSY}, [agent]).run(seconds)
    return kernel, seen.samples, seen.events


def test_an_agent_looks_at_its_period() -> None:
    """Every period once, the last time at the end; a period that floats cannot hold is not missed."""
    agent = _Scripted(0.1, {})
    _run(agent)
    assert agent.looks == pytest.approx(np.arange(1, 101) * 0.1)


def test_an_evicted_pod_uses_nothing_more() -> None:
    """After Evict the pod's usage stands still and the other has the CPU alone."""
    _, samples, events = _run(_Scripted(5.0, {1: Evict(CgroupName("kubepods/pod-b"), "node full")}))
    assert samples.column("cpu_stat_usage_usec", JOB)[-1] == pytest.approx(2.5e6)
    assert samples.column("cpu_stat_usage_usec", WEB)[-1] == pytest.approx(7.5e6)
    assert ("evict", "node full") in {(event.kind, event.reason) for event in events}


def test_grace_lies_between_the_eviction_and_the_kill() -> None:
    """The event is the eviction's; a workload that does not listen runs until its grace is over."""
    evict = Evict(CgroupName("kubepods/pod-b"), "node full", grace_seconds=2.0)
    _, samples, events = _run(_Scripted(5.0, {1: evict}))
    assert samples.column("cpu_stat_usage_usec", JOB)[-1] == pytest.approx(3.5e6)
    told = {event.kind: event.time for event in events if event.cgroup == "kubepods/pod-b"}
    assert told["evict"] == pytest.approx(5.0)
    assert told["killed"] == pytest.approx(7.0)


def test_a_write_changes_what_is_in_force() -> None:
    """After Write the new weight counts."""
    change = Change("set", CgroupName("kubepods/pod-a"), "cpu_weight", None, 300)
    kernel, samples, _ = _run(_Scripted(5.0, {1: Write((change,), "resized")}))
    assert kernel.plan.cgroups[CgroupName("kubepods/pod-a")].cpu_weight == 300
    assert samples.column("cpu_stat_usage_usec", WEB)[-1] == pytest.approx(2.5e6 + 3.75e6)


def test_a_restart_waits_its_back_off() -> None:
    """The workload starts again after the back-off and both moments are written down."""
    _, _, events = _run(_Scripted(1.0, {2: Restart(JOB, 3.0, "again")}))
    told = [(event.kind, event.time) for event in events if event.cgroup == JOB]
    assert ("backoff", pytest.approx(2.0)) in told
    assert ("restart", pytest.approx(5.0)) in told


def test_completions_join_over_their_cgroups() -> None:
    """Indices of each part are moved to the union of the names."""
    one = Completions((WEB,), np.zeros(1, dtype=np.int32), np.array([1.0]), np.array([0.1]))
    two = Completions(
        (JOB, WEB), np.array([0, 1], dtype=np.int32), np.array([2.0, 3.0]), np.array([0.2, 0.3])
    )
    joined = join_completions([one, two])
    assert joined.of(WEB).tolist() == [0.1, 0.3]
    assert joined.of(JOB).tolist() == [0.2]

"""Tests of the agents that write values: QoS levels, in-place resize, BestEffort suppression."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from readings import samples_of

from qos.agent.facts import NodeFacts, PodFacts
from qos.agent.levels import QOSLevelAgent
from qos.agent.resize import ResizeAgent, ResizeRequest
from qos.agent.suppress import SuppressAgent, suppressed_quota_usec
from qos.model.action import Action, Note, Write
from qos.model.cgroup import CgroupName, CgroupSpec, CpuMax
from qos.model.event import Event
from qos.model.plan import Plan, apply_changes
from qos.model.qos_class import QOSClass
from qos.model.resize import ResizeDecision

NOTHING = samples_of(0.0, {})
LEVEL = CgroupName("kubepods/burstable")
ONE, TWO = CgroupName("kubepods/burstable/pod1"), CgroupName("kubepods/burstable/pod2")
PODS = (PodFacts("default/one", ONE), PodFacts("default/two", TWO))


def _plan(level_weight: int, *pods: CgroupName) -> Plan:
    return Plan.of(
        {LEVEL: CgroupSpec(cpu_weight=level_weight)} | {pod: CgroupSpec(cpu_weight=50) for pod in pods}
    )


def _writes(actions: object) -> list[Write]:
    return [one for one in actions if isinstance(one, Write)]  # type: ignore[attr-defined] # a sequence of actions


class TestQOSLevels:
    def test_the_burstable_weight_follows_the_pods_that_are_left(self) -> None:
        """After an eviction the level's weight is that of the remaining pod; nothing else is written."""
        agent = QOSLevelAgent(PODS, lambda live: _plan(50 * len(live), *live))
        plan = _plan(100, ONE, TWO)
        assert agent.step(60, NOTHING, (), plan) == ()
        (write,) = _writes(agent.step(120, NOTHING, (Event(61, "evict", TWO, ""),), plan))
        assert [(c.cgroup, c.knob, c.old, c.new) for c in write.changes] == [(LEVEL, "cpu_weight", 100, 50)]
        assert agent.step(180, NOTHING, (), apply_changes(plan, write.changes)) == ()

    def test_a_pods_own_values_are_left_alone(self) -> None:
        """What somebody wrote into a pod's cgroup is not undone by the level's refresh."""
        agent = QOSLevelAgent(PODS, lambda live: _plan(100, *live))
        changed = Plan.of(dict(_plan(100, ONE, TWO).cgroups) | {ONE: CgroupSpec(cpu_weight=77)})
        assert agent.step(60, NOTHING, (), changed) == ()


def _resized(limit: int, weight: int = 50) -> Plan:
    return Plan.of({LEVEL: CgroupSpec(), ONE: CgroupSpec(memory_max=limit, cpu_weight=weight)})


class TestResize:
    def _agent(self, outcomes: list[ResizeDecision], limit: int = 50) -> ResizeAgent:
        def decide(*_: object) -> ResizeDecision:
            return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]

        request = ResizeRequest(10.0, PODS[0], _resized(limit))
        return ResizeAgent([request], decide, PODS)

    def test_nothing_happens_before_it_is_asked_for(self) -> None:
        """At 9 s no write, at 10 s the write."""
        agent = self._agent([ResizeDecision("accepted")])
        assert agent.step(9, NOTHING, (), _resized(100)) == ()
        (write,) = _writes(agent.step(10, NOTHING, (), _resized(100)))
        assert [(c.cgroup, c.knob, c.new) for c in write.changes] == [(ONE, "memory_max", 50)]
        assert agent.step(11, NOTHING, (), _resized(50)) == ()

    def test_deferred_is_tried_again_when_a_pod_has_gone(self) -> None:
        """Put off and said once; an eviction makes room at once."""
        agent = self._agent([ResizeDecision("deferred", "no room"), ResizeDecision("accepted")])
        (note,) = agent.step(10, NOTHING, (), _resized(100))
        assert isinstance(note, Note)
        assert "Deferred: no room" in note.reason
        assert agent.step(20, NOTHING, (), _resized(100)) == ()
        assert _writes(agent.step(21, NOTHING, (Event(20.5, "evict", TWO, ""),), _resized(100)))

    def test_infeasible_is_dropped(self) -> None:
        """Said once, never tried again."""
        agent = self._agent([ResizeDecision("infeasible", "too large"), ResizeDecision("accepted")])
        assert [type(one) for one in agent.step(10, NOTHING, (), _resized(100))] == [Note]
        assert agent.step(1000, NOTHING, (), _resized(100)) == ()

    def test_memory_in_use_is_not_cut_off(self) -> None:
        """A limit below current usage waits until usage has fallen, instead of an OOM kill."""
        agent = self._agent([ResizeDecision("accepted")])
        used = samples_of(10, {ONE: {"memory_current": 80}})
        (note,) = agent.step(10, used, (), _resized(100))
        assert isinstance(note, Note)
        assert "below current usage" in note.reason
        less = samples_of(12, {ONE: {"memory_current": 40}})
        assert _writes(agent.step(12, less, (), _resized(100)))

    def test_who_waits_is_served_by_priority_then_class_then_time(self) -> None:
        """Of three resizes at once the higher priority goes first, then Guaranteed before Burstable."""
        facts = (
            PodFacts("default/a", ONE, qos_class=QOSClass.BURSTABLE),
            PodFacts("default/b", TWO, qos_class=QOSClass.GUARANTEED),
            PodFacts("default/c", CgroupName("kubepods/c"), priority=10),
        )
        plan = Plan.of({pod.cgroup: CgroupSpec(cpu_weight=1) for pod in facts})
        wanted = Plan.of({pod.cgroup: CgroupSpec(cpu_weight=2) for pod in facts})
        requests = [ResizeRequest(5.0, pod, wanted) for pod in facts]
        seen: list[str] = []

        def decide(request: ResizeRequest, *_: object) -> ResizeDecision:
            seen.append(request.pod.name)
            return ResizeDecision("accepted")

        actions: tuple[Action, ...] = tuple(ResizeAgent(requests, decide, facts).step(5, NOTHING, (), plan))
        assert seen == ["default/c", "default/b", "default/a"]
        assert len(actions) == 3


NODE = NodeFacts(memory_capacity_bytes=1, cpu_capacity_milli=8000)
BEST_EFFORT = CgroupName("kubepods/besteffort")


def _usage(time: float, node_seconds: float, best_effort_seconds: float):
    rows = {
        "": {"cpu_stat_usage_usec": node_seconds * 1e6},
        BEST_EFFORT: {"cpu_stat_usage_usec": best_effort_seconds * 1e6},
    }
    return samples_of(time, rows)


class TestSuppress:
    def test_best_effort_gets_what_the_others_leave_below_the_threshold(self) -> None:
        """8 CPUs, threshold 65 %, 3.2 used by others: 2 CPUs, as soon as two readings tell the use."""
        agent = SuppressAgent(NODE)
        plan = Plan.of({BEST_EFFORT: CgroupSpec(cpu_weight=1)})
        assert agent.step(1, _usage(1, 10, 2), (), plan) == ()
        (write,) = _writes(agent.step(2, _usage(2, 10 + 3.2 + 1, 3), (), plan))
        assert write.kind == "suppress"
        assert write.changes[0].new == CpuMax(quota_usec=200_000)

    def test_it_rises_slowly_and_ignores_what_is_not_worth_a_write(self) -> None:
        """A rise is at most a tenth of the node a step; less than a hundredth is left alone."""
        agent = SuppressAgent(NODE)
        plan = Plan.of({BEST_EFFORT: CgroupSpec(cpu_max=CpuMax(quota_usec=10_000))})
        agent.step(1, _usage(1, 0, 0), (), plan)
        (write,) = _writes(agent.step(2, _usage(2, 0.0, 0), (), plan))
        assert write.changes[0].new.quota_usec == 10_000 + 80_000
        near = Plan.of({BEST_EFFORT: CgroupSpec(cpu_max=CpuMax(quota_usec=519_000))})
        assert agent.step(3, _usage(3, 0.0, 0), (), near) == ()

    @given(st.floats(0.1, 512), st.floats(0, 1), st.floats(0, 600))
    def test_the_quota_is_one_the_kernel_takes(self, cpus: float, threshold: float, others: float) -> None:
        """However busy the others are, at least 2 ms in 100 ms are left, and never more than the node."""
        quota = suppressed_quota_usec(cpus, threshold, others)
        assert 2000 <= quota <= max(2000, round(cpus * 100_000))

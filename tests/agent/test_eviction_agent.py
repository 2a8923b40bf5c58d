"""Tests of qos.agent.eviction: the manager over time."""

from __future__ import annotations

from readings import samples_of

from qos.agent.eviction import EvictionAgent
from qos.agent.facts import NodeFacts, PodFacts
from qos.agent.thresholds import parse_thresholds
from qos.model.action import Evict, Note
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.qos_class import QOSClass

MIB = 1024 * 1024
NODE = NodeFacts(memory_capacity_bytes=1000 * MIB, cpu_capacity_milli=2000)


def _pod(name: str, **facts: object) -> PodFacts:
    return PodFacts(f"default/{name}", CgroupName(f"kubepods/{name}"), **facts)  # type: ignore[arg-type] # a test's shorthand


def _plan(*pods: PodFacts) -> Plan:
    return Plan.of({pod.cgroup: CgroupSpec() for pod in pods})


def _used(time: float, total: int, **pods: int):
    rows = {"": {"memory_current": total * MIB, "memory_stat_inactive_file": 0}}
    rows |= {f"kubepods/{name}": {"memory_current": used * MIB} for name, used in pods.items()}
    return samples_of(time, rows)


def _hard(**settings: str):
    return parse_thresholds(
        {"memory.available": "100Mi"},
        minimum_reclaim={"memory.available": settings["reclaim"]} if "reclaim" in settings else {},
    )


def _evicted(actions) -> list[str]:
    return [action.pod_cgroup for action in actions if isinstance(action, Evict)]


class TestWhichPod:
    def test_above_its_request_goes_before_lower_priority(self) -> None:
        """A pod of high priority above its request is evicted before one of low priority within it."""
        vip = _pod("vip", priority=1000, memory_request_bytes=100 * MIB)
        low = _pod("low", priority=0, memory_request_bytes=600 * MIB)
        agent = EvictionAgent(NODE, (vip, low), _hard())
        actions = agent.step(10, _used(10, 950, vip=400, low=550), (), _plan(vip, low))
        assert _evicted(actions) == ["kubepods/vip"]

    def test_class_plays_no_part(self) -> None:
        """A Guaranteed pod above its request is evicted before a BestEffort one that uses less."""
        guaranteed = _pod("guaranteed", qos_class=QOSClass.GUARANTEED, memory_request_bytes=300 * MIB)
        effort = _pod("effort")
        agent = EvictionAgent(NODE, (guaranteed, effort), _hard())
        actions = agent.step(10, _used(10, 950, guaranteed=500, effort=150), (), _plan(guaranteed, effort))
        assert _evicted(actions) == ["kubepods/guaranteed"]

    def test_critical_pods_stay(self) -> None:
        """The critical pod is first in the order and is passed over."""
        critical, other = _pod("critical", critical=True), _pod("other")
        agent = EvictionAgent(NODE, (critical, other), _hard())
        actions = agent.step(10, _used(10, 950, critical=700, other=200), (), _plan(critical, other))
        assert _evicted(actions) == ["kubepods/other"]

    def test_idle_page_cache_counts_for_nobody(self) -> None:
        """What lies in inactive_file is available, so nothing is evicted."""
        pod = _pod("pod")
        agent = EvictionAgent(NODE, (pod,), _hard())
        rows = {"": {"memory_current": 990 * MIB, "memory_stat_inactive_file": 500 * MIB}}
        assert agent.step(10, samples_of(10, rows), (), _plan(pod)) == ()


class TestOnePodAPass:
    def test_the_next_goes_only_after_the_first_has_gone(self) -> None:
        """While the evicted pod still holds memory nothing happens; then, if still short, the next goes."""
        big, small = _pod("big"), _pod("small")
        agent = EvictionAgent(NODE, (big, small), _hard())
        plan = _plan(big, small)
        assert _evicted(agent.step(10, _used(10, 950, big=600, small=300), (), plan)) == ["kubepods/big"]
        assert _evicted(agent.step(20, _used(20, 950, big=600, small=300), (), plan)) == []
        assert _evicted(agent.step(30, _used(30, 910, big=0, small=300), (), plan)) == ["kubepods/small"]

    def test_an_old_reading_evicts_nobody_twice(self) -> None:
        """A pass without newer statistics does nothing."""
        one, two = _pod("one"), _pod("two")
        agent = EvictionAgent(NODE, (one, two), _hard())
        rows = _used(10, 950, one=0, two=300)
        assert len(_evicted(agent.step(10, rows, (), _plan(one, two)))) == 1
        assert _evicted(agent.step(20, rows, (), _plan(one))) == []

    def test_minimum_reclaim_goes_on_until_that_much_more_is_free(self) -> None:
        """Once met, a threshold of 100Mi with 200Mi to reclaim is resolved above 300Mi only."""
        one, two, three = _pod("one"), _pod("two"), _pod("three")
        plan = _plan(one, two, three)
        agent = EvictionAgent(NODE, (one, two, three), _hard(reclaim="200Mi"))
        assert _evicted(agent.step(10, _used(10, 950, one=200, two=100, three=50), (), plan))
        assert _evicted(agent.step(20, _used(20, 750, one=0, two=100, three=50), (), plan)) == [
            "kubepods/two"
        ]
        assert not _evicted(agent.step(30, _used(30, 650, one=0, two=0, three=50), (), plan))


class TestGraceAndConditions:
    def test_a_soft_threshold_waits_for_its_grace_period(self) -> None:
        """Pods die only after the threshold was met for the whole grace period without a break."""
        pod = _pod("pod")
        thresholds = parse_thresholds({}, {"memory.available": "200Mi"}, {"memory.available": "30s"}, {}, ())
        agent = EvictionAgent(NODE, (pod,), thresholds, max_pod_grace_period_seconds=60)
        plan = _plan(pod)
        assert not _evicted(agent.step(10, _used(10, 850, pod=800), (), plan))
        assert not _evicted(agent.step(20, _used(20, 500, pod=450), (), plan))
        assert not _evicted(agent.step(30, _used(30, 850, pod=800), (), plan))
        assert not _evicted(agent.step(50, _used(50, 850, pod=800), (), plan))
        (evict,) = (
            one for one in agent.step(60, _used(60, 850, pod=800), (), plan) if isinstance(one, Evict)
        )
        assert evict.grace_seconds == 30.0

    def test_the_condition_outlives_the_pressure_by_the_transition_period(self) -> None:
        """MemoryPressure stays for 5 minutes after the threshold was last met, and both turns are noted."""
        pod = _pod("pod")
        agent = EvictionAgent(NODE, (pod,), _hard())
        first = agent.step(10, _used(10, 950, pod=800), (), _plan(pod))
        assert [one.reason for one in first if isinstance(one, Note)] == ["MemoryPressure is true"]
        for now in range(20, 310, 10):
            assert agent.step(now, _used(now, 100), (), _plan()) == ()
        assert agent.conditions == ("MemoryPressure",)
        last = agent.step(310, _used(310, 100), (), _plan())
        assert [one.reason for one in last if isinstance(one, Note)] == ["MemoryPressure is false again"]
        assert agent.conditions == ()

    def test_the_pods_own_limit_is_guarded_too(self) -> None:
        """With plenty free on the node, pods at kubepods' memory.max are evicted all the same."""
        pod = _pod("pod")
        plan = Plan.of({CgroupName("kubepods"): CgroupSpec(memory_max=300 * MIB), pod.cgroup: CgroupSpec()})
        agent = EvictionAgent(NODE, (pod,), _hard())
        rows = {"": {"memory_current": 300 * MIB}, "kubepods": {"memory_current": 250 * MIB}}
        rows[pod.cgroup] = {"memory_current": 250 * MIB}
        assert _evicted(agent.step(10, samples_of(10, rows), (), plan)) == [pod.cgroup]

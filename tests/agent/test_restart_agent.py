"""Tests of qos.agent.restart: CrashLoopBackOff."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readings import samples_of

from qos.agent.facts import ContainerFacts, PodFacts
from qos.agent.restart import Backoff, RestartAgent
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Plan

POD, WEB = CgroupName("kubepods/pod"), CgroupName("kubepods/pod/web")
NOTHING = samples_of(0.0, {})
EMPTY = Plan.of({})


def _agent(policy: str = "Always") -> RestartAgent:
    container = ContainerFacts("web", WEB, policy)  # type: ignore[arg-type] # parametrised
    return RestartAgent((PodFacts("default/pod", POD, (container,)),))


def _waits(agent: RestartAgent, now: float, *events: Event) -> list[float]:
    return [action.after_seconds for action in agent.step(now, NOTHING, events, EMPTY)]


def test_waits_double_from_ten_seconds_to_five_minutes() -> None:
    """A container that dies a second after each start waits 0, 10, 20, 40, 80, 160, 300, 300 s."""
    agent, now, waits = _agent(), 100.0, []
    for _ in range(8):
        (after,) = _waits(agent, now, Event(now, "oom_kill", WEB, ""))
        waits.append(after)
        now += after + 1
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


@given(st.lists(st.floats(0.1, 590), min_size=1, max_size=20))
def test_the_wait_is_never_shorter_than_before_while_it_keeps_dying(lives: list[float]) -> None:
    """Whatever it lives, below 10 minutes the back-off only grows, up to its cap."""
    backoff, now, before = Backoff(), 0.0, 0.0
    for life in lives:
        now = backoff.restart_at(now) + life
        assert before <= backoff.delay_seconds <= 300
        before = backoff.delay_seconds


def test_ten_minutes_of_life_start_the_back_off_over() -> None:
    """After 601 s of running the next death restarts at once, and the one after waits 10 s again."""
    backoff = Backoff()
    for died in (0.0, 1.0, 12.0):
        at = backoff.restart_at(died)
    assert at == 32.0
    assert backoff.restart_at(at + 601) == at + 601
    assert backoff.restart_at(at + 602) == at + 612


@pytest.mark.parametrize(
    ("policy", "kind", "code", "restarted"),
    [
        ("Always", "exit", 0, True),
        ("Always", "oom_kill", None, True),
        ("OnFailure", "exit", 0, False),
        ("OnFailure", "exit", None, False),
        ("OnFailure", "exit", 3, True),
        ("OnFailure", "global_oom_kill", None, True),
        ("Never", "exit", 1, False),
        ("Never", "oom_kill", None, False),
        ("Always", "killed", None, False),
    ],
)
def test_restart_policy_is_honoured(policy: str, kind: str, code: int | None, restarted: bool) -> None:
    """Always restarts all that ended by themselves, OnFailure those that failed, Never none."""
    event = Event(5.0, kind, WEB, "", code)  # type: ignore[arg-type] # parametrised
    assert bool(_waits(_agent(policy), 6.0, event)) is restarted


def test_one_death_told_twice_is_one_restart() -> None:
    """An OOM kill and the exit that follows it count once, in one step or in two."""
    kill, end = Event(5.0, "oom_kill", WEB, ""), Event(5.01, "exit", WEB, "", 137)
    assert len(_waits(_agent(), 6.0, kill, end)) == 1
    agent = _agent()
    assert len(_waits(agent, 5.005, kill)) == 1
    late = Event(5.5, "exit", WEB, "", 137)
    assert len(_waits(agent, 6.0, late)) == 1, "it was running again by 5.5 s, so this is another death"
    assert _waits(agent, 7.0, Event(6.5, "exit", WEB, "", 137)) == []


def test_an_evicted_pod_stays_dead() -> None:
    """After an eviction the kill's own events restart nothing."""
    agent = _agent()
    assert _waits(agent, 10.0, Event(9.0, "evict", POD, ""), Event(9.1, "exit", WEB, "", 137)) == []

"""Objectives as typed, judged over runs, and where they break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.capacity.objective import Judged, Objective, interval, judge, parse_objective
from qos.capacity.search import find_break
from qos.model.summary import Summary, WorkloadSummary


def _summary(p99: float, kills: int = 0, *, arrived: int = 100, completed: int = 100) -> Summary:
    fared = WorkloadSummary({"p99": p99}, completed, arrived, oom_kills=kills)
    return Summary("kubelet", 60.0, {}, {"web": fared}, ())


@pytest.mark.parametrize(
    "text", ["", "web", "p98=1s", "web.p99=", "throttled=7", "oom=-1", "p99=nan", "p99=inf", "=1"]
)
def test_what_is_no_objective_is_refused(text: str) -> None:
    """An unknown figure, no value, a ratio above 1, a negative or endless one."""
    with pytest.raises(ValueError, match=r"objective|value|part|more"):
        parse_objective(text)


def test_the_worst_node_of_each_run_is_judged() -> None:
    """Two runs of two nodes: 40 and 60 ms are the worst; the bound is 50 + 6.314 · 14.14/√2 = 113 ms."""
    runs = [[_summary(0.010), _summary(0.040)], [_summary(0.060), _summary(0.020)]]
    judged = judge(parse_objective("web.p99=100ms"), runs, 0.95)
    assert judged.interval.mean == pytest.approx(0.050)
    assert judged.interval.high == pytest.approx(0.1131, abs=1e-4)
    assert (judged.holds, judged.breaks) == (False, False)


def test_one_kill_in_one_run_breaks_a_promise_of_none() -> None:
    """oom=0 is about every run, not about their mean."""
    judged = judge(parse_objective("oom=0"), [[_summary(0.1)], [_summary(0.1, kills=1)]], 0.95)
    assert judged.breaks


def test_requests_never_served_are_the_slowest() -> None:
    """With 5 % of the requests unserved there is no p99, however fast the served ones were."""
    judged = judge(parse_objective("web.p99=10s"), [[_summary(0.001, completed=95)]], 0.95)
    assert judged.breaks


@given(sure=st.integers(0, 60), width=st.integers(0, 20), most=st.integers(0, 80))
def test_the_break_is_found_wherever_it_is(sure: int, width: int, most: int) -> None:
    """All numbers up to one hold, all from another break: both are found, and what binds is named."""
    objective = Objective("oom=0", "", "oom", 0.0)

    def probe(copies: int) -> tuple[Judged, ...]:
        return (Judged(objective, interval([copies], 0.95), copies <= sure, copies > sure + width),)

    found = find_break(probe, most)
    assert found.sure == min(sure, most)
    assert found.broken == (sure + width + 1 if sure + width < most else None)
    assert bool(found.binding) == (sure < most)
    assert len(found.probed) <= 30

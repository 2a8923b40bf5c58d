"""How far a prediction is from a measurement: known figures, and properties of the comparison."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions, Recording, Samples
from qos.record.fidelity import RULES, Line, compare, compare_runs
from qos.record.measured import Measured
from qos.record.run_figures import figures

LEAF, OTHER = CgroupName("kubepods/pod1/c"), CgroupName("kubepods/pod2/c")
MIB = 2**20
SECONDS = 5.0


def make(
    usage: tuple[float, float] = (1.25e6, 3.75e6),
    *,
    throttled: float = 20.0,
    memory: float = 100.0 * MIB,
    latencies: tuple[float, ...] = (),
    oom_at: float | None = None,
    step: float = 0.0,
    shapes: tuple[str, ...] = ("spin", "memory"),
) -> Recording:
    """Two leaves over five seconds, the first with a quota of 50 %."""
    zero = np.zeros(2)
    columns = {
        "cpu_stat_usage_usec": np.array([zero, np.array(usage)]),
        "cpu_stat_nr_periods": np.array([zero, [50.0, np.nan]]),
        "cpu_stat_nr_throttled": np.array([zero, [throttled, np.nan]]),
        "cpu_stat_throttled_usec": np.array([zero, [throttled * 50e3, np.nan]]),
        "memory_current": np.array([[memory, memory]] * 2),
    }
    events = () if oom_at is None else (Event(oom_at, "oom_kill", LEAF, "memory.max"),)
    done = np.array(latencies)
    return Recording(
        "kubelet",
        {
            "shapes": {LEAF: list(shapes), OTHER: ["spin"]},
            "clock_step_seconds": step,
            "duration_seconds": SECONDS,
        },
        ({"pod": "web", "container": "c", "cgroup": LEAF, "podCgroup": "kubepods/pod1"},),
        {LEAF: {"cpu.max": "50000 100000"}, OTHER: {"cpu.max": "max 100000"}},
        Samples(np.array([0.0, SECONDS]), (LEAF, OTHER), columns, "measured"),
        events,
        Completions((LEAF,), np.zeros(len(done), dtype=np.int32), np.zeros(len(done)), done),
    )


def line(lines: tuple[Line, ...], metric: str, cgroup: CgroupName = LEAF) -> Line:
    """The one line of a metric."""
    return next(each for each in lines if (each.metric, each.cgroup) == (metric, cgroup))


def test_the_figures_of_a_run_are_its_counters_over_its_time() -> None:
    """1.25 s in 5 s is 0.25 CPUs and a quarter of all use; 20 of 50 periods throttled; no quota, no line."""
    found = figures(make())
    assert found["cpu_usage", LEAF] == pytest.approx(0.25)
    assert found["cpu_share", OTHER] == pytest.approx(0.75)
    assert found["throttled_ratio", LEAF] == pytest.approx(0.4)
    assert found["throttled_usec", LEAF] == pytest.approx(1e6)
    assert ("throttled_ratio", OTHER) not in found
    assert found["memory_peak", LEAF] == found["memory_current", LEAF] == 100 * MIB
    assert found["oom_killed", LEAF] == 0.0
    assert ("oom_seconds", LEAF) not in found


def test_a_killed_leaf_has_a_time_and_no_plateau() -> None:
    """What was killed holds no memory at the end: its plateau would be nothing."""
    found = figures(make(oom_at=3.5))
    assert found["oom_killed", LEAF] == 1.0
    assert found["oom_seconds", LEAF] == 3.5
    assert ("memory_current", LEAF) not in found


def test_a_p99_needs_a_hundred_requests_and_a_batch_has_one_time() -> None:
    """Of 99 latencies the 99th percentile is the largest one: not told; a batch is no latency."""
    few, many = (figures(make(latencies=(0.1,) * n, shapes=("requests",))) for n in (99, 100))
    assert ("latency_p99", LEAF) not in few
    assert many["latency_p99", LEAF] == pytest.approx(0.1)
    batch = figures(make(latencies=(4.0,), shapes=("batch",)))
    assert batch["completion_seconds", LEAF] == 4.0
    assert ("latency_p50", LEAF) not in batch


@given(st.floats(0.1, 10.0), st.integers(1, 5))
def test_a_prediction_equal_to_every_repeat_is_in_noise_and_without_error(scale: float, count: int) -> None:
    """Nothing differs: every error is 0, and nothing is outside."""
    run = make((1.0e6 * scale, 2.0e6 * scale))
    lines = compare_runs(run, [run] * count)
    assert {each.verdict for each in lines} == {"in noise"}
    assert {each.error for each in lines} == {0.0}


@given(st.floats(-0.9, 3.0))
def test_the_error_is_signed_and_relative_to_the_median(off: float) -> None:
    """A prediction that is 10 % too high has the error +10 %, whatever one repeat of three did."""
    measured = [make((1.0e6, 1e6)), make((1.0e6, 1e6)), make((9.0e6, 1e6))]
    got = line(compare_runs(make((1.0e6 * (1 + off), 1e6)), measured), "cpu_usage")
    assert got.measured == pytest.approx(0.2)
    assert got.error == pytest.approx(off, abs=1e-9)
    assert got.noise == pytest.approx(1.6)


def test_the_verdict_names_what_excuses_a_difference() -> None:
    """The same 5 % is outside, in the noise of the repeats, a lab effect or close, as the case is."""
    told = make((1.05e6, 1e6))
    exact = [make((1.0e6, 1e6))] * 2

    def verdict(runs: list[Recording], tolerance: float = 0.02) -> str:
        return line(compare_runs(told, runs, {"cpu_usage": tolerance}), "cpu_usage").verdict

    assert verdict(exact) == "OUTSIDE"
    assert verdict(exact, 0.06) == "close"
    assert verdict([make((0.9e6, 1e6)), make((1.1e6, 1e6))]) == "in noise"
    assert verdict([make((1.0e6, 1e6), step=0.06)] * 2) == "lab effect"
    assert verdict([make((1.0e6, 1e6), step=0.04)] * 2) == "OUTSIDE"


def test_what_only_one_side_has_is_outside() -> None:
    """A kill that was not predicted, and a prediction of one that never came, are both misses."""
    for told, seen in ((make(), make(oom_at=2.0)), (make(oom_at=2.0), make())):
        lines = compare_runs(told, [seen] * 3)
        assert line(lines, "oom_killed").verdict == "OUTSIDE"
        assert line(lines, "oom_seconds").verdict == "OUTSIDE"
        assert math.isinf(line(lines, "oom_seconds").error)
        assert line(lines, "oom_seconds").to_json()["error"] is None


def test_fractions_are_compared_in_points() -> None:
    """Throttled in 40 % of periods against 44 % is four points, not a tenth."""
    got = line(compare_runs(make(throttled=20), [make(throttled=22)]), "throttled_ratio")
    assert got.error == pytest.approx(-0.04)
    assert got.verdict == "OUTSIDE"


def test_every_line_names_its_pod_and_has_a_rule() -> None:
    """A reader sees pod/container, not a cgroup with a uid, where the pod is known."""
    run = make(oom_at=1.0, latencies=(0.1,) * 100, shapes=("requests", "memory"))
    lines = compare_runs(run, [run])
    assert {each.metric for each in lines} <= RULES.keys()
    assert {each.subject for each in lines if each.cgroup == LEAF} == {"web/c"}


def test_nothing_measured_is_no_comparison() -> None:
    """Without a repeat there is nothing to compare with."""
    with pytest.raises(ValueError, match="nothing was measured"):
        compare_runs(replace(make()), [])


def test_phases_of_periods_are_kept_and_the_median_prediction_counts() -> None:
    """What a repeat showed of the kernel's chances is kept; of several predictions the middle counts."""
    run = make()
    seen = replace(run, meta={**run.meta, "period_phases": {LEAF: 0.07}})
    kept = Measured.from_json(Measured.of([seen, run]).to_json())
    assert kept.period_phases == ({LEAF: 0.07}, {})
    told = [make((usage, 3.75e6)) for usage in (1.0e6, 1.25e6, 2.0e6)]
    assert line(compare(told, kept), "cpu_usage").error == pytest.approx(0.0)

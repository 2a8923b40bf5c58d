"""Quotas from Linux 6.4 on: periods with offsets, runtime in slices, looked at on ticks; when waits begin."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tick_kernel import Level, TickKernel

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel
from qos.simulate.scheduler import Ticks

POD, CONTAINER = CgroupName("pod"), CgroupName("pod/c")
MILLI = Fraction(1, 1000)


def run(
    quota: int, pod_ends: float, ends: float, tick: float, version: tuple[int, int], load: dict[str, Any],
    seconds: float = 2.0,
) -> dict[str, tuple[float, ...]]:  # fmt: skip
    """Usage (µs), periods, throttled periods and µs of a pod and its container with one quota (ms)."""
    spec = CgroupSpec(cpu_max=f"{quota * 1000} 100000")
    kernel = SimKernel(
        Plan.of({POD: spec, CONTAINER: spec}), cpus=1, memory_bytes=2**30, kernel_version=version,
        period_phases={POD: pod_ends, CONTAINER: ends}, ticks=Ticks(tick, wake_seconds=0.0, slices=False),
    )  # fmt: skip
    kernel.start(CONTAINER, Workload.model_validate({"cpu": load}))
    kernel.advance(seconds)
    samples = kernel.read()
    columns = [f"cpu_stat_{each}" for each in ("usage_usec", "nr_periods", "nr_throttled", "throttled_usec")]
    return {
        name: tuple(float(samples.column(column, name)[-1]) for column in columns)
        for name in (POD, CONTAINER)
    }


@settings(max_examples=40, deadline=None)
@given(
    st.integers(12, 95), st.integers(1, 399), st.integers(1, 399), st.sampled_from([1, 4]),
    st.sampled_from(["queued", "left"]),
)  # fmt: skip
def test_engine_agrees_with_the_literal_kernel(
    quota: int, pod_ends: int, ends: int, tick: int, begins: str
) -> None:
    """Usage, throttled periods and their waits of a spinner agree, whatever the offsets of both periods."""
    offsets = [Fraction(2 * each + 1, 8) * MILLI for each in (pod_ends, ends)]  # never on a tick
    levels = [Level(quota * MILLI, offset) for offset in offsets]
    literal = TickKernel(levels[1], levels[0], tick * MILLI, begins)
    literal.advance(Fraction(2))
    version = (6, 12) if begins == "queued" else (7, 3)
    seen = run(quota, float(offsets[0]), float(offsets[1]), tick / 1000, version, {"shape": "spin"})
    assert seen[CONTAINER][0] == pytest.approx(float(literal.usage * 10**6), abs=2.0)
    for name, level in zip((POD, CONTAINER), levels, strict=True):
        assert seen[name][2] == level.nr_throttled
        assert seen[name][3] == pytest.approx(float(level.throttled_time * 10**6), abs=5.0)


@pytest.mark.parametrize("version", [(6, 12), (7, 3)])
def test_pod_and_container_take_turns(version: tuple[int, int]) -> None:
    """50 of 100 ms, periods ending at 20.5 and 70.5 ms, a tick of 1 ms: each waits a part.

    The container runs dry at 51 ms (1 lay on the run queue), waits 19.5; its pod has 20 ms left, runs dry at
    90.5, which is noticed at 91, waits 29.5; then 20.5 and 29.5 in each period.
    """
    seen = run(50, 0.0205, 0.0705, 0.001, version, {"shape": "spin"})
    assert seen[CONTAINER][2:] == (20, pytest.approx(19_500 + 19 * 20_500, abs=5))
    assert seen[POD][2:] == (19, pytest.approx(19 * 29_500, abs=5))


@pytest.mark.parametrize(("version", "pod_waits"), [((6, 12), 0.0), ((7, 3), 49_000.0)])
def test_a_pod_that_runs_dry_with_its_container(version: tuple[int, int], pod_waits: float) -> None:
    """Both run dry at 51 and at 121 ms. From 6.18 on both wait from then on: the pod to 60.5 and to 160.5 ms.

    6.12 counts the pod's wait only while something is queued in it: never, as its period ends first.
    """
    seen = run(50, 0.0605, 0.0705, 0.001, version, {"shape": "spin"}, seconds=0.2)
    assert seen[CONTAINER][2:] == (2, pytest.approx(69_000, abs=5))
    assert seen[POD][2:] == (2, pytest.approx(pod_waits, abs=5))

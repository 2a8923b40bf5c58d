"""avg10, avg60 and avg300 of pressure files where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Change, Plan
from qos.model.sample import Samples
from qos.model.workload import Spin, Workload
from qos.simulate.averages import Averages
from qos.simulate.kernel import SimKernel

LOOK = 2.004


def spun(seconds: float, threads: int = 2, stop: float | None = None) -> Samples:
    """Readings of two threads on one CPU: some wait all the time, until they stop."""
    kernel = SimKernel(Plan.of({CgroupName("a"): CgroupSpec()}), cpus=1, memory_bytes=2**30)
    kernel.start(CgroupName("a"), Workload(cpu=Spin(threads=threads, stop=stop)))
    kernel.advance(seconds)
    return kernel.read()


def kernels_own(parts_percent: list[int], exp: int) -> float:
    """calc_load of include/linux/sched/loadavg.h, look after look, as psi_show prints it."""
    mean = 0
    for percent in parts_percent:
        active = percent * 2048
        mixed = mean * exp + active * (2048 - exp)
        mean = (mixed + 2047 if active >= mean else mixed) // 2048
    return mean // 2048 + (mean % 2048) * 100 // 2048 / 100


@pytest.mark.parametrize(("window", "exp"), [("avg10", 1677), ("avg60", 1981), ("avg300", 2034)])
@pytest.mark.parametrize("looks", [1, 2, 10, 40])
def test_waiting_all_the_time(window: str, exp: int, looks: int) -> None:
    """After each look the kernel's own integers: 18.11 % in avg10 after one."""
    seen = spun(looks * LOOK + 0.01).column(f"cpu_pressure_some_{window}", "a")
    assert seen[-1] == kernels_own([100] * looks, exp)


def test_nothing_waits_and_nothing_is_averaged() -> None:
    """One thread on one CPU."""
    assert spun(30.0, threads=1).column("cpu_pressure_some_avg10", "a").max() == 0.0


def test_averages_fall_after_the_wait_is_over() -> None:
    """Ten looks up and ten down; at 20 s there were nine."""
    samples = spun(20 * LOOK, stop=10 * LOOK)
    rose, fell = samples.column("cpu_pressure_some_avg10", "a")[[20, -1]]
    assert rose == kernels_own([100] * 9, 1677)
    assert fell == pytest.approx(kernels_own([100] * 10 + [0] * 10, 1677), abs=0.05)


def test_full_is_averaged_apart_from_some() -> None:
    """Two threads on one CPU: always one waits, never both."""
    samples = spun(10.0)
    assert samples.column("cpu_pressure_full_avg10", "a")[-1] == 0.0
    assert samples.column("cpu_pressure_some_avg10", "a")[-1] > 50.0


def test_averages_outlive_a_change_of_the_tree() -> None:
    """A cgroup that comes begins at 0, one that stays goes on."""
    kernel = SimKernel(Plan.of({CgroupName("b"): CgroupSpec()}), cpus=1, memory_bytes=2**30)
    kernel.start(CgroupName("b"), Workload(cpu=Spin(threads=2)))
    kernel.advance(10 * LOOK)
    before = kernel.read().column("cpu_pressure_some_avg10", "b")[-1]
    kernel.apply([Change("create", CgroupName("a"))])
    kernel.advance(1.0)
    after = kernel.read()
    assert after.column("cpu_pressure_some_avg10", "b")[-1] == before
    assert after.column("cpu_pressure_some_avg10", "a")[-1] == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.1, 5.0))
def test_averages_lie_within_what_was_averaged(parts: list[float], every: float) -> None:
    """Never above the highest part of the time that was waited, never negative, avg10 first to move."""
    times = every * np.arange(1, len(parts) + 1)
    totals = np.cumsum(parts)[:, None] * every * 1e6
    found = Averages().add({"cpu_pressure_some_total": totals}, times, ["a"])
    for column in found.values():
        assert column.min() >= 0.0
        assert column.max() <= max(parts) * 100 + 1e-6


def test_sleeping_above_memory_high_is_pressure() -> None:
    """A hog over memory.high sleeps nearly all the time, fully; its sibling does not."""
    high = {CgroupName("p/a"): CgroupSpec(memory_high=32 * 2**20), CgroupName("p/b"): CgroupSpec()}
    kernel = SimKernel(Plan.of(high), cpus=1, memory_bytes=2**30)
    hog = {"memory": {"anon": {"start": "40Mi"}}}
    kernel.start(CgroupName("p/a"), Workload.model_validate(hog))
    kernel.start(CgroupName("p/b"), Workload.model_validate(hog))
    kernel.advance(4.0)
    samples = kernel.read()
    for name in ("p/a", "p", ""):
        assert samples.column("memory_pressure_some_total", name)[-1] == pytest.approx(4e6, rel=0.02)
        assert samples.column("memory_pressure_full_total", name)[-1] == pytest.approx(4e6, rel=0.02)
    assert samples.column("memory_pressure_some_total", "p/b")[-1] == 0.0


def test_a_wait_for_memory_is_not_full_while_another_task_runs() -> None:
    """A spinner in the same cgroup: some waits, never all."""
    plan = Plan.of({CgroupName("a"): CgroupSpec(memory_high=32 * 2**20)})
    kernel = SimKernel(plan, cpus=1, memory_bytes=2**30)
    both = {"memory": {"anon": {"start": "40Mi"}}, "cpu": {"shape": "spin"}}
    kernel.start(CgroupName("a"), Workload.model_validate(both))
    kernel.advance(4.0)
    samples = kernel.read()
    assert samples.column("memory_pressure_some_total", "a")[-1] == pytest.approx(4e6, rel=0.02)
    assert samples.column("memory_pressure_full_total", "a")[-1] == pytest.approx(0.0, abs=1e5)

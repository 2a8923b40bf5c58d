"""CPU given in slices: what a tick, a coarse clock and the rules of CFS and EEVDF do on one CPU."""

from __future__ import annotations

from typing import Any

import pytest

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel
from qos.simulate.scheduler import Ticks

WEB, NOISE = CgroupName("pods/web"), CgroupName("pods/noise")
LAB = Ticks(0.01, coarse_clock=True, wake_seconds=0.0)
HOST = Ticks(0.004, wake_seconds=0.0)
SPIN = {"shape": "spin"}


def run(
    files: dict[CgroupName, dict[str, Any]],
    loads: dict[CgroupName, dict[str, Any]],
    ticks: Ticks | None,
    *,
    seconds: float = 10.0,
    version: tuple[int, int] = (6, 1),
    cpus: int = 1,
) -> SimKernel:
    """A kernel on which the loads ran."""
    plan = Plan.of({CgroupName("pods"): CgroupSpec(), **{n: CgroupSpec(**each) for n, each in files.items()}})
    kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**30, kernel_version=version, ticks=ticks)
    for name, load in loads.items():
        kernel.start(name, Workload.model_validate({"cpu": load}))
    kernel.advance(seconds)
    return kernel


def last(kernel: SimKernel, column: str, name: CgroupName = WEB) -> float:
    """The newest value of a column."""
    return float(kernel.read().column(column, name)[-1])


def burst(work: str, every: str, offset: str = "0s") -> dict[str, Any]:
    """Work that comes in bursts."""
    return {"shape": "onOff", "burst": work, "every": every, "offset": offset}


@pytest.mark.parametrize("version", [(6, 1), (6, 12)])
@pytest.mark.parametrize("ticks", [LAB, HOST])
def test_weights_are_kept_in_slices(version: tuple[int, int], ticks: Ticks) -> None:
    """Two spinners of weights 300 and 100 get three quarters and one quarter, to a few ticks."""
    files = {WEB: {"cpu_weight": 300}, NOISE: {"cpu_weight": 100}}
    kernel = run(files, {WEB: SPIN, NOISE: SPIN}, ticks, version=version)
    assert last(kernel, "cpu_stat_usage_usec") == pytest.approx(7.5e6, abs=3e6 * ticks.seconds)


def test_a_request_waits_for_the_tick_under_cfs() -> None:
    """A light request that comes 2 ms after a tick does not preempt, runs from the next tick: 8 + 10 ms."""
    files = {WEB: {"cpu_weight": 20}, NOISE: {"cpu_weight": 4}}
    load = {"shape": "requests", "rate": 2, "cpuPerRequest": "10ms", "arrivals": "constant"}
    kernel = run(files, {NOISE: SPIN, WEB: load}, Ticks(0.01, coarse_clock=True, wake_seconds=0.002))
    latencies = kernel.completions().of(WEB)
    assert len(latencies) >= 18
    assert latencies[1:] == pytest.approx([0.018] * (len(latencies) - 1))


def test_a_heavy_sleeper_preempts_under_cfs() -> None:
    """3 ms of credit are more than 1 ms · 1024 / 10240: a waking group of weight 1000 runs at once."""
    files = {WEB: {"cpu_weight": 1000}, NOISE: {"cpu_weight": 1000}}
    load = {"shape": "requests", "rate": 2, "cpuPerRequest": "3ms", "arrivals": "constant"}
    kernel = run(files, {NOISE: SPIN, WEB: load}, Ticks(0.01, wake_seconds=0.002))
    latencies = kernel.completions().of(WEB)
    assert len(latencies) >= 18
    assert latencies[1:].max() == pytest.approx(0.003, abs=1e-6)


def test_a_quota_is_overrun_by_part_of_a_tick_and_paid_back() -> None:
    """50 of 100 ms with ticks of 4 ms: 52 ms run in a period, less in another; half a CPU over all."""
    kernel = run({WEB: {"cpu_max": "50000 100000"}}, {WEB: SPIN}, HOST)
    samples = kernel.read()
    assert float(samples.column("cpu_stat_usage_usec", WEB)[-1]) == pytest.approx(5e6, abs=6000)
    first = run({WEB: {"cpu_max": "50000 100000"}}, {WEB: SPIN}, HOST, seconds=0.1)
    assert last(first, "cpu_stat_usage_usec") == pytest.approx(52_000, abs=1)


def test_a_coarse_clock_does_not_see_a_wait_of_one_tick() -> None:
    """90 of 100 ms: throttled at the ninth tick, woken before the tenth is counted: 0 s, as measured."""
    kernel = run({WEB: {"cpu_max": "90000 100000"}}, {WEB: SPIN}, LAB)
    samples = kernel.read()
    assert float(samples.column("cpu_stat_throttled_usec", WEB)[-1]) == 0.0
    assert float(samples.column("cpu_stat_nr_throttled", WEB)[-1]) >= 95
    assert float(samples.column("cpu_stat_usage_usec", WEB)[-1]) == pytest.approx(9e6, abs=20_000)


def test_work_between_two_ticks_of_a_coarse_clock_is_not_booked() -> None:
    """A request of 3 ms on each tick: 30 % of a CPU are used, none are in cpu.stat."""
    requests = {"shape": "requests", "rate": 100, "cpuPerRequest": "3ms", "arrivals": "constant"}
    kernel = run({WEB: {}}, {WEB: requests}, LAB)
    samples = kernel.read()
    assert float(samples.column("cpu_stat_usage_usec", WEB)[-1]) == 0.0
    assert float(samples.column("sim_demand_usec", WEB)[-1]) == pytest.approx(3e6, abs=4000)


def test_a_period_of_one_tick_gets_its_quota() -> None:
    """5 of 10 ms on ticks of 10: runs in every other period, throttled at half of the periods' ends."""
    kernel = run({WEB: {"cpu_max": "5000 10000"}}, {WEB: SPIN}, LAB)
    samples = kernel.read()
    periods = float(samples.column("cpu_stat_nr_periods", WEB)[-1])
    assert float(samples.column("cpu_stat_usage_usec", WEB)[-1]) == pytest.approx(5e6, abs=30_000)
    assert float(samples.column("cpu_stat_nr_throttled", WEB)[-1]) / periods == pytest.approx(0.5, abs=0.01)


def test_several_cpus_are_shared_as_a_fluid() -> None:
    """Ticks change nothing on two CPUs."""
    files = {WEB: {"cpu_weight": 300}, NOISE: {"cpu_weight": 100}}
    spin = {"shape": "spin", "threads": 2}
    loads = {WEB: spin, NOISE: spin}
    usages = [last(run(files, loads, ticks, cpus=2), "cpu_stat_usage_usec") for ticks in (None, HOST)]
    assert usages[0] == usages[1] == 15e6


def test_a_throttled_wait_is_counted_when_it_ends() -> None:
    """throttled_usec of a group still waiting is as it was: 50 ms after 120 ms at half a CPU, not 50 + 0."""
    files = {WEB: {"cpu_max": "50000 100000"}}
    assert last(run(files, {WEB: SPIN}, None, seconds=0.09), "cpu_stat_throttled_usec") == 0.0
    assert last(run(files, {WEB: SPIN}, None, seconds=0.19), "cpu_stat_throttled_usec") == 50_000.0

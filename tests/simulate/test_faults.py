"""New memory costs CPU time: it is held by quotas and shared, and the books balance with it."""

from __future__ import annotations

from typing import Any

import pytest

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel

MI = 2**20
RATE = 1024.0 * MI  # touched in a second of CPU time
QUOTA = {"cpu_max": "10000 100000"}


def machine(cgroups: dict[str, dict[str, Any]], **options: Any) -> SimKernel:
    """A kernel of one CPU with these cgroups."""
    plan = Plan.of({CgroupName(name): CgroupSpec(**files) for name, files in cgroups.items()})
    return SimKernel(plan, cpus=1, memory_bytes=2048 * MI, fault_bytes_per_second=RATE, **options)


def begin(kernel: SimKernel, name: str, anon: dict[str, Any] | None = None, cpu: Any = None) -> None:
    """Start a workload."""
    memory = None if anon is None else {"anon": anon}
    kernel.start(CgroupName(name), Workload.model_validate({"memory": memory, "cpu": cpu}))


def last(kernel: SimKernel, column: str, name: str) -> float:
    """The newest value."""
    return float(kernel.read().column(column, name)[-1])


def test_growth_uses_the_cpu_time_it_takes() -> None:
    """102.4 MiB/s at 1 GiB a second of CPU time: 0.1 CPUs, and memory grows as it was asked to."""
    kernel = machine({"a": {}})
    begin(kernel, "a", {"start": "100Mi", "growPerSecond": "102.4Mi"})
    kernel.advance(5.0)
    samples = kernel.read()
    assert samples.column("cpu_stat_usage_usec", "a")[-1] == pytest.approx(0.5e6, rel=1e-3)
    assert samples.column("memory_current", "a")[-1] == pytest.approx(612 * MI, rel=1e-3)


def test_what_is_held_from_the_start_on_costs_nothing() -> None:
    """A load has it before its time begins; what does not fit has to be touched."""
    kernel = machine({"a": {}})
    begin(kernel, "a", {"start": "512Mi"})
    kernel.advance(1.0)
    samples = kernel.read()
    assert samples.column("cpu_stat_usage_usec", "a")[-1] == 0
    assert samples.column("memory_current", "a")[-1] == 512 * MI


def test_a_jump_is_held_by_the_quota() -> None:
    """102.4 MiB more at 1 s take 0.1 s of CPU time, 10 periods of 10 ms: nine waits of 90 ms."""
    kernel = machine({"a": QUOTA})
    begin(kernel, "a", {"points": [{"at": "0s", "value": "10Mi"}, {"at": "1s", "value": "10Mi"},
                                   {"at": "1s", "value": "112.4Mi"}]})  # fmt: skip
    kernel.advance(1.45)
    half = last(kernel, "memory_current", "a")
    kernel.advance(2.0)
    samples = kernel.read()
    assert half == pytest.approx((10 + 5 * 10.24) * MI, rel=0.01)
    assert samples.column("memory_current", "a")[-1] == pytest.approx(112.4 * MI, rel=1e-3)
    assert samples.column("cpu_stat_nr_throttled", "a")[-1] in (9, 10)
    assert samples.column("cpu_stat_throttled_usec", "a")[-1] == pytest.approx(0.81e6, abs=0.1e6)


def test_growth_beyond_the_quota_is_as_fast_as_the_quota_lets_it_be() -> None:
    """0.1 CPUs of 1 GiB a second: 102.4 MiB/s of the 300 that are asked for."""
    kernel = machine({"a": QUOTA})
    begin(kernel, "a", {"start": "0", "growPerSecond": "300Mi"})
    kernel.advance(5.0)
    assert last(kernel, "memory_current", "a") == pytest.approx(512 * MI, rel=0.02)


@pytest.mark.parametrize("ticks", [False, True])
def test_a_busy_neighbour_takes_its_share(ticks: bool) -> None:
    """A spinner of the same weight leaves half a CPU: 0.5 GiB/s of 1, and both use half."""
    from qos.simulate.scheduler import Ticks

    kernel = machine({"a": {}, "b": {}}, ticks=Ticks(0.004) if ticks else None, kernel_version=(6, 1))
    begin(kernel, "a", {"start": "0", "growPerSecond": "2Gi"})
    begin(kernel, "b", cpu={"shape": "spin"})
    kernel.advance(2.0)
    samples = kernel.read()
    assert samples.column("memory_current", "a")[-1] == pytest.approx(1024 * MI, rel=0.02)
    assert samples.column("cpu_stat_usage_usec", "b")[-1] == pytest.approx(1e6, rel=0.02)


def test_the_books_balance() -> None:
    """Demand is use and waits, and the machine's use is that of its cgroups, beside CPU work and a kill."""
    kernel = machine({"a": QUOTA, "b": {"memory_max": 400 * MI}})
    begin(kernel, "a", {"start": "0", "growPerSecond": "150Mi"}, {"shape": "constant", "cpu": "50m"})
    begin(kernel, "b", {"start": "0", "growPerSecond": "200Mi"}, {"shape": "spin"})
    kernel.advance(3.3)
    samples = kernel.read()
    columns = ("sim_demand_usec", "cpu_stat_usage_usec", "sim_wait_quota_usec", "sim_wait_cpu_usec")
    for name in ("a", "b"):
        demand, used, quota, cpu = (float(samples.column(column, name)[-1]) for column in columns)
        assert demand == pytest.approx(used + quota + cpu, rel=1e-6)
    assert [event.cgroup for event in kernel.events() if event.kind == "oom_kill"] == ["b"]
    used = [float(samples.column("cpu_stat_usage_usec", name)[-1]) for name in ("", "a", "b")]
    assert used[0] == pytest.approx(used[1] + used[2])

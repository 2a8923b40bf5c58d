"""The compiled engine gives what a slow, obvious kernel in exact fractions gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from slow_kernel import Group, Job, SlowKernel

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel

MILLI = Fraction(1, 1000)
SECONDS = 1


@dataclass(frozen=True)
class Leaf:
    """A leaf's work, in milliseconds: bursts, requests or threads that always run."""

    kind: str
    work: int
    every: int
    threads: int

    def workload(self) -> Workload:
        """As the engine is given it."""
        shapes: dict[str, dict[str, Any]] = {
            "spin": {"shape": "spin", "threads": self.threads},
            "onOff": {
                "shape": "onOff", "burst": f"{self.work}ms", "every": f"{self.every}ms",
                "threads": self.threads,
            },
            "requests": {
                "shape": "requests", "rate": 1000 / self.every, "arrivals": "constant",
                "cpuPerRequest": f"{self.work}ms", "workers": self.threads,
            },
            "batch": {"shape": "batch", "cpuTime": f"{self.work * 5}ms", "threads": self.threads},
        }  # fmt: skip
        return Workload.model_validate({"cpu": shapes[self.kind]})

    def job(self) -> Job:
        """As the slow kernel is given it."""
        times = [index * self.every * MILLI for index in range(SECONDS * 1000 // self.every + 1)]
        if self.kind == "spin":
            return Job([(Fraction(0), Fraction(10**6))], self.threads, shared=True)
        if self.kind == "batch":
            return Job([(Fraction(0), self.work * 5 * MILLI)], self.threads, shared=True)
        if self.kind == "onOff":
            return Job(
                [(time, self.work * self.threads * MILLI) for time in times], self.threads, shared=True
            )
        return Job([(time, self.work * MILLI) for time in times], self.threads, shared=False)


leaves = st.builds(
    Leaf,
    kind=st.sampled_from(["spin", "onOff", "requests", "batch"]),
    work=st.integers(1, 60),
    every=st.sampled_from([20, 25, 40, 50, 125]),
    threads=st.integers(1, 4),
)
limits = st.none() | st.tuples(st.integers(5, 250), st.sampled_from([10, 50, 100]), st.integers(0, 60))


@st.composite
def machines(draw: Callable[..., Any]) -> tuple[dict[str, dict[str, Any]], dict[str, Leaf], int]:
    """Cgroups (weight, quota) up to three levels deep, work for the leaves, and a number of CPUs."""
    specs: dict[str, dict[str, Any]] = {}
    work: dict[str, Leaf] = {}

    def grow(name: str, depth: int) -> None:
        quota = draw(limits)
        specs[name] = {"weight": draw(st.integers(1, 400)), "quota": quota}
        for index in range(draw(st.integers(0, 2)) if depth < 2 else 0):
            grow(f"{name}/{index}", depth + 1)
        if not any(other.startswith(f"{name}/") for other in specs):
            work[name] = draw(leaves)

    for index in range(draw(st.integers(1, 3))):
        grow(f"g{index}", 0)
    return specs, work, draw(st.integers(1, 3))


def slow(specs: dict[str, dict[str, Any]], work: dict[str, Leaf], cpus: int) -> dict[str, Group]:
    """The slow kernel after SECONDS, its groups by name."""
    groups = {"": Group("")}
    for name, spec in specs.items():
        group = groups[name] = Group(name, weight=(spec["weight"] * 1024 + 50) // 100)
        if spec["quota"]:
            percent, period, burst = spec["quota"]
            group.period = period * MILLI
            group.quota = max(percent * period * MILLI / 100, MILLI)
            group.burst = burst * period * MILLI / 100
        if name in work:
            group.job = work[name].job()
        groups[name.rpartition("/")[0]].children.append(group)
    SlowKernel(groups[""], cpus).advance(Fraction(SECONDS))
    return groups


def fast(specs: dict[str, dict[str, Any]], work: dict[str, Leaf], cpus: int) -> SimKernel:
    """The engine after SECONDS."""
    plan = {}
    for name, spec in specs.items():
        files: dict[str, Any] = {"cpu_weight": spec["weight"]}
        if spec["quota"]:
            percent, period, burst = spec["quota"]
            files["cpu_max"] = f"{max(percent * period * 10, 1000)} {period * 1000}"
            files["cpu_max_burst"] = burst * period * 10
        plan[CgroupName(name)] = CgroupSpec(**files)
    kernel = SimKernel(Plan.of(plan), cpus=cpus, memory_bytes=2**30, sample_interval_seconds=0.3)
    for name, leaf in work.items():
        kernel.start(CgroupName(name), leaf.workload())
    kernel.advance(SECONDS)
    return kernel


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(({"g0": {"weight": 224, "quota": (183, 10, 0)}}, {"g0": Leaf("onOff", 10, 50, 1)}, 3))
@given(machines())
def test_engine_agrees_with_the_slow_kernel(
    machine: tuple[dict[str, dict[str, Any]], dict[str, Leaf], int],
) -> None:
    """Usage, waits, periods, throttling, bursts and latencies agree to the microsecond of the files."""
    specs, work, cpus = machine
    groups, kernel = slow(specs, work, cpus), fast(specs, work, cpus)
    samples, completions = kernel.read(), kernel.completions()
    for name in specs:
        group = groups[name]
        seen = {
            column: float(samples.column(column, name)[-1])
            for column in samples.columns
            if column.startswith(("cpu_stat", "sim_wait"))
        }
        assert seen["cpu_stat_usage_usec"] == pytest.approx(float(group.usage * 10**6), abs=1.0)
        assert seen["cpu_stat_nr_periods"] == group.nr_periods
        assert seen["cpu_stat_nr_throttled"] == group.nr_throttled
        assert seen["cpu_stat_throttled_usec"] == pytest.approx(float(group.throttled_time * 10**6), abs=1.0)
        assert seen["cpu_stat_nr_bursts"] == group.nr_bursts
        assert seen["cpu_stat_burst_usec"] == pytest.approx(float(group.burst_time * 10**6), abs=1.0)
        if group.job is None:
            continue
        waited = seen["sim_wait_quota_usec"] + seen["sim_wait_cpu_usec"]
        assert waited == pytest.approx(float(group.waited * 10**6), abs=2.0)
        assert seen["sim_wait_quota_usec"] == pytest.approx(float(group.waited_for_quota * 10**6), abs=1.0)
        if work[name].kind == "requests":
            expected = np.array([float(latency) for latency in group.job.latencies])
            np.testing.assert_allclose(
                np.sort(completions.of(CgroupName(name))), np.sort(expected), atol=1e-8
            )

"""cpu.pressure totals where the answer is known."""

from __future__ import annotations

from typing import Any

import pytest

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel


def pressures(
    cgroups: dict[str, dict[str, Any]], threads: dict[str, int], cpus: int
) -> dict[str, list[float]]:
    """Seconds of some and of full after 4 s of spinning threads, by cgroup."""
    plan = Plan.of({CgroupName(name): CgroupSpec(**files) for name, files in cgroups.items()})
    kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**30)
    for name, count in threads.items():
        kernel.start(CgroupName(name), Workload.model_validate({"cpu": {"shape": "spin", "threads": count}}))
    kernel.advance(4.0)
    samples = kernel.read()
    columns = ("cpu_pressure_some_total", "cpu_pressure_full_total")
    return {name: [float(samples.column(one, name)[-1]) / 1e6 for one in columns] for name in samples.cgroups}


def test_a_free_machine_has_no_pressure() -> None:
    """One thread on each of two CPUs: nobody waits."""
    assert pressures({"a": {}, "b": {}}, {"a": 1, "b": 1}, 2)["a"] == [0.0, 0.0]


def test_sharing_a_cpu_is_pressure() -> None:
    """Weights 100 and 300 on one CPU: they wait 3/4 and 1/4 of the time; the machine always, never fully."""
    seen = pressures({"a": {}, "b": {"cpu_weight": 300}}, {"a": 1, "b": 1}, 1)
    assert seen["a"] == pytest.approx([3.0, 3.0])
    assert seen["b"] == pytest.approx([1.0, 1.0])
    assert seen[""] == pytest.approx([4.0, 0.0])


def test_more_threads_than_cpus_always_wait() -> None:
    """Two threads on one CPU: one always waits, never both."""
    assert pressures({"a": {}}, {"a": 2}, 1)["a"] == pytest.approx([4.0, 0.0])


def test_throttling_is_pressure() -> None:
    """A quota of half a CPU: the thread waits half of the time, and so does its parent."""
    seen = pressures({"p/a": {"cpu_max": "50000 100000"}}, {"p/a": 1}, 2)
    assert seen["p/a"] == pytest.approx([2.0, 2.0])
    assert seen["p"] == pytest.approx([2.0, 2.0])

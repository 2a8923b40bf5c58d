"""How fast the simulated kernel is: pod-steps and events a second of CPU time, through the public API.

Run: ``python benchmarks/simulate_speed.py``. The first line is the start (compiled code from the cache, or
compiled now); the others are medians of several rounds, minimum and maximum beside them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.kernel import SimKernel

ROUNDS = 5
CLASSES = ("guaranteed", "burstable", "besteffort")


def plan_of(pods: int, **files: Any) -> tuple[Plan, list[CgroupName]]:
    """The three classes with pods below them, one leaf a pod."""
    names = [CgroupName(f"{CLASSES[index % 3]}/pod-{index}") for index in range(pods)]
    return Plan.of({name: CgroupSpec(**files) for name in names}), names


def changing(steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """On or off each second, between 0 and 2 CPUs while on."""
    values = rng.uniform(0, 2, steps) * (rng.random(steps) < 0.5)
    return {
        "shape": "trace", "threads": 2, "cpus": tuple(values.tolist()),
        "times_seconds": tuple(float(at) for at in range(steps)),
    }  # fmt: skip


def node(pods: int, steps: int, cpus: int, **files: Any) -> Callable[[], SimKernel]:
    """A node on which every pod's demand changes every second; only CPU use is read."""

    def make() -> SimKernel:
        rng = np.random.default_rng(1)
        plan, names = plan_of(pods, **files)
        kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**36, columns=["cpu_stat_usage_usec"])
        for name in names:
            kernel.start(name, Workload.model_validate({"cpu": changing(steps, rng)}))
        return kernel

    return make


def same(pods: int, cpus: int, shape: dict[str, Any], **files: Any) -> Callable[[], SimKernel]:
    """A node whose pods all have one shape; all columns are read."""

    def make() -> SimKernel:
        plan, names = plan_of(pods, **files)
        kernel = SimKernel(plan, cpus=cpus, memory_bytes=2**36)
        for name in names:
            kernel.start(name, Workload.model_validate({"cpu": shape}))
        return kernel

    return make


def measure(label: str, make: Callable[[], SimKernel], seconds: float, pods: int) -> None:
    """Print one line: CPU seconds of the run and pod-steps (pods times simulated seconds) a second."""
    spans = []
    for _ in range(ROUNDS):
        kernel = make()
        began = time.process_time()
        kernel.advance(seconds)
        spans.append(time.process_time() - began)
    middle = statistics.median(spans)
    rate = pods * seconds / middle / 1e6
    print(f"{label:58} {middle:7.3f} s ({min(spans):.3f} to {max(spans):.3f})  {rate:8.2f} M pod-steps/s")


def main() -> None:
    """All lines."""
    began = time.process_time()
    same(1, 1, {"shape": "spin"})().advance(0.0)
    print(f"{'first call: compiled code loaded or made':58} {time.process_time() - began:7.3f} s")
    requests = {"shape": "requests", "rate": 100, "cpuPerRequest": "5ms", "cost": "exponential"}
    steady = {"shape": "constant", "cpu": "100m"}
    quota = {"cpu_max": "20000 100000"}
    measure("110 pods, demand changes every second", node(110, 5000, 61), 5000, 110)
    measure("the same, busy node", node(110, 5000, 40), 5000, 110)
    measure("the same with quotas that seldom bite", node(110, 5000, 61, cpu_max="190000 100000"), 5000, 110)
    measure("10 pods, 100 requests a second each, 10 minutes", same(10, 8, requests), 600, 10)
    measure(
        "10 pods throttled every period, busy node",
        same(10, 4, {"shape": "spin", "threads": 2}, **quota),
        600,
        10,
    )
    measure("10 quiet pods, an hour", same(10, 4, steady), 3600, 10)


if __name__ == "__main__":
    main()

"""How cost grows: seconds over three decades of pods, nodes, steps, events and quiet time, with exponents.

Run: ``python benchmarks/growth.py [ROUNDS]`` (5 by default). An exponent is the slope of log(seconds) over
log(size), least squares, of the least of the rounds (CPU seconds); 1 is linear. Compiled code is loaded and
plans are made before the clock starts. Sizes take turns, so that drift meets all alike. Beside it:
the slope of the last decade alone, where the cost of a call no longer counts.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from step_speed import machines

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.fleet import Fleet
from qos.simulate.kernel import SimKernel

Run = Callable[[], object]


def steps_of(nodes: int, pods: int, steps: int) -> Run:
    """A fleet in steps, demand drawn each second; curves are not kept, so that memory does not count."""
    fleet = Fleet(machines(nodes, pods), steps=steps, seed=1)
    return lambda: fleet.run(threads=1)


def events_of(pods: int, rate: float, seconds: float) -> Run:
    """One node whose pods serve requests, two thirds busy."""
    names = [CgroupName(f"burstable/pod-{pod}") for pod in range(pods)]
    kernel = SimKernel(
        Plan.of({name: CgroupSpec(cpu_weight=100) for name in names}), cpus=8, memory_bytes=2**36
    )
    cost = f"{5.3 / (pods * rate) * 1000:.6f}ms"
    shape = {"shape": "requests", "rate": rate, "cpuPerRequest": cost, "cost": "exponential"}
    workload = Workload.model_validate({"cpu": shape})
    for name in names:
        kernel.start(name, workload)
    return lambda: kernel.advance(seconds)


def quiet_events(seconds: float) -> Run:
    """Ten steady pods, half of them under a quota that is never met, read once at the end."""
    names = [CgroupName(f"burstable/pod-{pod}") for pod in range(10)]
    specs = {name: CgroupSpec(cpu_max="50000 100000" if int(name[-1]) % 2 else "max") for name in names}
    kernel = SimKernel(Plan.of(specs), cpus=4, memory_bytes=2**36, sample_interval_seconds=seconds)
    for name in names:
        kernel.start(name, Workload.model_validate({"cpu": {"shape": "constant", "cpu": "100m"}}))
    return lambda: kernel.advance(seconds)


def quiet_steps(steps: int) -> Run:
    """A node of ten steady pods in steps."""
    plan = Plan.of({CgroupName(f"burstable/pod-{pod}"): CgroupSpec(cpu_weight=100) for pod in range(10)})
    steady = Workload.model_validate({"cpu": {"shape": "constant", "cpu": "100m"}})
    machine = type(machines(1, 3)[0])(plan, {name: steady for name in plan.cgroups if "pod" in name}, 4)
    fleet = Fleet([machine], steps=steps)
    return lambda: fleet.run(threads=1)


SWEEPS: list[tuple[str, list[float], Callable[[float], Run], str]] = [
    ("nodes, in steps", [10, 100, 1000, 10000], lambda n: steps_of(int(n), 30, 100), "<= 1.05"),
    ("steps", [1e3, 1e4, 1e5, 1e6], lambda n: steps_of(1, 30, int(n)), "<= 1.05"),
    ("pods of a node, in steps", [9, 90, 900, 9000], lambda n: steps_of(1, int(n), 2000), "<= 1.05"),
    ("requests of a pod", [10, 100, 1000, 10000], lambda n: events_of(1, n, 60), "<= 1.05"),
    ("seconds of requests", [6, 60, 600, 6000], lambda n: events_of(2, 20, n), "<= 1.05"),
    ("pods, 3,000 req./s in all", [1, 10, 100, 1000], lambda n: events_of(int(n), 3000 / n, 1), "<= 1.05"),
    ("pods, 10 req./s each", [1, 10, 100, 1000], lambda n: events_of(int(n), 10, 1), "<= 1.05"),
    ("quiet seconds, events", [6e2, 6e3, 6e4, 6e5], quiet_events, "< 1"),
    ("quiet seconds, in steps", [1e3, 1e4, 1e5, 1e6], lambda n: quiet_steps(int(n)), "< 1"),
]  # fmt: skip


def slope(sizes: list[float], seconds: list[float]) -> float:
    """Exponent: ``slope([1, 10, 100], [2, 20, 200]) == 1``."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """One line for each thing that grows."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for label, sizes, make, target in SWEEPS:
        make(sizes[0])()
        spent: dict[float, list[float]] = {size: [] for size in sizes}
        for _ in range(rounds):
            for size in sizes:
                run = make(size)
                began = time.process_time()
                run()
                spent[size].append(time.process_time() - began)
        least = [min(values) for values in spent.values()]
        spread = statistics.median(max(values) / min(values) for values in spent.values())
        times = ", ".join(f"{size:g}: {seconds:.2g} s" for size, seconds in zip(sizes, least, strict=True))
        last = math.log(least[-1] / least[-2]) / math.log(sizes[-1] / sizes[-2])
        print(
            f"{label:31} {slope(sizes, least):5.2f} (last decade {last:.2f}; target {target})"
            f"  [{times}; greatest / least {spread:.2f}]",
            flush=True,
        )


if __name__ == "__main__":
    main()

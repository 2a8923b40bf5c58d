"""How fast steps are with quotas that bite, memory, throttle counters, events and histograms, all at once.

Run: ``python benchmarks/step_quota_speed.py [ROUNDS]``. The workload of ``step_speed.py`` with a cpu.max of
0.9 CPUs on each leaf (half of all leaves are throttled in every step) and memory; beside it the plain Python
model of the tests on one of its nodes, with the same demand.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests" / "simulate")]

from slow_steps import Branch, Leaf, step  # noqa: E402  # the tests' model
from step_speed import SEED, machines  # noqa: E402

from qos.simulate.fleet import Fleet, Watch  # noqa: E402
from qos.simulate.step_frame import Machine  # noqa: E402

NODES, PODS, STEPS, SLOW_STEPS = 1000, 30, 1000, 60


def ours(quota: str, threads: int) -> float:
    """Pod-steps a second."""
    files = {"cpu_max": quota} if quota else {}
    made = machines(NODES, PODS, **files)
    held = {"memory": {"anon": {"start": "100Mi", "growPerSecond": "1Ki"}}}
    load = next(iter(made[0].workloads.values()))
    load = load.model_validate({"cpu": load.cpu, **held})
    made = [
        Machine(each.plan, dict.fromkeys(each.workloads, load), each.cpus, memory_bytes=2.0**36)
        for each in made
    ]
    fleet = Fleet(made, steps=STEPS, seed=SEED)
    watch = Watch(np.arange(fleet.leaves) % 3, np.zeros(NODES, dtype=np.int64), every=10)
    Fleet(made[:1], steps=1).run(watch=Watch(np.zeros(PODS, dtype=np.int64), np.zeros(1, dtype=np.int64)))
    began = time.perf_counter()
    fleet.run(watch=watch, threads=threads)
    return NODES * PODS * STEPS / (time.perf_counter() - began)


def slow() -> float:
    """Pod-steps a second of plain Python, on one node."""
    (machine,) = machines(1, PODS, cpu_max="90000 100000")
    demand = Fleet([machine], steps=SLOW_STEPS, seed=SEED)
    curves = demand.run(curves=True)
    leaves = [Leaf(100.0, 2, [2.0 * float(x) for x in column], quota=0.09) for column in curves.T]
    root = Branch(1024.0, [*leaves[:10], Branch(3072.0, [*leaves[10:20]]), Branch(10.0, [*leaves[20:]])])
    began = time.perf_counter()
    for number in range(SLOW_STEPS):
        step(root, machine.cpus, number, 1.0)
    return PODS * SLOW_STEPS / (time.perf_counter() - began)


def main() -> None:
    """All rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    sides = {
        "no quota, 2 cores": lambda: ours("", 2),
        "quota 0.9, 2 cores": lambda: ours("90000 100000", 2),
        "quota 0.9, 1 core": lambda: ours("90000 100000", 1),
        "quota 1.5, 2 cores": lambda: ours("150000 100000", 2),
        "plain Python": slow,
    }
    found: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            found[side].append(run() / 1e6)
    for side, values in found.items():
        spread = f"({min(values):.3f} to {max(values):.3f})"
        print(f"{side:20} {statistics.median(values):8.3f} M pod-steps/s {spread}")


if __name__ == "__main__":
    main()

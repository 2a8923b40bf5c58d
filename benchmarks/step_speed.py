"""How fast steps are: pod-steps a second through the public API beside a C loop of the same workload.

Run: ``python benchmarks/step_speed.py [ROUNDS]``; needs gcc. The two sides take turns (A B A B), each in a
process of its own; medians with minimum and maximum. First it is checked that both give the same use of every
pod in every step (within 1e-6 CPUs).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.fleet import Fleet
from qos.simulate.step_frame import Machine

SEED = 1
SIZES = {
    "1 node x 110 pods x 86,400 steps": (1, 110, 86400),
    "1,000 nodes x 30 pods x 1,000 steps": (1000, 30, 1000),
}


def machines(nodes: int, pods: int, *, flat: bool = False, **files: str) -> list[Machine]:
    """The workload of step_loop.c: three classes or none, on/off times U(0, 2) CPUs, utilisation 0.9."""
    on_off = Workload.model_validate({"cpu": {"shape": "random", "high": 2, "onFor": "10s", "offFor": "10s"}})
    cpus = int(pods * 0.5 / 0.9 + 0.5)
    third = pods if flat else pods // 3
    made = []
    for node in range(nodes):
        specs = {
            CgroupName("kubepods/burstable"): CgroupSpec(cpu_weight=300),
            CgroupName("kubepods/besteffort"): CgroupSpec(cpu_weight=1),
        }
        workloads = {}
        for pod in range(pods):
            slice_ = "" if pod < third else "burstable/" if pod < 2 * third else "besteffort/"
            name = f"kubepods/{slice_}pod-{node}-{pod:03d}"
            specs[CgroupName(name)] = CgroupSpec(cpu_weight=(pod % 7 + 1) * 20)
            specs[CgroupName(f"{name}/main")] = CgroupSpec(**files)
            workloads[CgroupName(f"{name}/main")] = on_off
        made.append(Machine(Plan.of(specs), workloads, cpus))
    return made


def ours(
    nodes: int, pods: int, steps: int, threads: int, file: str = "-", *, flat: bool = False
) -> tuple[float, float]:
    """Wall seconds of the run, and the sum of all use; the curve is written to ``file``."""
    fleet = Fleet(machines(nodes, pods, flat=flat), steps=steps, seed=SEED)
    Fleet(machines(1, 3), steps=1).run(curves=True)
    began = time.perf_counter()
    curves = fleet.run(curves=True, threads=threads)
    spent = time.perf_counter() - began
    if file != "-":
        in_order = np.argsort([_number(name) for frame in fleet.frames for name in frame.cgroups])
        curves[:, in_order].tofile(file)
    return spent, float(curves.sum(dtype=np.float64))


def _number(cgroup: str) -> int:
    """Place of a leaf in the C loop's order: by node, then by pod."""
    _, node, pod = cgroup.split("/")[-2].split("-")
    return int(node) * 1000 + int(pod)


def build(folder: Path) -> Path:
    """Compile the C loop."""
    binary = folder / "step_loop"
    source = Path(__file__).with_name("step_loop.c")
    subprocess.run(["gcc", "-O3", "-march=native", "-o", str(binary), str(source)], check=True)
    return binary


def agree(binary: Path, folder: Path) -> float:
    """The greatest difference in CPUs of any pod in any step."""
    files = folder / "c", folder / "ours"
    subprocess.run(
        [str(binary), "7", "33", "5000", str(SEED), str(files[0])], check=True, capture_output=True
    )
    ours(7, 33, 5000, 2, str(files[1]))
    theirs, mine = (np.fromfile(file, dtype=np.float32) for file in files)
    return float(np.abs(theirs - mine).max())


def seconds(command: list[str]) -> float:
    """What a side says that it took."""
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(told.split()[0])


def main() -> None:
    """All rounds; with "side NODES PODS STEPS THREADS" one run of ours."""
    if sys.argv[1:2] == ["side"]:
        print(*ours(*map(int, sys.argv[2:6])))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        binary = build(Path(folder))
        print(f"greatest difference: {agree(binary, Path(folder)):.1e} CPUs")
        for label, size in SIZES.items():
            numbers = [*map(str, size)]
            me = [sys.executable, __file__, "side", *numbers]
            sides = {
                "C, 1 core": [str(binary), *numbers, str(SEED)],
                "C, demand given": [str(binary), *numbers, str(SEED), "-", "array"],
                "qos, 1 core": [*me, "1"],
                "qos, 2 cores": [*me, "2"],
            }
            spent: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(rounds):
                for side, command in sides.items():
                    spent[side].append(seconds(command))
            print(label)
            steps = size[0] * size[1] * size[2]
            base = statistics.median(spent["C, 1 core"])
            for side, values in spent.items():
                middle = statistics.median(values)
                ratios = [ours / c for ours, c in zip(spent["C, 1 core"], values, strict=True)]
                print(
                    f"  {side:16} {middle:7.3f} s ({min(values):.3f} to {max(values):.3f})"
                    f" {steps / middle / 1e6:8.1f} M pod-steps/s  {base / middle:5.2f} x C"
                    f" ({min(ratios):.2f} to {max(ratios):.2f})"
                )


if __name__ == "__main__":
    main()

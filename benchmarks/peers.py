"""qos beside SimGrid, SimPy, plain Python and a C loop: one workload, all sides in turn (A B A B).

Run: ``python benchmarks/peers.py [ROUNDS]`` (7 by default; ``make bench``). Needs gcc; g++ and Debian's
libsimgrid-dev for SimGrid and simpy for SimPy, which are left out with a word where they are missing.

Each is a process of its own. First it is checked that all give the same use of every pod in every step: C,
plain Python and SimPy on the three classes, SimGrid on pods beside one another, since it cannot nest weights;
that is also what SimGrid is timed on, the easier task. qos is timed by wall clock, the others by CPU time.
SimGrid, SimPy and plain Python compute fewer steps; rates are pod-steps a second.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from step_speed import SEED, build, ours, seconds

HERE = Path(__file__).parent
QOS, C_LOOP, SIMGRID, SIMPY, PLAIN = "qos", "C loop", "SimGrid", "SimPy", "plain Python"
LARGEST_DIFFERENCE = 1e-6
EXACT = "--cfg=maxmin/precision:1e-10"  # SimGrid stops sharing at 1e-5 flop/s by default


class Size(NamedTuple):
    """One task: steps for the fast sides and for each slow one."""

    label: str
    nodes: int
    pods: int
    steps: int
    slow: dict[str, int]


SIZES = [
    Size("1 node x 110 pods x 86,400 steps", 1, 110, 86400, {SIMGRID: 8640, SIMPY: 2000, PLAIN: 4000}),
    Size("1,000 nodes x 30 pods x 1,000 steps", 1000, 30, 1000, {SIMGRID: 30, SIMPY: 10, PLAIN: 30}),
]


def build_simgrid(folder: Path) -> Path | None:
    """Compile the SimGrid side; None where there is no SimGrid."""
    binary = folder / "step_simgrid"
    command = ["g++", "-O3", "-march=native", "-o", str(binary), str(HERE / "step_simgrid.cpp"), "-lsimgrid"]
    if shutil.which("g++") and not subprocess.run(command, check=False, capture_output=True).returncode:
        return binary
    print("SimGrid left out: no g++ with libsimgrid-dev (apt-get install g++ libsimgrid-dev)")
    return None


def peers(folder: Path) -> dict[str, list[str]]:
    """Side → its command, without the size."""
    plain = [sys.executable, str(HERE / "step_plain.py")]
    found = {C_LOOP: [str(build(folder))], PLAIN: [*plain, "plain"]}
    if simgrid := build_simgrid(folder):
        found[SIMGRID] = [str(simgrid)]
    if importlib.util.find_spec("simpy"):
        found[SIMPY] = [*plain, "simpy"]
    else:
        print("SimPy left out: pip install simpy")
    return found


def agree(commands: dict[str, list[str]], folder: Path) -> None:
    """Stop unless every side gives our curves.

    Raises:
        SystemExit: one does not.
    """
    size = (3, 33, 2000)
    mine = {}
    for flat in (False, True):
        ours(*size, 2, str(folder / "ours"), flat=flat)
        mine[flat] = np.fromfile(folder / "ours", dtype=np.float32)
    for side, command in commands.items():
        file = folder / "theirs"
        more = [EXACT] if side == SIMGRID else []
        run = [*command, *map(str, size), str(SEED), str(file), *more]
        subprocess.run(run, check=True, capture_output=True)
        most = float(np.abs(np.fromfile(file, dtype=np.float32) - mine[side == SIMGRID]).max())
        print(f"greatest difference from {side}: {most:.1e} CPUs of any pod in any step")
        if not most <= LARGEST_DIFFERENCE:
            sys.exit(f"{side} computes something else: no figures")


def measure(size: Size, commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Side → nanoseconds a pod-step in each round."""
    me = [sys.executable, str(HERE / "step_speed.py"), "side"]
    sides = {f"{QOS}, {threads} thread{'s'[: threads - 1]}": threads for threads in (1, 2)}
    spent: dict[str, list[float]] = {side: [] for side in (*sides, *commands)}
    for _ in range(rounds):
        for side, values in spent.items():
            steps = size.slow.get(side, size.steps)
            numbers = [str(size.nodes), str(size.pods), str(steps)]
            if side in sides:
                took = seconds([*me, *numbers, str(sides[side])])
            else:
                took = seconds([*commands[side], *numbers, str(SEED)])
            values.append(took * 1e9 / (size.nodes * size.pods * steps))
    return spent


def tell(size: Size, spent: dict[str, list[float]]) -> None:
    """Print medians with the least and the greatest, and how many times as fast we are, round by round."""
    print(f"\n{size.label}")
    best = f"{QOS}, 1 thread" if size.nodes == 1 else f"{QOS}, 2 threads"
    for side, values in spent.items():
        ratios = [their / my for their, my in zip(values, spent[best], strict=True)]
        print(
            f"  {side:14} {1e3 / statistics.median(values):9.3f} M pod-steps/s"
            f" ({1e3 / max(values):.3f} to {1e3 / min(values):.3f});"
            f" {best} is {statistics.median(ratios):8.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def main() -> None:
    """All sides, both sizes."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPUs {platform.machine()}, "
        f"Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = peers(folder)
        agree(commands, folder)
        for size in SIZES:
            tell(size, measure(size, commands, rounds))


if __name__ == "__main__":
    main()

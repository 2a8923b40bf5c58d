"""How long `qos simulate scenarios/contention.yaml` takes as a whole process: cold, warm, and beside imports.

Run: ``python benchmarks/first_run.py [ROUNDS]``. Warm runs and ``import numpy, pandas, numba`` in turn
(A B A B, 7 rounds), then two with an empty cache of compiled code. Seconds of wall clock and of CPU; needs
two free cores. Python keeps its own byte code, as it does unless PYTHONDONTWRITEBYTECODE asks it not to.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORTS = [sys.executable, "-c", "import numpy, pandas, numba"]


_KEPT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def spent(command: Sequence[str], **environment: str) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one process and its children; what it says of compiling is printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, check=True, cwd=ROOT, env={**_KEPT, **environment}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    for line in done.stderr.splitlines():
        if line.startswith("compiled"):
            print(f"  it says: {line}", flush=True)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def tell(what: str, seconds: Sequence[tuple[float, float]]) -> None:
    """One line: median, least and greatest of both clocks."""
    wall, cpu = ([each[side] for each in seconds] for side in (0, 1))
    print(
        f"{what}: {statistics.median(wall):.2f} s ({min(wall):.2f} to {max(wall):.2f}), "
        f"of CPU {statistics.median(cpu):.2f} s ({min(cpu):.2f} to {max(cpu):.2f})",
        flush=True,
    )


def main() -> None:
    """Measure, alternating."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        qos = [str(Path(sys.executable).parent / "qos"), "simulate", "scenarios/contention.yaml"]
        qos += ["--out", f"{folder}/out"]
        spent(qos)
        spent(IMPORTS)
        warm, imports = [], []
        for _ in range(rounds):
            warm.append(spent(qos))
            imports.append(spent(IMPORTS))
        ratios = [one[0] / two[0] for one, two in zip(warm, imports, strict=True)]
        tell("qos simulate scenarios/contention.yaml, warm", warm)
        tell("import numpy, pandas, numba", imports)
        print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), target 3")
        cold = [spent(qos, NUMBA_CACHE_DIR=f"{folder}/cache-{number}") for number in range(2)]
        tell("the same, nothing compiled yet", cold)


if __name__ == "__main__":
    main()

"""Applying 1,000 pods of five files on a real kernel, side by side with C and with cgcreate + cgset.

Run in a guest: ``python -m enforcer.lab --timeout 600 -- python benchmarks/host_apply.py``. Each side runs
in processes of its own, one after the other, again and again; medians with least and most are printed.
cgcreate and cgset are looked for on PATH (``--tools DIR`` for elsewhere).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from enforcer.apply import Enforcer
from enforcer.cgroupfs import CgroupFS
from enforcer.reconcile import Reconciler
from enforcer.state import StateStore
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan

CONTROLLERS = "+cpu +memory +pids"
FILES = {
    "cpu.weight": "39",
    "cpu.max": "50000 100000",
    "memory.max": "67108864",
    "memory.high": "33554432",
    "pids.max": "100",
}
PHASES = ("create", "noop", "kept", "delete")
WORDS = {
    "create": "apply: make, write, read back",
    "noop": "apply again: nothing to do",
    "kept": "watch: nothing to do, kept descriptors",
    "delete": "delete",
}


def python_side(root: Path, state: Path, count: int) -> dict[str, float]:
    """Microseconds a pod of each phase of the enforcer, its record and locking included."""
    fs = CgroupFS(root)
    spec = CgroupSpec.from_files(FILES)
    plan = Plan.of({CgroupName(f"pods/p{number}"): spec for number in range(count)})
    enforcer = Enforcer(fs, StateStore(state), boot_id="benchmark", root=str(root))
    gc.freeze()
    took = {}
    began = time.perf_counter()
    made = enforcer.apply(plan)
    took["create"] = time.perf_counter() - began
    assert made.writes >= 6 * count
    began = time.perf_counter()
    assert enforcer.apply(plan).writes == 0
    took["noop"] = time.perf_counter() - began
    with Reconciler(fs, enforcer.record()) as reconciler:
        began = time.perf_counter()
        assert not reconciler.differing()
        took["kept"] = time.perf_counter() - began
    began = time.perf_counter()
    enforcer.delete()
    took["delete"] = time.perf_counter() - began
    return {phase: seconds / count * 1e6 for phase, seconds in took.items()}


def c_side(program: Path, root: Path, count: int) -> dict[str, float]:
    """Microseconds a pod of each phase of the C loop."""
    (root / "pods").mkdir()
    (root / "pods/cgroup.subtree_control").write_text(CONTROLLERS)
    took = {}
    for phase in PHASES:
        done = subprocess.run([program, root, str(count), phase], check=True, capture_output=True, text=True)
        took[phase] = float(done.stdout) / 1000
    (root / "pods").rmdir()
    return took


def tools_side(tools: Path, name: str, count: int) -> float:
    """Microseconds a pod of cgcreate and one cgset for the five files."""
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    libraries = list(tools.parent.parent.glob("**/libcgroup.so.2"))
    if libraries:
        environment["LD_LIBRARY_PATH"] = str(libraries[0].parent)
    values = [word for file, text in FILES.items() for word in ("-r", f"{file}={text}")]
    began = time.perf_counter()
    for number in range(count):
        group = f"{name}/t{number}"
        create = ["cgcreate", "-g", f"cpu,memory,pids:/{group}"]
        subprocess.run(create, check=True, env=environment, capture_output=True)
        subprocess.run(["cgset", *values, group], check=True, env=environment, capture_output=True)
    took = (time.perf_counter() - began) / count * 1e6
    top = Path("/sys/fs/cgroup") / name
    for number in range(count):
        assert (top / f"t{number}/memory.high").read_text().strip() == FILES["memory.high"]
        (top / f"t{number}").rmdir()
    return took


def main() -> None:
    """Run all sides in turn and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tools", type=Path, default=Path("/usr/bin"))
    parser.add_argument("--one", nargs=2, metavar=("ROOT", "STATE"), help="one round of the Python side")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(python_side(Path(options.one[0]), Path(options.one[1]), options.count)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))  # five descriptors a pod, kept
    root = Path("/sys/fs/cgroup/bench")
    Path("/sys/fs/cgroup/cgroup.subtree_control").write_text(CONTROLLERS)
    root.mkdir()
    (root / "cgroup.subtree_control").write_text(CONTROLLERS)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "host_loop"
        subprocess.run(["gcc", "-O2", "-o", program, Path(__file__).with_name("host_loop.c")], check=True)
        results = measure(options, root, program, Path(folder) / "state")
    report(options, results)


def measure(
    options: argparse.Namespace, root: Path, program: Path, state: Path
) -> dict[str, list[dict[str, float]]]:
    """Python, C and the tools in turn, so many rounds."""
    results: dict[str, list[dict[str, float]]] = {"python": [], "c": [], "tools": []}
    for _ in range(options.rounds):
        one = [sys.executable, __file__, "--count", str(options.count), "--one", root, state]
        done = subprocess.run(one, check=True, capture_output=True, text=True)
        results["python"].append(json.loads(done.stdout))
        results["c"].append(c_side(program, root, options.count))
        if (options.tools / "cgcreate").exists():
            results["tools"].append({"create": tools_side(options.tools, root.name, 20)})
    return results


def report(options: argparse.Namespace, results: dict[str, list[dict[str, float]]]) -> None:
    """The table as markdown."""
    print(f"{os.uname().release}, {options.count} pods of five files, {options.rounds} rounds; µs a pod\n")
    print("| what | qos | C, the same system calls | qos / C | cgcreate + cgset | times qos |")
    print("|---|---|---|---|---|---|")
    for phase in PHASES:
        python, c = (told(results[side], phase) for side in ("python", "c"))
        ratio = middle(results["python"], phase) / middle(results["c"], phase)
        tools = times = "–"
        if phase == "create" and results["tools"]:
            tools = told(results["tools"], phase)
            times = f"{middle(results['tools'], phase) / middle(results['python'], phase):.0f}"
        print(f"| {WORDS[phase]} | {python} | {c} | {ratio:.2f} | {tools} | {times} |")


def middle(rounds: list[dict[str, float]], phase: str) -> float:
    """The median."""
    return statistics.median(each[phase] for each in rounds)


def told(rounds: list[dict[str, float]], phase: str) -> str:
    """Median (least – most)."""
    values = [each[phase] for each in rounds]
    return f"{statistics.median(values):.1f} ({min(values):.1f} – {max(values):.1f})"


if __name__ == "__main__":
    main()

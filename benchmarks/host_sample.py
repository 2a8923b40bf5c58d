"""One reading of 1,000 pods through kept descriptors, side by side with a C loop of the same system calls.

``TMPDIR=/dev/shm python benchmarks/host_sample.py`` anywhere: on a made tree of files with a real kernel's
texts, each round with other numbers. In a guest, on real cgroups:
``python -m enforcer.lab --timeout 270 -- python benchmarks/host_sample.py --kernel``. Sides in turn, medians
with least and most, µs of CPU time a pod; Python's includes parsing to columns.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from enforcer.cgroupfs import CgroupFS
from enforcer.counters import SAMPLED
from enforcer.observe import Sampler
from qos.model.cgroup import CgroupName

SIX = ("cpu.stat", "memory.current", "memory.stat", "memory.events", "pids.current", "io.stat")
PRESSURE = "".join(
    f"{line} avg10=0.{{0:02d}} avg60=0.00 avg300=0.00 total={{0}}\n" for line in ("some", "full")
)
STAT = "".join(f"key_{number} {{0}}\n" for number in range(40))


def texts(number: int) -> dict[str, str]:
    """Every sampled file's text, with the lengths that Linux 6.12 prints."""
    made = dict.fromkeys(SAMPLED, "low {0}\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    made |= {file: PRESSURE for file in SAMPLED if file.endswith(".pressure")}
    made |= {file: "{0}\n" for file in SAMPLED if file.endswith((".current", ".peak"))}
    made["cpu.stat"] = (
        "usage_usec {0}\nuser_usec {0}\nsystem_usec 0\nnice_usec 0\ncore_sched.force_idle_usec 0\n"
        "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"
    )
    made["memory.stat"] = "anon {0}\nfile {0}\nkernel 0\npgfault {0}\ninactive_file 0\n" + STAT
    made["io.stat"] = "8:0 rbytes={0} wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n"
    return {file: text.format(number % 97) for file, text in made.items()}


def fill(root: Path, pods: list[str], number: int) -> None:
    """Write the files of a made tree, each pod's with other numbers."""
    for at, pod in enumerate(pods):
        for file, text in texts(number + at).items():
            (root / pod / file).write_text(text)


def python_side(fs: CgroupFS, sampler: Sampler, count: int) -> float:
    """Microseconds of CPU a pod of one reading, the columns of an earlier one already taken."""
    del fs
    began = time.process_time()
    sampler.sample()
    took = time.process_time() - began
    return took / count * 1e6


def main() -> None:
    """Run both sides in turn and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--kernel", action="store_true", help="real cgroups below /sys/fs/cgroup")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        root, pods = (real if options.kernel else made)(Path(folder), options.count)
        program = Path(folder) / "sample_loop"
        subprocess.run(["gcc", "-O2", "-o", program, Path(__file__).with_name("sample_loop.c")], check=True)
        print(f"{os.uname().release}, {options.count} pods, {options.rounds} rounds; µs of CPU time a pod\n")
        print(
            "| files of a pod | qos | C, the same reads | qos / C | taking the columns |\n"
            "|---|---|---|---|---|"
        )
        for files in (SIX, tuple(SAMPLED)):
            report(measure(options, root, pods, files, program), len(files))
        if options.kernel:
            for pod in pods:
                (root / pod).rmdir()


def made(folder: Path, count: int) -> tuple[Path, list[str]]:
    """A tree of plain files."""
    pods = [f"p{number}" for number in range(count)]
    for pod in pods:
        (folder / pod).mkdir()
    (folder / "cgroup.controllers").write_text("cpu memory io pids\n")
    (folder / "cgroup.procs").write_text("")
    fill(folder, pods, 0)
    return folder, pods


def real(_folder: Path, count: int) -> tuple[Path, list[str]]:
    """Cgroups of the kernel, with every controller it has."""
    top = Path("/sys/fs/cgroup")
    names = (top / "cgroup.controllers").read_text().split()
    on = " ".join(f"+{name}" for name in names)
    (top / "cgroup.subtree_control").write_text(on)
    root = top / "bench"
    root.mkdir(exist_ok=True)
    (root / "cgroup.subtree_control").write_text(on)
    pods = [f"p{number}" for number in range(count)]
    for pod in pods:
        (root / pod).mkdir()
    return root, pods


def measure(
    options: argparse.Namespace, root: Path, pods: list[str], files: tuple[str, ...], program: Path
) -> dict[str, list[float]]:
    """Both sides in turn."""
    results: dict[str, list[float]] = {"python": [], "c": [], "take": []}
    fs = CgroupFS(root) if options.kernel else CgroupFS.open_dump(root)
    with Sampler(fs, {CgroupName(pod): pod for pod in pods}, files=files) as sampler:
        sampler.sample()
        sampler.take()
        gc.freeze()
        for number in range(options.rounds):
            if not options.kernel:
                fill(root, pods, number * 7)
            results["python"].append(python_side(fs, sampler, options.count))
            began = time.process_time()
            samples = sampler.take()
            results["take"].append((time.process_time() - began) / options.count * 1e6)
            assert samples.column("memory_current", CgroupName(pods[0]))[-1] >= 0
            there = [file for file in files if (root / pods[0] / file).exists()]
            done = subprocess.run(
                [program, root, str(options.count), *there], check=True, capture_output=True, text=True
            )
            results["c"].append(float(done.stdout) / 1000)
    return results


def report(results: dict[str, list[float]], files: int) -> None:
    """One line of the table."""
    python, c, take = (
        f"{statistics.median(results[side]):.1f} ({min(results[side]):.1f} – {max(results[side]):.1f})"
        for side in ("python", "c", "take")
    )
    ratio = statistics.median(results["python"]) / statistics.median(results["c"])
    print(f"| {files} | {python} | {c} | {ratio:.2f} | {take} |")


if __name__ == "__main__":
    main()

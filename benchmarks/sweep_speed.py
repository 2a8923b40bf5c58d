"""A sweep of 64 runs on 2 cores beside one core, in turn (A B A B), with the result of each compared.

Run: ``python benchmarks/sweep_speed.py [ROUNDS] [RUNS]`` (3 rounds of 64). Whole processes, wall clock, so
the start counts; each sweep goes to a folder of its own, so nothing is taken over. A first sweep that is not
counted compiles the loops. Needs two free cores.

``python benchmarks/sweep_speed.py same [RUNS]``: once each with 1, 2 and 4 workers and on a Dask cluster of
two worker processes on loopback (extra ``qos[dask]``); says whether all print the same bytes.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Requests at 10 pods for 4 minutes: some 0.2 s of simulation a run.
SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: sweep-speed}
spec:
  question: How long does a sweep take?
  duration: 4m
  nodes: [{metadata: {name: worker}, status: {capacity: {cpu: "8", memory: 32Gi}}}]
  pods:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: {name: web, labels: {app: web}}
      spec:
        replicas: 10
        selector: {matchLabels: {app: web}}
        template:
          metadata: {labels: {app: web}}
          spec:
            containers:
              - {name: main, image: "web:1", resources: {requests: {cpu: 500m, memory: 64Mi}}}
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: requests, rate: 100, cpuPerRequest: 5ms, cost: exponential}
"""


def same(runs: str) -> None:
    """The same sweep on every engine, and whether what it prints is the same."""
    qos = str(Path(sys.executable).parent / "qos")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    local = "--host", "127.0.0.1", "--no-dashboard"
    dask = [sys.executable, "-m"]
    cluster = [[*dask, "distributed.cli.dask_scheduler", *local, "--no-show", "--port", port]]
    worker = [
        *dask,
        "distributed.cli.dask_worker",
        f"tcp://{address}",
        *local,
        "--no-nanny",
        "--nthreads",
        "1",
    ]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "sweep-speed.yaml")
        file.write_text(SCENARIO, encoding="utf-8")
        processes = [
            subprocess.Popen(each, cwd=name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for each in (*cluster, worker, worker)
        ]
        told: dict[str, bytes] = {}
        try:
            for words in (
                ["--workers", "1"],
                ["--workers", "2"],
                ["--workers", "4"],
                ["--engine", f"dask://{address}"],
            ):
                title = " ".join(words).replace(address, "two workers")
                command = [qos, "simulate", str(file), "--seeds", runs, *words, "--no-report", "--no-record"]
                began = time.perf_counter()
                told[title] = subprocess.run(
                    [*command, "-o", "json"], check=True, stdout=subprocess.PIPE
                ).stdout
                print(f"{title}: {time.perf_counter() - began:.1f} s")
        finally:
            for process in processes:
                process.kill()
                process.wait()
    print(
        f"{runs} runs, {'the same bytes' if len(set(told.values())) == 1 else 'DIFFERENT results'} from all"
    )


def main() -> None:
    """Both sides in turn."""
    if sys.argv[1:2] == ["same"]:
        same(sys.argv[2] if len(sys.argv) > 2 else "64")
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    runs = sys.argv[2] if len(sys.argv) > 2 else "64"
    qos = str(Path(sys.executable).parent / "qos")
    spent: dict[int, list[float]] = {1: [], 2: []}
    told: set[str] = set()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "sweep-speed.yaml")
        file.write_text(SCENARIO, encoding="utf-8")
        warm_up = [
            qos,
            "simulate",
            str(file),
            "--seeds",
            "2",
            "--no-report",
            "--out",
            str(Path(name, "warm")),
        ]
        subprocess.run(warm_up, check=True, stdout=subprocess.DEVNULL)
        for number in range(rounds):
            for workers, seconds in spent.items():
                out = str(Path(name, f"out-{number}-{workers}"))
                command = [qos, "simulate", str(file), "--seeds", runs, "--workers", str(workers)]
                began = time.perf_counter()
                run = subprocess.run(
                    [*command, "--no-report", "-o", "json", "--out", out], check=True, stdout=subprocess.PIPE
                )
                seconds.append(time.perf_counter() - began)
                told.add(run.stdout.decode().replace(out, ""))
    if len(told) > 1:
        sys.exit("results differ: no figures")
    ratios = [one / two for one, two in zip(spent[1], spent[2], strict=True)]
    for workers, seconds in spent.items():
        middle = statistics.median(seconds)
        print(f"{runs} runs, {workers} workers: {middle:.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"speed-up {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), results equal")


if __name__ == "__main__":
    main()

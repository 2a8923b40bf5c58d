"""A sweep on a Dask cluster of real processes: the same bits, nothing lost when a worker is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos.errors import HostError
from qos.experiment.sweep import Sweep, plan_sweep, run_sweep
from qos.experiment.sweep_engine import engine_of
from qos.experiment.sweep_result import result
from qos.record.run_store import RunStore

pytest.importorskip("distributed", reason="the extra qos[dask] is not installed")

AXIS = "pods[web].limits.cpu=300m..600m:4"
PATIENCE_SECONDS = 60


class Cluster:
    """A scheduler and workers on loopback, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.folder = folder
        self.address = f"127.0.0.1:{port}"
        words = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
        self.processes = [self._start("distributed.cli.dask_scheduler", *words)]
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, *options: str, path: str | None = None) -> None:
        """A worker of one thread without a nanny: when it is killed, it stays dead."""
        self.workers.append(
            self._start("distributed.cli.dask_worker", f"tcp://{self.address}", "--host", "127.0.0.1",
                        "--no-nanny", "--nthreads", "1", "--no-dashboard", *options, path=path)
        )  # fmt: skip

    def _start(self, module: str, *words: str, path: str | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s"}
        if path is not None:
            environment["PYTHONPATH"] = path
        return subprocess.Popen(
            [sys.executable, "-m", module, *words], cwd=self.folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_for(self, workers: int) -> None:
        """Until the scheduler answers and has so many workers."""
        from distributed import Client

        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                client = Client(f"tcp://{self.address}", timeout=5, set_as_default=False)  # type: ignore[no-untyped-call]
                break
            except OSError:
                assert time.monotonic() < deadline, "no scheduler"
        with client:
            client.wait_for_workers(workers, timeout=PATIENCE_SECONDS)

    def stop(self) -> None:
        """All processes gone."""
        for process in [*self.workers, *self.processes]:
            process.kill()
        for process in [*self.workers, *self.processes]:
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers."""
    made = Cluster(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def sweep(web_tier: Path) -> Sweep:
    """4 points × 2 policies × 5 seeds, long enough to be interrupted."""
    text = web_tier.read_text(encoding="utf-8")
    web_tier.write_text(text.replace("duration: 4s", "duration: 20s"), encoding="utf-8")
    return plan_sweep(web_tier, [AXIS], seeds=5)


def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(
    cluster: Cluster, sweep: Sweep, tmp_path: Path
) -> None:
    """Two workers, one killed after 10 of 40 runs: each run once, equal to the local pool to the bit."""
    cluster.add_worker()
    cluster.add_worker()
    cluster.wait_for(2)
    store = RunStore(tmp_path / "runs")
    told: list[int] = []

    def watch(done: int, _total: int) -> None:
        told.append(done)
        if done == 10:
            cluster.workers[0].send_signal(signal.SIGKILL)
            cluster.workers[0].wait()

    found = run_sweep(sweep, engine_of(f"dask://{cluster.address}"), store=store, progress=watch)
    assert cluster.workers[0].returncode == -signal.SIGKILL
    assert told == list(range(41))
    assert len(list((tmp_path / "runs").iterdir())) == len(found) == 40
    local = run_sweep(sweep, engine_of("local", 2))
    assert found == local
    assert result(sweep, found).to_json() == result(sweep, local).to_json()


def test_cancelling_leaves_no_work_on_the_cluster(cluster: Cluster, sweep: Sweep, tmp_path: Path) -> None:
    """Interrupted after three runs: the scheduler has no task of ours left, and the sweep goes on."""
    cluster.add_worker()
    cluster.wait_for(1)
    store = RunStore(tmp_path / "runs")

    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    engine = engine_of(f"dask://{cluster.address}")
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, engine, store=store, progress=interrupt)
    assert _tasks_left(cluster) == 0
    told: list[int] = []
    run_sweep(sweep, engine, store=store, progress=lambda done, _total: told.append(done))
    assert told[0] == 3
    assert told[-1] == 40


def test_ctrl_c_of_the_command_keeps_what_is_finished(
    cluster: Cluster, sweep: Sweep, web_tier: Path, tmp_path: Path
) -> None:
    """SIGINT to `qos simulate --engine dask://…`: exit code 130, an idle cluster; the same command goes on.

    What it then prints is what an uninterrupted local sweep prints, to the byte, each run counted once.
    """
    cluster.add_worker()
    cluster.wait_for(1)
    program = Path(sys.executable).with_name("qos")
    words = [program, "simulate", web_tier, "--sweep", AXIS, "--seeds", "5", "--no-report", "-o", "json"]
    dask = [*words, "--engine", f"dask://{cluster.address}", "--out", tmp_path / "dask"]
    first = subprocess.Popen(dask, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    runs = tmp_path / "dask/web-tier.sweep/runs"
    while first.poll() is None and len(list(runs.glob("[0-9a-f]*.json")) if runs.exists() else []) < 3:
        os.sched_yield()
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert _tasks_left(cluster) == 0
    kept = len(list(runs.glob("[0-9a-f]*.json")))
    again = subprocess.run(dask, capture_output=True, text=True, check=True)
    assert 3 <= kept < len(sweep.runs)
    assert f"{len(sweep.runs)} runs, {kept} of them done before" in again.stderr
    assert len(list(runs.glob("[0-9a-f]*.json"))) == len(sweep.runs)
    local = subprocess.run([*words, "--out", tmp_path / "local"], capture_output=True, text=True, check=True)
    assert again.stdout == local.stdout


def _tasks_left(cluster: Cluster) -> int:
    from distributed import Client

    deadline = time.monotonic() + PATIENCE_SECONDS
    with Client(f"tcp://{cluster.address}", timeout=10, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        while True:
            left = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
            if not left or time.monotonic() > deadline:
                return int(left)


def test_a_worker_with_another_qos_is_refused(cluster: Cluster, sweep: Sweep, tmp_path: Path) -> None:
    """Other code on a worker would give other results: the worker is named, nothing is run."""
    import shutil

    import qos

    other = tmp_path / "other"
    shutil.copytree(Path(qos.__file__).parent, other / "qos", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "qos/simulate/share.py").open("a", encoding="utf-8") as changed:
        changed.write("\n# one line more\n")
    cluster.add_worker("--name", "stranger", path=str(other))
    cluster.wait_for(1)
    with pytest.raises(HostError, match="has another qos"):
        run_sweep(sweep, engine_of(f"dask://{cluster.address}"))


def test_no_scheduler_is_one_error(sweep: Sweep) -> None:
    """The address and what is wrong with it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        engine = engine_of(f"dask://127.0.0.1:{port}")
        with pytest.raises(HostError, match=f"127.0.0.1:{port}: no Dask scheduler answers"):
            run_sweep(sweep, engine)

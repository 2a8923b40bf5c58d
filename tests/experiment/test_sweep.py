"""Sweeps: the same results however many processes, kept as they finish, nothing lost or counted twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from qos.errors import HostError, InputError
from qos.experiment import sweep_pool
from qos.experiment.sweep import Sweep, plan_sweep, run_sweep, spawned
from qos.experiment.sweep_engine import engine_of, parse_shard
from qos.experiment.sweep_pool import run_local
from qos.experiment.sweep_result import result
from qos.experiment.sweep_task import Task, run_task
from qos.experiment.sweep_tell import answer, table
from qos.record.run_store import RunStore, StoredRun

AXIS = "spec.pods[web].limits.cpu=300m..600m:3"


@pytest.fixture
def sweep(web_tier: Path) -> Sweep:
    """3 points × 2 policies × 3 seeds."""
    return plan_sweep(web_tier, [AXIS], seeds=3)


def here(tasks: Sequence[Task]) -> Iterator[StoredRun]:
    """An engine without processes: the reference."""
    return (run_task(task) for task in tasks)


class TestRuns:
    """Every run once, the same to the bit wherever it ran."""

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_the_workers_do_not_change_a_bit(self, sweep: Sweep, workers: int) -> None:
        """1, 2 and 5 processes give what one loop gives."""
        reference = run_sweep(sweep, here)
        found = run_sweep(sweep, engine_of("local", workers))
        assert len(found) == len(sweep.runs) == 18
        assert found == reference
        assert result(sweep, found).to_json() == result(sweep, reference).to_json()

    def test_seeds_are_shared_by_points_and_differ_from_each_other(self, sweep: Sweep) -> None:
        """Points and policies are compared under the same luck; more seeds begin with the same ones."""
        assert len(set(sweep.seeds)) == 3
        assert {run.seed for run in sweep.runs if run.point == 2} == set(sweep.seeds)
        assert spawned(4, 10)[:3] == sweep.seeds
        reference = run_sweep(sweep, here)
        luck = {
            reference[run.key].figures["web"]["arrived"] for run in sweep.runs if run.seed == sweep.seeds[0]
        }
        assert len(luck) == 1
        assert len({reference[run.key].figures["web"]["arrived"] for run in sweep.runs}) > 1

    def test_one_seed_is_the_scenarios_own(self, web_tier: Path) -> None:
        """Without --seeds a point is what `qos simulate` with that value is."""
        assert plan_sweep(web_tier, [AXIS]).seeds == (4,)
        assert plan_sweep(web_tier, [AXIS], seed=9).seeds == (9,)

    def test_more_limit_means_less_latency(self, sweep: Sweep) -> None:
        """The curve has the direction that queueing gives it, and without limits none at all."""
        found = result(sweep, run_sweep(sweep, here))
        kubelet = found.of("web", "latency_p99_seconds", "kubelet")
        assert kubelet[0].spread.mean > kubelet[1].spread.mean > kubelet[2].spread.mean
        unlimited = found.of("web", "latency_p99_seconds", "no-cpu-limits")
        assert unlimited[0].spread == unlimited[1].spread == unlimited[2].spread

    def test_a_failing_run_says_why(self) -> None:
        """An error in a worker is an error here, in words, and the processes end."""
        broken = [Task("k", b"no pickle", "kubelet", 1, "")]
        with pytest.raises(Exception, match="a run failed"), closing(run_local(broken, 1)) as runs:
            next(runs)


class TestKilledWorkers:
    """The OOM killer takes a worker: its run happens again, once."""

    def test_nothing_is_lost_or_counted_twice(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A worker that is killed in the middle of a run is replaced; the results are the same."""
        reference = run_sweep(sweep, here)
        victim, mark = sweep.runs[5].key, tmp_path / "killed"

        def dies_once(task: Task) -> StoredRun:
            if task.key == victim and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return run_task(task)

        monkeypatch.setattr(sweep_pool, "run_task", dies_once)
        finished: list[str] = []
        with closing(run_local(_tasks(sweep), 2)) as runs:
            found = {run.key: run for run in runs if finished.append(run.key) is None}
        assert mark.exists()
        assert len(finished) == len(set(finished)) == 18
        assert found == reference

    def test_a_run_that_always_kills_ends_the_sweep(
        self, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three times is enough: the signal and the remedy are told."""

        def dies(task: Task) -> StoredRun:
            os.kill(os.getpid(), signal.SIGKILL)
            return run_task(task)

        monkeypatch.setattr(sweep_pool, "run_task", dies)
        with (
            pytest.raises(HostError, match=r"3 times \(SIGKILL\).*--workers"),
            closing(run_local(_tasks(sweep), 2)) as runs,
        ):
            next(runs)

    def test_closing_early_leaves_no_process(self, sweep: Sweep) -> None:
        """Cancelled after the first run: every worker is gone."""
        others = set(_children())
        runs = run_local(_tasks(sweep), 2)
        next(runs)
        children = [pid for pid in _children() if pid not in others]
        assert len(children) == 2
        runs.close()  # type: ignore[attr-defined]  # a generator
        assert not [pid for pid in children if _alive(pid)]


def _tasks(sweep: Sweep) -> list[Task]:
    from qos.experiment.sweep_task import packed, stamp

    scenarios = [packed(point.scenario) for point in sweep.points]
    return [Task(run.key, scenarios[run.point], run.policy, run.seed, stamp()) for run in sweep.runs]


def _children() -> list[int]:
    task = Path(f"/proc/{os.getpid()}/task")
    return [int(pid) for each in task.iterdir() for pid in (each / "children").read_text().split()]


def _alive(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        os.sched_yield()
    return Path(f"/proc/{pid}").exists()


class TestResuming:
    """What is finished is kept, whole or not at all."""

    def test_an_interrupted_sweep_goes_on(self, sweep: Sweep, tmp_path: Path) -> None:
        """After 7 runs the power goes; the second time 11 are run and the result is the same."""
        store = RunStore(tmp_path / "runs")

        def breaks(tasks: Sequence[Task]) -> Iterator[StoredRun]:
            for number, run in enumerate(here(tasks)):
                if number == 7:
                    raise KeyboardInterrupt
                yield run

        with pytest.raises(KeyboardInterrupt):
            run_sweep(sweep, breaks, store=store)
        told: list[tuple[int, int]] = []
        found = run_sweep(sweep, here, store=store, progress=lambda *each: told.append(each))
        assert told[0] == (7, 18)
        assert len(told) == 12
        assert found == run_sweep(sweep, here)

    def test_damaged_and_foreign_files_are_run_again(self, sweep: Sweep, tmp_path: Path) -> None:
        """A torn file, one of another run, one of another format: none is taken for a result."""
        store = RunStore(tmp_path)
        run_sweep(sweep, here, store=store)
        files = sorted(tmp_path.iterdir())
        whole = files[3].read_text(encoding="utf-8")
        files[0].write_text(files[0].read_text(encoding="utf-8")[:50], encoding="utf-8")
        files[1].write_bytes(b"\xff\x00")
        files[2].write_text(whole, encoding="utf-8")
        files[4].write_text(
            files[4].read_text(encoding="utf-8").replace("run/v1", "run/v0"), encoding="utf-8"
        )
        assert len(store.finished([run.key for run in sweep.runs])) == 14
        assert run_sweep(sweep, here, store=store) == run_sweep(sweep, here)

    def test_more_seeds_and_another_point_take_up_what_is_there(self, web_tier: Path, tmp_path: Path) -> None:
        """A finer sweep later runs only what is new."""
        store = RunStore(tmp_path / "runs")
        run_sweep(plan_sweep(web_tier, [AXIS], seeds=2), here, store=store)
        told: list[tuple[int, int]] = []
        finer = plan_sweep(web_tier, ["spec.pods[web].limits.cpu=300m..600m:5"], seeds=3)
        run_sweep(finer, here, store=store, progress=lambda *each: told.append(each))
        assert told[0] == (3 * 2 * 2, 5 * 2 * 3)

    def test_another_scenario_policy_or_code_is_another_run(
        self, web_tier: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The name of a run holds everything that its result depends on."""
        before = {run.key for run in plan_sweep(web_tier, [AXIS]).runs}
        assert len(before) == 6
        text = web_tier.read_text(encoding="utf-8")
        web_tier.write_text(text.replace("duration: 4s", "duration: 5s"), encoding="utf-8")
        assert not before & {run.key for run in plan_sweep(web_tier, [AXIS]).runs}
        web_tier.write_text(text, encoding="utf-8")
        monkeypatch.setattr("qos.experiment.sweep.stamp", lambda: "other code")
        assert not before & {run.key for run in plan_sweep(web_tier, [AXIS]).runs}

    def test_shards_together_are_the_sweep(self, sweep: Sweep, tmp_path: Path) -> None:
        """Four shards into one folder, then the whole: nothing is left to run, nothing differs."""
        store = RunStore(tmp_path)
        for index in range(4):
            run_sweep(sweep, here, store=store, runs=sweep.shard(*parse_shard(f"{index}/4")))

        def nothing(tasks: Sequence[Task]) -> Iterator[StoredRun]:
            raise AssertionError(tasks)

        assert run_sweep(sweep, nothing, store=store) == run_sweep(sweep, here)


class TestWords:
    """What is wrong is said before anything runs."""

    @pytest.mark.parametrize("text", ["4/4", "x/4", "1", "-1/2", "0/0", "1/"])
    def test_bad_shards(self, text: str) -> None:
        """I counts from 0 and stays below N."""
        with pytest.raises(InputError, match="0/4"):
            parse_shard(text)

    @pytest.mark.parametrize("name", ["dask", "dask://", "dask://host", "ray://x:1", "dask://host:x"])
    def test_bad_engines(self, name: str) -> None:
        """Only a Dask scheduler's address or local."""
        with pytest.raises(InputError, match="dask://HOST:PORT"):
            engine_of(name)

    def test_an_impossible_point_is_told_with_its_value_and_place(self, web_tier: Path) -> None:
        """A limit below the request: which value of the sweep, and which line of the file."""
        with pytest.raises(
            InputError,
            match=r"--sweep pods\[web\]\.limits\.cpu=50m: .*web-tier\.yaml:\d+:\d+: .*limit of 50m",
        ):
            plan_sweep(web_tier, ["pods[web].limits.cpu=50m..500m:2"])

    def test_grids_that_are_too_large_or_double(self, web_tier: Path) -> None:
        """A million runs is the end; one path is swept once."""
        with pytest.raises(InputError, match="at most"):
            plan_sweep(web_tier, ["workloads[web].cpu.rate=1..2:1000"], seeds=2000)
        with pytest.raises(InputError, match="each path once"):
            plan_sweep(web_tier, [AXIS, AXIS])

    def test_the_answer_says_how_far_it_moves_and_how_sure_that_is(self, sweep: Sweep) -> None:
        """From end to end with ±, and which interval it is."""
        found = result(sweep, run_sweep(sweep, here))
        sentences = answer(found)
        assert sentences[0].startswith("web p99: ")
        assert "at limits.cpu=300m →" in sentences[0]
        assert "95 % confidence interval of the mean (Student t)" in sentences[-1]
        heads, rows = table(found)
        assert heads[:2] == ("  limits.cpu", "POLICY")
        assert len(rows) == 1 + 3 * 2
        assert all(len(row) == len(heads) for row in rows)

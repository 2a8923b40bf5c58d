"""`qos simulate --sweep … --seeds N` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
AXIS = "spec.pods[web].limits.cpu=300m..600m:3"


def test_the_answer_the_table_and_the_page(qos: Run, web_tier: Path, tmp_path: Path) -> None:
    """The answer first, 80 columns at most, a page with a question a picture, and talk on stderr."""
    run = qos("simulate", web_tier, "--sweep", AXIS, "--seeds", 3, "--workers", 2)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("web p99: ")
    assert "Student" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert "18 runs" in run.stderr
    page = (tmp_path / "reports/out/web-tier.sweep.html").read_text(encoding="utf-8")
    assert "What does pods[web].limits.cpu do to p99 latency?" in page
    assert "95% confidence interval of the mean (Student t)" in page


def test_the_machine_forms_agree_and_do_not_depend_on_the_workers(qos: Run, web_tier: Path) -> None:
    """JSON is the same to the byte for 1 and 3 workers, and CSV tells the same means."""
    words = ("simulate", web_tier, "--sweep", AXIS, "--seeds", 3, "--no-report", "--no-record")
    one, three = (qos(*words, "-o", "json", "--workers", count) for count in (1, 3))
    assert one.stdout == three.stdout
    told = json.loads(one.stdout)
    assert [point["at"] for point in told["points"]][:2] == [{"pods[web].limits.cpu": "300m"}] * 2
    assert len(told["seeds"]) == 3
    rows = list(csv.DictReader(io.StringIO(qos(*words, "-o", "csv").stdout)))
    means = {
        (row["pods[web].limits.cpu"], row["policy"], row["figure"]): (float(row["mean"]), int(row["n"]))
        for row in rows
    }
    for point in told["points"]:
        for figure, found in point["workloads"]["web"].items():
            key = (point["at"]["pods[web].limits.cpu"], point["policy"], figure)
            assert means[key] == (found["mean"], found["n"])


def test_finished_runs_are_not_run_again_and_shards_merge(qos: Run, web_tier: Path) -> None:
    """Two shards, then the whole: it only reads what is there."""
    for shard in ("0/2", "1/2"):
        run = qos("simulate", web_tier, "--sweep", AXIS, "--shard", shard)
        assert run.returncode == 0, run.stderr
        assert run.stdout == ""
        assert f"shard {shard}: 3 of 6 runs" in run.stderr
    whole = qos("simulate", web_tier, "--sweep", AXIS)
    assert "6 runs, 6 of them done before" in whole.stderr
    assert whole.stdout.startswith("web p99: ")


def test_ctrl_c_keeps_what_is_finished(web_tier: Path, tmp_path: Path) -> None:
    """Interrupted half-way: one line, exit code 130, no process left, and the rest goes on from there."""
    text = web_tier.read_text(encoding="utf-8")
    web_tier.write_text(text.replace("duration: 4s", "duration: 160s"), encoding="utf-8")
    program = Path(sys.executable).with_name("qos")
    words = [program, "simulate", web_tier, "--sweep", "workloads[web].cpu.rate=10..49:40", "--workers", "2"]
    first = subprocess.Popen(
        words,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    runs = tmp_path / "reports/out/web-tier.sweep/runs"
    while first.poll() is None and len(list(runs.glob("[0-9a-f]*.json")) if runs.exists() else []) < 3:
        os.sched_yield()
    # As a terminal does: to the whole group, workers too.
    os.killpg(first.pid, signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "interrupted: " in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.killpg(first.pid, 0)
    kept = len(list(runs.glob("[0-9a-f]*.json")))
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    assert 3 <= kept < 80
    assert f"80 runs, {kept} of them done before" in again.stderr


def test_a_killed_sweep_goes_on_and_counts_nothing_twice(web_tier: Path, tmp_path: Path) -> None:
    """SIGKILL of the command half-way: the same command then prints what an undisturbed one prints."""
    text = web_tier.read_text(encoding="utf-8")
    web_tier.write_text(text.replace("duration: 4s", "duration: 40s"), encoding="utf-8")
    program = Path(sys.executable).with_name("qos")
    words = [program, "simulate", web_tier, "--sweep", "workloads[web].cpu.rate=10..49:20", "--no-report"]
    words += ["-o", "json", "--workers", "2", "--out"]
    first = subprocess.Popen(
        [*words, tmp_path / "killed"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    runs = tmp_path / "killed/web-tier.sweep/runs"
    while first.poll() is None and len(list(runs.glob("[0-9a-f]*.json")) if runs.exists() else []) < 3:
        os.sched_yield()
    first.kill()
    first.wait()
    kept = len(list(runs.glob("[0-9a-f]*.json")))
    again = subprocess.run([*words, tmp_path / "killed"], capture_output=True, text=True, check=True)
    whole = subprocess.run([*words, tmp_path / "whole"], capture_output=True, text=True, check=True)
    assert 3 <= kept < 40
    assert f"40 runs, {kept} of them done before" in again.stderr
    assert len(list(runs.glob("[0-9a-f]*.json"))) == 40
    assert again.stdout == whole.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sweep", "pods[wob].limits.cpu=1,2"], "expected 'web'"),
        (["--sweep", "pods[web].limits.cpu=1..2"], "FROM..TO:HOW_MANY"),
        (["--sweep", "pods[web].limits.cpu=50m,1"], "is above the limit of 50m"),
        (["--seeds", "0"], "--seeds"),
        (["--seeds", "2", "--shard", "2/2"], "such as 0/4"),
        (["--seeds", "2", "--shard", "0/2", "--no-record"], "to be stored"),
        (["--seeds", "2", "--engine", "spark"], "dask://HOST:PORT"),
        (["--seeds", "2", "--engine", "dask://localhost:1", "--workers", "2"], "the cluster's own workers"),
        (["--workers", "2"], "belong to --sweep and --seeds"),
        (["-o", "csv"], "belong to --sweep and --seeds"),
    ],
)
def test_bad_input_is_one_error_and_exit_code_2(
    qos: Run, web_tier: Path, words: list[str], expected: str
) -> None:
    """Nothing runs; what would have been right is told."""
    run = qos("simulate", web_tier, *words)
    assert run.returncode == 2
    assert expected in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_help_shows_the_sweep(qos: Run) -> None:
    """`qos simulate --help` has the options and an example."""
    said = qos("simulate", "--help").stdout
    for word in ("--sweep", "--seeds", "--workers", "--engine", "--shard", "limits.cpu=200m..800m:4"):
        assert word in said

"""Should I remove CPU limits: a recording replayed with limits, without, and with burst."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qos.cli.app import app
from qos.errors import InputError
from qos.experiment.plan_limits import plan_limits
from qos.experiment.simulate import load, simulate
from qos.model.sample import Completions, Recording
from qos.record.store import read_recording, write_recording
from qos.record.summarize import summarize

SCENARIO = """
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: limits}
spec:
  question: What do limits cost?
  duration: 400s
  seed: 5
  sampleInterval: 1s
  nodes: [{metadata: {name: two}, status: {capacity: {cpu: "2", memory: 8Gi}}}]
  pods:
    - {apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web}},
       spec: {containers: [{name: web, image: x, resources: {requests: {cpu: WEB}, limits: {cpu: 500m}}}]}}
    - {apiVersion: v1, kind: Pod, metadata: {name: other, labels: {app: other}},
       spec:
         {containers: [{name: other, image: x, resources: {requests: {cpu: OTHER}, limits: {cpu: LIMIT}}}]}}
  policies: [kubelet, no-cpu-limits, cpu-burst]
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: requests, rate: 10, cpuPerRequest: 20ms, cost: exponential, workers: 32}
    - {name: other, selector: app=other, cpu: SHAPE}
"""
REQUESTS = "{shape: requests, rate: 20, cpuPerRequest: 10ms, cost: exponential, workers: 8}"


def _runs(folder: Path, web: str, other: str, limit: str, shape: str) -> dict[str, Recording]:
    text = (
        SCENARIO.replace("WEB", web).replace("OTHER", other).replace("LIMIT", limit).replace("SHAPE", shape)
    )
    (folder / "limits.yaml").write_text(text)
    return {run.policy: run for run in simulate(load(folder / "limits.yaml"))}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """A bursty service under half a CPU beside a quiet one, under three policies: the truth."""
    return _runs(tmp_path_factory.mktemp("limits"), "500m", "200m", "1", REQUESTS)


def test_a_recording_without_requests_tells_what_no_limits_would_bring(runs: dict[str, Recording]) -> None:
    """From usage and throttling alone: the p99 with and without limits within a fifth of the truth."""
    blind = replace(runs["kubelet"], completions=Completions())
    plan = plan_limits(blind, window_seconds=400)
    web = plan.members[0]
    assert (web.name, web.wanted.kind, plan.verdict.choice) == ("web", "pieces", "remove")
    for policy in ("kubelet", "no-cpu-limits", "cpu-burst"):
        truth = summarize(runs[policy]).workloads["web"].latency_seconds["p99"]
        assert web.fared[policy].p99_seconds == pytest.approx(truth, rel=0.2)
    assert web.fared["kubelet"].throttled == pytest.approx(web.recorded.throttled, abs=0.03)
    assert web.fared["no-cpu-limits"].throttled == 0


def test_a_thread_that_its_limit_holds_would_take_the_victims_cpu(tmp_path: Path) -> None:
    """Threads at a limit of one CPU and 90 times the weight: without limits the service starves."""
    noisy = _runs(tmp_path, "10m", "900m", "1", "{shape: spin, threads: 4}")["kubelet"]
    plan = plan_limits(noisy, victim="other", window_seconds=100)
    other = plan.members[0]
    assert (other.wanted.kind, other.wanted.at_once) == ("threads", 2)
    assert other.fared["no-cpu-limits"].cpus > 1.7
    assert plan.verdict.neighbour == "web"
    assert plan.verdict.choice == "keep"


def test_a_measured_recording_without_files_has_the_limits_of_its_pods(runs: dict[str, Recording]) -> None:
    """A node that qos did not set up: cpu.max comes from the pods, and the answer is the same."""
    bare = replace(runs["kubelet"], files={})
    assert plan_limits(bare, window_seconds=200).verdict.choice == "remove"


def test_the_command_says_the_answer_and_writes_the_picture(
    tmp_path: Path, runs: dict[str, Recording]
) -> None:
    """One sentence first, a page with one picture of three charts, and the same as JSON."""
    written = write_recording(runs["kubelet"], tmp_path / "node")
    page = tmp_path / "limits.html"
    words = ["plan", "limits", str(written), "--window", "60s", "--seeds", "1", "--report", str(page)]
    shown = CliRunner().invoke(app, words, catch_exceptions=False)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Yes, remove the CPU limits: web's p99 goes from")
    assert page.read_text().count('class="chart"') == 3
    told = json.loads(CliRunner().invoke(app, [*words, "-o", "json"], catch_exceptions=False).stdout)
    assert told["verdict"] == {"choice": "remove", "victim": "web", "neighbour": "other"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--victim", "nobody"], "no such container"),
        (["--cpu-per-request", "web"], "no time of a request"),
        (["--window", "soon"], "not a duration"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, runs: dict[str, Recording], words: list[str], said: str
) -> None:
    """An unknown container or an option that is none is one error that names what would be right."""
    written = write_recording(runs["kubelet"], tmp_path / "node")
    with pytest.raises(InputError, match=said):
        CliRunner().invoke(app, ["plan", "limits", str(written), *words], catch_exceptions=False)


def test_a_real_kernels_recording_tells_what_it_did_without_limits() -> None:
    """The same load, measured on Linux 6.1 without limits, had a p99 of 221 ms (web) and 171 ms (report).

    Only usage and throttling are given. That run's own requests had 732 ms and 284 ms with limits.
    """
    recording = read_recording(Path(__file__).parents[1] / "data" / "recordings" / "limits-in-the-lab")
    plan = plan_limits(replace(recording, completions=Completions()))
    web, report = plan.members
    assert (plan.verdict.choice, plan.source, web.name) == ("remove", "measured", "web:c")
    assert web.fared["no-cpu-limits"].p99_seconds == pytest.approx(0.221, rel=0.3)
    assert report.fared["no-cpu-limits"].p99_seconds == pytest.approx(0.171, rel=0.3)
    assert web.fared["kubelet"].p99_seconds == pytest.approx(0.732, rel=0.3)

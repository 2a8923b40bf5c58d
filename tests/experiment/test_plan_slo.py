"""Copies until an objective breaks, from the command line to the simulated node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qos.cli.app import app
from qos.errors import InputError

SCENARIO = """
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: fit}
spec:
  question: How many fit?
  duration: 20s
  seed: 3
  nodes:
    - metadata: {name: two}
      status:
        capacity: {cpu: "2", memory: 4Gi}
        allocatable: {cpu: "2", memory: 4Gi, pods: "20"}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: web, labels: {app: web}}
      spec:
        containers: [{name: c, image: x, resources: {requests: {cpu: REQUEST, memory: 128Mi}}}]
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: requests, rate: 20, cpuPerRequest: 20ms, cost: exponential, workers: 32}
      memory: {anon: {start: 100Mi}}
"""


def _plan(folder: Path, request_cpu: str, *words: str) -> tuple[int, dict[str, object]]:
    file = folder / "fit.yaml"
    file.write_text(SCENARIO.replace("REQUEST", request_cpu))
    arguments = ["plan", "-f", str(file), "--workers", "1", "--seeds", "3", "-o", "json", *words]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return shown.exit_code, json.loads(shown.stdout)


def test_a_busy_node_breaks_the_objective_before_requests_are_full(tmp_path: Path) -> None:
    """Each pod uses 0.4 of 2 CPUs: twenty fit by requests of 100m, four or fewer by a p99 of 150 ms."""
    code, plan = _plan(tmp_path, "100m", "--slo", "web.p99=150ms", "--slo", "oom=0")
    found = plan["found"]
    assert isinstance(found, dict)
    assert (code, plan["full"]) == (0, 20)
    assert 2 <= found["sure"] <= 4
    assert found["binding"][0]["objective"]["text"] == "web.p99=150ms"
    assert found["broken"] <= 6


def test_requests_that_are_too_large_end_it_first(tmp_path: Path) -> None:
    """Two pods of 1 CPU fill the node; the objective would hold for more, which --beyond-requests shows."""
    _, plan = _plan(tmp_path, "1", "--slo", "web.p99=500ms")
    _, beyond = _plan(tmp_path, "1", "--slo", "web.p99=500ms", "--beyond-requests", "--most", "8")
    assert isinstance(plan["found"], dict)
    assert isinstance(beyond["found"], dict)
    assert (plan["full"], plan["full_binding"], plan["found"]["sure"]) == (2, "cpu", 2)
    assert beyond["found"]["sure"] >= 3


def test_memory_that_does_not_fit_is_an_objective_too(tmp_path: Path) -> None:
    """Pods that request 128Mi and use 900Mi: 20 fit a node of 4Gi by requests, 4 unkilled; 80 columns."""
    file = tmp_path / "fit.yaml"
    file.write_text(SCENARIO.replace("REQUEST", "100m").replace("start: 100Mi", "start: 900Mi"))
    arguments = ["plan", "-f", str(file), "--workers", "1", "--seeds", "2", "--slo", "oom=0"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    assert shown.stdout.startswith("4 copies of web hold every objective under kubelet")
    assert max(map(len, shown.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--slo", "web.p98=1s"], "--slo: is no objective"),
        (
            ["--slo", "db.p99=1s"],
            "--slo: is about no workload of the scenario, got 'db.p99=1s'; expected web",
        ),
        (["--slo", "oom=0", "--copies-of", "db"], "--copies-of: no such workload is to be placed, got 'db'"),
        (["--slo", "oom=0", "--confidence", "100%"], "--confidence: is no confidence"),
        (["--slo", "oom=0", "--policy", "none"], "none"),
        (["--slo", "oom=0", "--beyond-requests", "--count", "2"], "--beyond-requests"),
        (["--slo", "oom=0", "--scenario", "missing.yaml"], "missing.yaml: cannot be read"),
        (["--scoring", "best"], "--scoring: is no scoring"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, words: list[str], line: str) -> None:
    """Every option's bad value is an error that names it and what would be right."""
    file = tmp_path / "fit.yaml"
    file.write_text(SCENARIO.replace("REQUEST", "100m"))
    with pytest.raises(InputError) as error:
        CliRunner().invoke(app, ["plan", "-f", str(file), *words], catch_exceptions=False)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_objectives_need_to_know_what_pods_want(tmp_path: Path) -> None:
    """--slo with manifests alone says that a scenario is missing."""
    file = tmp_path / "pod.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: x}]}\n---\n"
        "apiVersion: v1\nkind: Node\nmetadata: {name: one}\nstatus: {capacity: {cpu: 1, memory: 1Gi}}\n"
    )
    with pytest.raises(InputError, match="--scenario: --slo needs what the pods want"):
        CliRunner().invoke(app, ["plan", "-f", str(file), "--slo", "oom=0"], catch_exceptions=False)

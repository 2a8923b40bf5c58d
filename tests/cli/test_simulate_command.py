"""`qos simulate`, `qos test`, `qos report`, `qos compare`, `qos schema` as a user runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

Run = Callable[..., subprocess.CompletedProcess[str]]

SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: small}
spec:
  question: Is the web tier throttled by its own limit?
  duration: 5s
  seed: 4
  nodes:
    - apiVersion: v1
      kind: Node
      metadata: {name: node-a}
      status: {capacity: {cpu: "2", memory: 4Gi}}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: web, labels: {app: web}}
      spec:
        containers:
          - name: web
            image: web:1
            resources: {requests: {cpu: 500m, memory: 128Mi}, limits: {cpu: 500m, memory: 256Mi}}
  policies: [kubelet, no-cpu-limits]
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: spin, threads: 2}
      memory: {anon: {start: 64Mi}}
  expect:
    - {workload: web, metric: throttled_ratio, policy: kubelet, comparator: ">", value: 90%}
    - {workload: web, metric: cpu_usage_cpus, policy: kubelet, comparator: "==", value: 0.5, tolerance: 0.02}
    - workload: web
      metric: cpu_usage_cpus
      policy: no-cpu-limits
      comparator: ">"
      value: 3.9
      relativeTo: kubelet
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario small enough to know its outcome: half a CPU against two busy threads."""
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


class TestSimulate:
    """The main job: a scenario in, an answer, a recording and a page out."""

    def test_it_answers_first_and_fits_80_columns(self, qos: Run, scenario: Path) -> None:
        """The answer is the first thing on stdout, and no line is wider than the terminal."""
        run = qos("simulate", scenario)
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith("kubelet: throttled by its own limit: web in")
        assert max(map(len, run.stdout.splitlines())) <= 80

    def test_it_leaves_a_page_and_recordings_that_can_be_read_again(
        self, qos: Run, scenario: Path, tmp_path: Path
    ) -> None:
        """`qos report` and `qos compare` work on what `qos simulate` wrote."""
        assert qos("simulate", scenario).returncode == 0
        page = tmp_path / "reports/out/small.html"
        assert page.stat().st_size > 10_000
        report = qos("report", "reports/out/small", "--out", "again.html")
        assert report.returncode == 0, report.stderr
        assert (tmp_path / "again.html").exists()
        compared = qos(
            "compare", "reports/out/small/kubelet", "reports/out/small/no-cpu-limits", "-o", "json"
        )
        moved = {(each["subject"], each["metric"]) for each in json.loads(compared.stdout)}
        assert ("web", "throttled_ratio") in moved

    def test_the_machine_form_is_the_documented_one(self, qos: Run, scenario: Path) -> None:
        """`-o json` has scenario, seed, profile and runs with cgroups, workloads and events."""
        run = qos("simulate", scenario, "-o", "json", "--no-report", "--no-record")
        told = json.loads(run.stdout)
        assert set(told) == {"scenario", "seed", "profile", "runs"}
        kubelet = told["runs"][0]
        assert {"policy", "duration_seconds", "cgroups", "workloads", "events"} <= set(kubelet)
        leaf = next(values for name, values in kubelet["cgroups"].items() if name.endswith("/web"))
        assert leaf["cpu_stat_usage_usec"] == pytest.approx(2.5e6, rel=0.01)
        assert leaf["memory_peak"] >= 64 << 20

    def test_the_same_seed_gives_the_same_bits(self, qos: Run, scenario: Path) -> None:
        """Two runs print the same bytes; another seed is told as such."""
        first, second = (
            qos("simulate", scenario, "-o", "json", "--no-report", "--no-record") for _ in range(2)
        )
        assert first.stdout == second.stdout
        assert (
            json.loads(qos("simulate", scenario, "--seed", "9", "-o", "json", "--no-report").stdout)["seed"]
            == 9
        )


BROKEN = [
    ("duration: 5s", "duration: 0s", "duration"),
    ("duration: 5s", "duration: soon", "duration"),
    ("selector: app=web", "selector: app=nobody", "matches no pod"),
    ("policies: [kubelet, no-cpu-limits]", "policies: [kubelt]", "kubelt"),
    ("cpu: 500m, memory: 128Mi", "cpu: 500x, memory: 128Mi", "500x"),
    ("shape: spin", "shape: spinn", "spinn"),
    ("threads: 2", "threads: 0", "threads"),
    ("  seed: 4", "  sed: 4", "sed"),
    ("kind: Scenario", "kind: Szenario", "Szenario"),
    ("spec:\n", "spec: {{ .Values.spec }}\n", "template"),
]


class TestBadInput:
    """One line, exit code 2, nothing written."""

    @pytest.mark.parametrize(("good", "bad", "named"), BROKEN, ids=[named for *_, named in BROKEN])
    def test_a_broken_scenario_is_one_line(
        self, qos: Run, tmp_path: Path, good: str, bad: str, named: str
    ) -> None:
        """The line has the file, names the value, and no report is left behind."""
        path = tmp_path / "broken.yaml"
        path.write_text(SCENARIO.replace(good, bad, 1), encoding="utf-8")
        run = qos("simulate", path)
        assert run.returncode == 2
        assert run.stdout == ""
        assert "Traceback" not in run.stderr
        assert "broken.yaml" in run.stderr
        assert named in run.stderr
        assert not (tmp_path / "reports").exists()

    @pytest.mark.parametrize("words", [("simulate", "absent.yaml"), ("report", "absent"), ("test", "absent")])
    def test_a_missing_file_is_one_line(self, qos: Run, words: tuple[str, ...]) -> None:
        """The line names the file."""
        run = qos(*words)
        assert run.returncode == 2
        assert "absent" in run.stderr
        assert "Traceback" not in run.stderr


class TestTest:
    """`qos test`: exit 0 when all hold, 1 when one does not, 2 for bad input."""

    def test_kept_promises_pass(self, qos: Run, scenario: Path) -> None:
        """All expectations of the small scenario hold."""
        run = qos("test", scenario)
        assert run.returncode == 0, run.stdout
        assert "3 passed, 0 failed" in run.stdout

    def test_a_broken_promise_fails_and_says_where(self, qos: Run, tmp_path: Path) -> None:
        """Exit code 1; the line of the promise and the value seen are told."""
        path = tmp_path / "small.yaml"
        path.write_text(SCENARIO.replace("value: 0.5", "value: 0.7"), encoding="utf-8")
        run = qos("test", path)
        assert run.returncode == 1
        assert "small.yaml:" in run.stdout
        assert "promised == 0.7" in run.stdout

    def test_no_promise_is_a_failure(self, qos: Run, tmp_path: Path) -> None:
        """Scenarios without expectations test nothing: exit code 1."""
        path = tmp_path / "small.yaml"
        path.write_text(SCENARIO.partition("  expect:")[0], encoding="utf-8")
        run = qos("test", path)
        assert run.returncode == 1
        assert "no promise was judged" in run.stderr

    def test_a_baseline_catches_what_moved(self, qos: Run, scenario: Path) -> None:
        """Accepted figures pass again; a halved limit fails by name."""
        assert qos("test", scenario, "--baseline", "base", "--accept").returncode == 0
        assert qos("test", scenario, "--baseline", "base").returncode == 0
        scenario.write_text(
            SCENARIO.replace("limits: {cpu: 500m", "limits: {cpu: 250m").replace(
                "requests: {cpu: 500m", "requests: {cpu: 250m"
            ),
            encoding="utf-8",
        )
        run = qos("test", scenario, "--baseline", "base")
        assert run.returncode == 1
        assert "web.cpu_seconds [kubelet]" in run.stdout


def test_scenarios_satisfy_the_published_schema(qos: Run, repository: Path) -> None:
    """Every shipped document validates against `qos schema KIND` by a real validator."""
    validators = {
        kind: jsonschema.Draft202012Validator(json.loads(qos("schema", kind).stdout))
        for kind in ("Scenario", "QoSPolicy")
    }
    paths = sorted((repository / "scenarios").glob("*.yaml"))
    assert paths
    for path in paths:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            validators[document["kind"]].validate(document)

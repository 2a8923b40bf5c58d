"""`qos test` as typed: exit codes, rules over manifests, waivers, the ratchet, and a baseline's life."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: side
{annotation}spec:
  containers:
    - name: c
      image: i
      resources:
        limits: {{cpu: 3m, memory: 64Mi}}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: small}
status: {capacity: {cpu: "2", memory: 2Gi, pods: "10"}}
"""
SCENARIO = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: little}
spec:
  question: Does a limit of half a CPU hold?
  duration: 10s
  nodes:
    - file: node.yaml
  manifests: [pod.yaml]
  policies: [kubelet]
  workloads:
    - name: spin
      selector: app=spin
      cpu: {shape: spin, threads: 1}
  expect:
    - {workload: spin, metric: cpu_usage_cpus, comparator: "<=", value: VALUE, tolerance: 0.02}
"""
SPIN = """\
apiVersion: v1
kind: Pod
metadata: {name: spin, labels: {app: spin}}
spec:
  containers:
    - {name: c, image: i, resources: {limits: {cpu: LIMIT, memory: 64Mi}}}
"""


def _pod(folder: Path, *ignore: str) -> Path:
    lines = "".join(f"      {line}\n" for line in ignore)
    path = folder / "pod.yaml"
    path.write_text(
        POD.format(annotation=f"  annotations:\n    qos.dev/ignore: |\n{lines}" if ignore else "")
    )
    return path


def _scenario(folder: Path, *, limit: str = "500m", value: str = "0.5") -> Path:
    (folder / "node.yaml").write_text(NODE)
    (folder / "pod.yaml").write_text(SPIN.replace("LIMIT", limit))
    path = folder / "little.yaml"
    path.write_text(SCENARIO.replace("VALUE", value))
    return path


def _findings(done: CompletedProcess[str]) -> dict[str, str]:
    return {one["rule"]: one["status"] for one in json.loads(done.stdout)}


def test_rules_fail_with_file_line_reason_and_fix(qos: Run, tmp_path: Path) -> None:
    """A quota that the kernel rounds up is exit 1, with where it stands and what to write."""
    done = qos("test", "--rules", _pod(tmp_path).name)
    assert done.returncode == 1
    assert "quota-rounded-up" in done.stdout
    assert "fix: " in done.stdout
    assert "at pod.yaml:1" in done.stdout


def test_a_good_manifest_passes_all_rules(qos: Run, tmp_path: Path) -> None:
    """One outcome for the pod, exit 0."""
    path = _pod(tmp_path)
    path.write_text(path.read_text().replace("3m", "500m"))
    done = qos("test", "--rules", path, "-o", "json")
    assert (done.returncode, _findings(done)) == (0, {"rules": "passed"})


def test_an_annotation_with_a_reason_waives(qos: Run, tmp_path: Path) -> None:
    """The findings are still told, with the reason, but fail nothing."""
    path = _pod(tmp_path, "quota-rounded-up: it sleeps all day", "weight-one: it sleeps all day")
    done = qos("test", "--rules", path, "-o", "json")
    assert (done.returncode, _findings(done)) == (0, {"quota-rounded-up": "noted", "weight-one": "noted"})
    assert "(waived: it sleeps all day)" in done.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("quota-rounded-up", "gives no reason"),
        ("quota-rounded-up:  ", "gives no reason"),
        ("no-such-rule: because", "names no rule"),
        ("zero-limit: because", "finds nothing here any more"),
    ],
)
def test_an_annotation_that_waives_nothing_fails(qos: Run, tmp_path: Path, line: str, says: str) -> None:
    """A waiver without a reason, of no rule, or of no finding, is itself a failure."""
    done = qos("test", "--rules", _pod(tmp_path, line), "-o", "json")
    assert done.returncode == 1
    assert [one["rule"] for one in json.loads(done.stdout) if says in one["message"]] == ["ignore"]
    assert _findings(done)["quota-rounded-up"] == "failed"


def test_a_ratchet_lets_old_findings_be_and_no_new_ones(qos: Run, tmp_path: Path) -> None:
    """Accepted findings pass; a new one fails; one that is gone fails until the file is written anew."""
    path = _pod(tmp_path)
    words = ("test", "--rules", path, "--ratchet", "old.json")
    assert qos(*words).returncode == 2
    assert qos(*words, "--accept").returncode == 0
    assert qos(*words).returncode == 0
    good = path.read_text()
    path.write_text(good.replace("64Mi", "64m"))
    worse = qos(*words, "-o", "json")
    assert (worse.returncode, _findings(worse)["memory-below-a-page"]) == (1, "failed")
    path.write_text(good.replace("3m", "500m"))
    better = qos(*words, "-o", "json")
    assert (better.returncode, _findings(better)["ratchet"]) == (1, "failed")
    assert qos(*words, "--accept").returncode == 0
    assert json.loads((tmp_path / "old.json").read_text()) == {"version": 1, "accepted": []}


@pytest.mark.parametrize(
    "words",
    [
        ("--rules",),
        ("--rules", "absent.yaml"),
        ("--rules", "empty.yaml"),
        ("--rules", "pod.yaml", "--accept"),
        ("--rules", "pod.yaml", "--baseline", "."),
        ("--rules", "pod.yaml", "--ratchet", "pod.yaml"),
        ("pod.yaml",),
        ("pod.yaml", "--ratchet", "old.json"),
        ("pod.yaml", "--accept"),
    ],
)
def test_wrong_use_is_one_line_and_exit_two(qos: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Nothing to judge, no such file, options that do not fit: said in one line, no traceback."""
    _pod(tmp_path)
    (tmp_path / "empty.yaml").write_text("")
    done = qos("test", *words)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("qos: ")
    assert done.stderr.count("\n") == 1


def test_a_kept_promise_is_zero_and_a_broken_one_names_its_numbers(qos: Run, tmp_path: Path) -> None:
    """Half a CPU keeps 0.5; promised 0.25 it is exit 1 with the subject, what was seen and the bound."""
    kept = qos("test", _scenario(tmp_path))
    assert (kept.returncode, kept.stdout) == (0, "ok   little: 1 of 1 hold\n1 passed, 0 failed\n")
    broken = qos("test", _scenario(tmp_path, value="0.25").name)
    assert broken.returncode == 1
    assert "cpu_usage_cpus of spin is 0.5, promised <= 0.25" in broken.stdout
    assert "at little.yaml:16" in broken.stdout


def test_a_baseline_is_written_kept_and_missed(qos: Run, tmp_path: Path) -> None:
    """No baseline fails; accepted it passes; a limit halved since then is a regression that is named."""
    words = ("test", _scenario(tmp_path).name, "--baseline", "base")
    assert qos(*words).returncode == 1
    assert qos(*words, "--accept").returncode == 0
    first = (tmp_path / "base" / "little.json").read_bytes()
    assert qos(*words).returncode == 0
    assert qos(*words, "--accept").returncode == 0
    assert (tmp_path / "base" / "little.json").read_bytes() == first
    _scenario(tmp_path, limit="250m")
    halved = qos(*words, "-o", "json")
    assert halved.returncode == 1
    moved = {one["name"]: one for one in json.loads(halved.stdout) if one["status"] == "failed"}
    assert "spin.cpu_seconds [kubelet]" in moved or "spin.throttled_ratio [kubelet]" in moved


def test_a_scenario_that_promises_nothing_is_not_a_passed_test(qos: Run, tmp_path: Path) -> None:
    """Nothing judged is exit 1, with and without a folder of baselines."""
    path = _scenario(tmp_path)
    path.write_text(path.read_text().partition("  expect:")[0])
    assert qos("test", path).returncode == 1
    assert qos("test", path, "--baseline", "base").returncode == 1

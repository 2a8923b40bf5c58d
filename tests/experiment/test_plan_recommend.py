"""`qos plan recommend`: usage from every source, patches that fit, a replay that agrees with the kernel."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from qos.capacity.patches import Target, kubectl, kustomize, owner_of
from qos.capacity.recommend import Resources
from qos.capacity.replay import late_share
from qos.cli.app import app
from qos.errors import InputError
from qos.experiment.plan_recommend import Sources, read_usage
from qos.experiment.simulate import load, simulate
from qos.record.store import write_recording
from qos.scenario.manifest import read_manifests

MIB = 1 << 20
SCENARIO = """
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: held}
spec:
  question: How much comes late?
  duration: 60s
  nodes:
    - metadata: {name: n-1}
      status: {capacity: {cpu: "4", memory: 4Gi}}
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: web-7d4b9c6f5-x2x9p, namespace: shop, labels: {app: web}}
      spec:
        containers:
          - {name: app, image: x, resources: {requests: {cpu: 500m}, limits: {cpu: 500m, memory: 256Mi}}}
  agents: []
  workloads:
    - name: web
      selector: app=web
      cpu: {shape: curve, threads: 2, points: [
        {at: 0s, value: 800m}, {at: 10s, value: 800m}, {at: 10s, value: 200m}, {at: 40s, value: 200m},
        {at: 40s, value: "1"}, {at: 45s, value: "1"}, {at: 45s, value: 0}, {at: 60s, value: 0}]}
      memory: {anon: {start: 100Mi}}
"""
DEMAND = np.array([0.8] * 10 + [0.2] * 30 + [1.0] * 5 + [0.0] * 15)


def _recording(folder: Path) -> Path:
    file = folder / "held.yaml"
    file.write_text(SCENARIO)
    return write_recording(simulate(load(file))[0], folder / "run")


def test_the_replay_is_late_by_as_much_as_the_simulated_kernel(tmp_path: Path) -> None:
    """Work served under a quota of 0.5 CPUs, second by second, leaves the same part late within 1 %."""
    file = tmp_path / "held.yaml"
    file.write_text(SCENARIO)
    samples = simulate(load(file))[0].samples
    leaf = next(name for name in samples.cgroups if name.endswith("/app"))
    served = np.interp(np.arange(1, 61), samples.times, samples.column("cpu_stat_usage_usec", leaf)) / 1e6
    late = np.minimum(DEMAND, np.maximum(0.0, np.cumsum(DEMAND) - served)).sum() / DEMAND.sum()
    assert late_share(DEMAND, np.arange(60.0), 0.5) == pytest.approx(late, abs=0.01)


def test_a_recording_tells_usage_and_owner(tmp_path: Path) -> None:
    """CPU from the counter, memory, and the Deployment that the pod's name tells."""
    ((target, usage),) = read_usage(Sources(paths=(str(_recording(tmp_path)),)))
    assert target == Target("shop", "Deployment", "web", "app")
    assert usage.cpu.max() == pytest.approx(0.5, abs=0.01)
    assert usage.memory.max() == pytest.approx(100 * MIB, rel=0.05)


def test_every_format_holds_the_same_values(tmp_path: Path) -> None:
    """A patch, a kustomization and Helm's values set what JSON says; the table fits 80 columns."""
    path = str(_recording(tmp_path))
    shown = {
        name: CliRunner().invoke(app, ["plan", "recommend", path, "-o", name], catch_exceptions=False)
        for name in ("json", "patch", "kustomize", "helm", "csv", "table")
    }
    assert {result.exit_code for result in shown.values()} == {0}
    found = json.loads(shown["json"].stdout)[0]["found"]["slo"]
    resources = yaml.safe_load(shown["helm"].stdout)["web"]["resources"]
    assert resources["requests"]["cpu"] == f"{found['cpu_milli']}m"
    assert resources["limits"]["memory"] == f"{found['memory_bytes'] // MIB}Mi"
    words = shlex.split(shown["patch"].stdout)
    assert words[:5] == ["kubectl", "--namespace", "shop", "patch", "deployment"]
    patch = json.loads(words[-1])
    inner = yaml.safe_load(yaml.safe_load(shown["kustomize"].stdout)["patches"][0]["patch"])
    assert inner["spec"] == patch["spec"]
    assert inner["spec"]["template"]["spec"]["containers"][0]["resources"] == resources
    assert max(map(len, shown["table"].stdout.splitlines())) <= 80


def test_patches_are_what_the_api_takes(tmp_path: Path) -> None:
    """Merged into a workload of each kind, the patch gives a manifest that is read without an error."""
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod"):
        target = Target("shop", kind, "web", "app")
        text = kustomize([(target, Resources(250, 512 * MIB))])
        patch = yaml.safe_load(yaml.safe_load(text)["patches"][0]["patch"])
        pod = patch["spec"]
        for key in {"CronJob": ("jobTemplate", "spec", "template", "spec"), "Pod": ()}.get(
            kind, ("template", "spec")
        ):
            pod = pod[key]
        pod["containers"][0]["image"] = "x"
        if kind == "CronJob":
            patch["spec"]["schedule"] = "0 0 * * *"
        file = tmp_path / f"{kind}.yaml"
        file.write_text(yaml.safe_dump(patch))
        read = read_manifests([file])
        assert not read.errors
        assert str(read.pods[0].pod.spec.containers[0].resources.requests["cpu"]) == "250m"
        shell = kubectl([(target, Resources(250, 512 * MIB))])
        echoed = subprocess.run(
            ["/bin/sh", "-c", f'set -- {shell}; printf %s "$#"'], capture_output=True, text=True, check=True
        )
        assert int(echoed.stdout) == len(shlex.split(shell))


def test_prometheus_answers_are_joined_by_their_labels(tmp_path: Path) -> None:
    """Two pods of a StatefulSet, CPU and memory: the largest decides, what kills is not printed."""
    for name, values in (("cpu", (0.1, 0.3)), ("memory", (100 * MIB, 300 * MIB))):
        result = [
            {
                "metric": {"namespace": "shop", "pod": f"db-{pod}", "container": "pg"},
                "values": [[60 * row, str(value * (4 if row > 80 else 1))] for row in range(100)],
            }
            for pod, value in enumerate(values)
        ]
        answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        (tmp_path / f"{name}.json").write_text(json.dumps(answer))
    words = [
        "plan",
        "recommend",
        "--cpu",
        str(tmp_path / "cpu.json"),
        "--memory",
        str(tmp_path / "memory.json"),
    ]
    shown = CliRunner().invoke(app, [*words, "-o", "patch"], catch_exceptions=False)
    assert (shown.exit_code, shown.stdout.strip()) == (1, "")
    assert "statefulset/db: slo kills" in shown.stderr
    shown = CliRunner().invoke(app, [*words, "-o", "json", "--anyway"], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert (len(found), found[0]["pods"], found[0]["target"]["kind"]) == (1, 2, "StatefulSet")
    assert found[0]["found"]["percentile"]["memory_bytes"] == 1380 * MIB


@pytest.mark.parametrize(
    ("words", "text", "line"),
    [
        ([], "", "there is no usage to go by"),
        (["FILE"], "a,b\n1,2\n", "has no column of times"),
        (["FILE"], "time,cpu\n", "has no row with a value|has no times"),
        (["FILE"], "time,cpu\n1,-2\n2,1\n", "is negative, got -2.0"),
        (["FILE", "--cpu-column", "x"], "time,cpu\n1,2\n", "--cpu-column: is no column"),
        (["FILE", "--for", "web"], "time,cpu\n1,2\n", "--for: names no container"),
        (["FILE", "--late", "0"], "time,cpu\n1,2\n", "--late: is no part"),
        (["FILE", "--fitted", "100%"], "time,cpu\n1,2\n", "--fitted: is no part"),
        (["FILE", "--price", "gpu=1"], "time,cpu\n1,2\n", "--price: is no price"),
        (["--cpu", "FILE"], "{}", "holds no series"),
        (["--cpu", "FILE"], '{"status":"error","error":"parse"}', "is an error: parse"),
        (["--cpu", "FILE"], '{"data":{"result":[{"values":[[1]]}]}}', r"result\[0\]: is no series"),
        (["--cpu", "FILE"], "x", "is no JSON"),
        (["--memory", "missing.json"], "", "missing.json: cannot be read"),
    ],
)
def test_bad_usage_is_one_line(tmp_path: Path, words: list[str], text: str, line: str) -> None:
    """Every option and format: an error that names the file or option."""
    file = tmp_path / "usage.csv"
    file.write_text(text)
    arguments = [str(file) if word == "FILE" else word for word in words]
    with pytest.raises(InputError, match=line) as error:
        CliRunner().invoke(app, ["plan", "recommend", *arguments], catch_exceptions=False)
    assert "\n" not in str(error.value)


def test_names_of_pods_tell_their_owner() -> None:
    """ReplicaSet hashes, ordinals and plain names."""
    assert owner_of("api-gateway-5f6d8c9b7-abcde") == ("Deployment", "api-gateway")
    assert owner_of("kafka-12") == ("StatefulSet", "kafka")
    assert owner_of("solo") == ("Pod", "solo")


@pytest.mark.shared
def test_slo_kills_no_more_and_wastes_less_on_every_real_series(shared_dir: Path, repository: Path) -> None:
    """The table of docs/capacity.md: bitbrains, crane and kruize, fitted on 70 %, replayed on the rest."""
    done = subprocess.run(
        [sys.executable, "benchmarks/backtest.py", str(shared_dir / "data" / "usage-series")],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows: dict[tuple[str, str], list[float]] = {}
    for text in done.stdout.splitlines():
        cells = [cell.strip() for cell in text.strip("|").split("|")]
        if cells[0] in {"bitbrains", "crane", "kruize", "all"}:
            rows[cells[0], cells[1].strip("`")] = [float(cell.rstrip("%")) for cell in cells[2:]]
    for group in ("bitbrains", "crane", "kruize"):
        vpa, slo = rows[group, "vpa"], rows[group, "slo"]
        assert (slo[1] <= vpa[1], slo[2] <= vpa[2], slo[4] < vpa[4]) == (True, True, True), group
    series, kills, late, _, cpus, gib = zip(
        *(rows["all", name] for name in ("percentile", "vpa", "slo")), strict=True
    )
    assert set(series) == {30.0}
    assert kills[2] <= min(kills[:2])
    assert late[2] < min(late[:2])
    assert cpus[2] < cpus[1]
    assert gib[2] <= gib[1]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kubectl_takes_the_patches_and_the_kustomization(tmp_path: Path) -> None:
    """Kubectl itself patches a Deployment by our command's patch, and builds our kustomization over it."""
    containers = [
        {"name": name, "image": "x", "resources": {"limits": {"cpu": "2"}}} for name in ("app", "log")
    ]
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    }  # fmt: skip
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(deployment))
    found = [(Target("shop", "Deployment", "web", "app"), Resources(250, 512 * MIB))]
    patch = shlex.split(kubectl(found))[-1]
    local = [
        "kubectl",
        "patch",
        "--local",
        "-f",
        "web.yaml",
        "--type",
        "strategic",
        "--patch",
        patch,
        "-o",
        "yaml",
    ]
    text = kustomize(found).replace("patches:", "resources: [web.yaml]\npatches:")
    (tmp_path / "kustomization.yaml").write_text(text)
    for words in (local, ["kubectl", "kustomize", "."]):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        app, log = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]["containers"]
        assert app["resources"]["requests"] == {"cpu": "250m", "memory": "512Mi"}
        assert app["resources"]["limits"]["memory"] == "512Mi"
        assert log["resources"] == {"limits": {"cpu": "2"}}

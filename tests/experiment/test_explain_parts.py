"""`qos explain` of inputs that are not held: the same answer, and memory that does not follow the pods."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from qos.cli.explain_print import Output, print_explanation, print_parts
from qos.experiment.explain import explain_manifests
from qos.experiment.explain_parts import explain_in_parts, json_pieces, policy_in_parts
from qos.scenario.load import Document
from qos.scenario.manifest import read_manifests
from qos.scenario.stored import StoredDocuments

YAML = """\
kind: Pod
metadata: {name: first, namespace: shop, labels: {app: web}}
spec: &spec
  containers:
    - {name: web, resources: {requests: {cpu: 300m, memory: 64Mi}, limits: {memory: 128Mi}}}
---
kind: Pod
metadata: {name: bad, namespace: shop}
spec:
  containers:
    - name: web
      resources:
        requests: {cpu: 3oom}
---
# nothing
---
kind: Pod
metadata: {name: first, namespace: shop}
spec: {priorityClassName: high, containers: [{name: other, resources: {limits: {cpu: 2, memory: 1Gi}}}]}
--- {kind: Service, metadata: {name: web}}
---
kind: Deployment
metadata: {name: api, namespace: shop, labels: {app: web}}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec:
      runtimeClassName: gvisor
      tolerations: [{key: a, mistyped: b}]
      initContainers: [{name: setup, resources: {limits: {cpu: 500m}}}]
      containers: [{name: web}]
---
key: [unclosed
---
kind: Pod
metadata: {name: alone}
spec: {containers: [{name: x, resources: {limits: {cpu: 2, memory: 1Gi}}}]}
"""
OBJECTS: list[dict[str, Any]] = [
    {
        "kind": "LimitRange",
        "metadata": {"name": "usual", "namespace": "shop"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}}]},
    },
    {"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 2_000_000_001},
    {
        "kind": "RuntimeClass",
        "metadata": {"name": "gvisor"},
        "handler": "runsc",
        "overhead": {"podFixed": {"cpu": "100m"}},
    },
    {
        "kind": "Node",
        "metadata": {"name": "worker"},
        "status": {"capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"}},
    },
    {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "cpuManagerPolicy": "static",
        "kubeReserved": {"cpu": "500m"},
        "qosReserved": {"memory": "50%"},
        "featureGates": {"QOSReserved": True},
    },
]


def _pod(number: int, **metadata: str) -> dict[str, Any]:
    resources: dict[str, Any] = {"requests": {"cpu": f"{1 + number}m", "memory": f"{1 + number % 7}Mi"}}
    if number % 3 == 0:
        resources = {"limits": {"cpu": "1", "memory": "64Mi"}}
    elif number % 3 == 1:
        resources = {}
    named = {"name": f"p-{number}", "labels": {"app": "web" if number % 2 else "db"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, **metadata},
        "spec": {"containers": [{"name": "main", "resources": resources}, {"name": "side", "image": "✓"}]},
    }


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """YAML with errors and the same name twice, a JSON List with the same uid thrice, objects at the end."""
    uids = {5: "same-uid", 300: "same-uid", 301: "same-uid"}
    pods = [_pod(number, uid=uids.get(number, f"uid-{number}")) for number in range(600)]
    pods[17]["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "-1"}
    pods[18]["spec"]["containers"][0]["resuorces"] = {}
    inner = {"kind": "List", "apiVersion": "v1", "items": [_pod(9001), _pod(9002)]}
    (tmp_path / "pods.yaml").write_text(YAML)
    dump = {"apiVersion": "v1", "items": [*pods, inner, 7, None], "kind": "List"}
    (tmp_path / "dump.json").write_text(json.dumps(dump, indent=1, ensure_ascii=False))
    (tmp_path / "stream.json").write_text(
        "\n".join(json.dumps(each) for each in [_pod(1, namespace="b"), *OBJECTS])
    )
    return [str(tmp_path / name) for name in ("pods.yaml", "dump.json", "stream.json", "missing.yaml")]


def _both(
    paths: Sequence[str], small_bytes: int, policy: str = "kubelet", **options: Any
) -> tuple[bytes, bytes]:
    whole = explain_manifests(read_manifests(paths), policy=policy, **options).to_json()
    chosen = policy_in_parts(policy)
    assert chosen is not None
    with StoredDocuments(paths, small_bytes=small_bytes) as documents:
        parted = explain_in_parts(documents, chosen, **options)
        pieces = b"".join(json_pieces(parted))
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2) + b"\n", pieces


@pytest.mark.parametrize("small_bytes", [0, 1_000_000])
@pytest.mark.parametrize("selector", [None, "app=web", "app=nobody"])
@pytest.mark.parametrize("policy", ["kubelet", "memory-qos-tiers"])
def test_parts_are_the_whole_byte_for_byte(
    mixed: list[str], policy: str, selector: str | None, small_bytes: int
) -> None:
    """Pods, cgroups, skipped and errors, with objects that stand behind the pods they concern."""
    whole, parts = _both(mixed, small_bytes, policy, selector=selector)
    assert json.loads(parts) == json.loads(whole)
    assert parts == whole
    assert len(json.loads(whole)["errors"]) == 5


@pytest.mark.parametrize("output", [Output.TABLE, Output.WIDE, Output.NAME, Output.CSV])
@pytest.mark.parametrize("selector", [None, "app=web"])
def test_every_output_is_the_same_in_parts(
    mixed: list[str], output: Output, selector: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """Formulas, shares of CPU (some containers have CPUs of their own) and lint findings too."""
    print_explanation(explain_manifests(read_manifests(mixed), selector=selector), output)
    sys.stdout.flush()
    whole = capfd.readouterr().out
    chosen = policy_in_parts("kubelet")
    assert chosen is not None
    with StoredDocuments(mixed) as documents:
        print_parts(explain_in_parts(documents, chosen, selector=selector), output)
    sys.stdout.flush()
    assert capfd.readouterr().out == whole
    assert whole


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["manifests", "metrics-dumps"])
def test_real_input_is_the_same_in_parts(folder: str, shared_dir: Path) -> None:
    """Every real manifest and dump at once, errors and skipped documents too."""
    whole, parts = _both([str(shared_dir / "data" / folder)], 1_000_000)
    assert parts == whole
    assert json.loads(whole)["pods"]


def test_documents_are_the_same_each_time_with_their_places(mixed: list[str]) -> None:
    """Data, source and the place of a field, from the file, from what was put aside, from a pipe."""

    def told(documents: StoredDocuments) -> Iterator[tuple[Any, ...]]:
        for each in documents:
            if isinstance(each, Document):
                metadata = ("metadata", "name")
                yield each.data, str(each.source), str(each.locate(metadata)), each.field(metadata)
            else:
                yield (str(each),)

    with StoredDocuments(mixed, small_bytes=0) as stored, StoredDocuments(mixed) as parsed:
        first = list(told(stored))
        assert list(told(stored)) == first
        assert [each for each in told(parsed) if "stream" in each[1 % len(each)]] == [
            each for each in first if "stream" in each[1 % len(each)]
        ]
    raw = Path(mixed[0]).read_bytes()
    with StoredDocuments(["-"], io.BytesIO(raw)) as piped:
        assert [each[0] for each in told(piped)][:2] == [each[0] for each in first][:2]


def test_bad_json_in_the_middle_of_a_large_dump_writes_no_pod(tmp_path: Path) -> None:
    """A List that does not parse has no pods, as for kubectl; the error names line and column."""
    dump = json.dumps({"kind": "List", "items": [_pod(number) for number in range(5000)]}, indent=1)
    place = dump.index('"name": "p-4000"')
    (tmp_path / "dump.json").write_text(dump[:place] + "x" + dump[place:])
    ran = _qos(tmp_path, "-f", "dump.json", "-o", "json")
    assert ran.returncode == 2
    line, column = dump.count("\n", 0, place) + 1, place - dump.rindex("\n", 0, place)
    assert ran.stderr == f"qos: dump.json:{line}:{column}: is not JSON here; expected JSON\n"
    assert json.loads(ran.stdout)["pods"] == []


def test_a_bad_pod_in_a_large_dump_is_told_and_the_others_explained(tmp_path: Path) -> None:
    """File, line, column, field and value; as kubectl applies the other items of a List."""
    pods = [_pod(number) for number in range(5000)]
    pods[4000]["spec"]["containers"][1]["resources"] = {"limits": {"memory": "12Qi"}}
    text = json.dumps({"items": pods, "kind": "List"}, indent=1)
    ran = _qos(tmp_path, "-f", "-", "-o", "json", stdin=text)
    assert ran.returncode == 2
    line = text.count("\n", 0, text.index("12Qi")) + 1
    assert ran.stderr.startswith(
        f"qos: <stdin>:{line}:19: items[4000].spec.containers[1].resources.limits.memory: "
    )
    assert len(json.loads(ran.stdout)["pods"]) == 4999


def _qos(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("qos")
    return subprocess.run(
        [program, "explain", *words], input=stdin, capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize("form", ["list.json", "stream.json", "pods.yaml"])
def test_memory_does_not_follow_the_pods(form: str, tmp_path: Path) -> None:
    """Five times the pods cost less than half a kilobyte more for each, where an explained pod takes 25."""
    few, many = (_peak_bytes(tmp_path, form, pods) for pods in (2_000, 10_000))
    assert (many - few) / 8_000 < 512


def test_memory_hardly_follows_the_errors(tmp_path: Path) -> None:
    """What is wrong is told at the end and has to be kept: its words, not the document it stands in."""
    few, many = (_peak_bytes(tmp_path, "bad.json", pods) for pods in (2_000, 10_000))
    assert (many - few) / 8_000 < 4096


# A process is charged with what its parent held when it was started, so a small one starts it.
LAUNCHER = """\
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak_bytes(folder: Path, form: str, pods: int) -> int:
    """The greatest resident memory of `qos explain -o json` with so many pods."""
    path = folder / f"{pods}-{form}"
    made = [_pod(number) for number in range(pods)]
    if form == "bad.json":
        for pod in made:
            pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "12Qi"}}
            pod["metadata"]["annotations"] = {"long": "x" * 5_000}
    if form in {"list.json", "bad.json"}:
        path.write_text(json.dumps({"items": made, "kind": "List"}, indent=4))
    else:
        between = "\n---\n" if form == "pods.yaml" else "\n"
        path.write_text(between.removeprefix("\n") + between.join(map(json.dumps, made)))
    program = Path(sys.executable).with_name("qos")
    command = [sys.executable, "-c", LAUNCHER, program, "explain", "-f", path, "-o", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    code, kibibytes = map(int, ran.stdout.split())
    assert code == (2 if form == "bad.json" else 0)
    return kibibytes * 1024

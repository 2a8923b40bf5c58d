"""Real manifests and live-cluster dumps: nothing breaks, and classes agree with the independent key."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qos.experiment.explain import explain

pytestmark = pytest.mark.shared

ISTIO = "istio/pkg"
KUBEFLOW = "kubeflow-manifests/common/istio"
PATCH = "a kustomize patch: no containers, so no class"

# Workloads the key gives a class and explain refuses or skips, each with the reason why it is right to.
ARGUED = {
    (f"{ISTIO}/config/analysis/analyzers/testdata/sidecar-default-selector.yaml", "random-pod"): (
        "its container has no name: the API server refuses it (spec.containers[0].name: Required value)"
    ),
    (f"{ISTIO}/kube/inject/testdata/inject/sidecar-spire.yaml.injected", "hello"): (
        "two containers are called istio-proxy: the API server refuses it (Duplicate value)"
    ),
    ("kubernetes-examples/_archived/storage/vitess/vttablet-pod-template.yaml", "vttablet-{{uid}}"): (
        "a template left in the manifest"
    ),
    (f"{KUBEFLOW}/cluster-local-gateway/base/patches/seccomp-cluster-local-gateway.yaml",
     "cluster-local-gateway"): PATCH,
    (f"{KUBEFLOW}/istio-install/components/gke-ambient/gke-ztunnel-patch.yaml", "ztunnel"): PATCH,
    (f"{KUBEFLOW}/istio-install/components/gke-cni/gke-cni-patch.yaml", "istio-cni-node"): PATCH,
}  # fmt: skip


def _key(folder: Path) -> dict[str, list[dict[str, str]]]:
    """File → its rows of the key, in order."""
    rows: dict[str, list[dict[str, str]]] = {}
    with (folder / "KEY.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            rows.setdefault(row["file"], []).append(row)
    return rows


def _classes(data: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    return Counter((pod["namespace"], pod["name"], pod["qosClass"]) for pod in data["pods"])


def _wanted(file: str, rows: list[dict[str, str]]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (row["namespace"] or "default", row["name"], row["qos"])
        for row in rows
        if row["qos"] not in {"", "NOSPEC"} and (file, row["name"]) not in ARGUED
    )


@pytest.mark.parametrize("folder", ["manifests", "metrics-dumps"])
def test_classes_agree_with_the_key(folder: str, shared_dir: Path) -> None:
    """Each file's workloads have the class an independent program computed, but for those argued above."""
    key = _key(shared_dir / "data" / folder)
    differing = {}
    for file, rows in key.items():
        data = explain([shared_dir / "data" / folder / file])
        if _classes(data) != _wanted(file, rows):
            differing[file] = (_classes(data) - _wanted(file, rows), _wanted(file, rows) - _classes(data))
    assert len(key) > (300 if folder == "manifests" else 3)
    assert not differing


def test_what_the_key_cannot_parse_is_an_error(shared_dir: Path) -> None:
    """A file the key calls unparsable has errors with its name, one line each."""
    folder = shared_dir / "data" / "manifests"
    unparsable = [file for file, rows in _key(folder).items() if rows[0]["kind"] == "UNPARSABLE"]
    assert len(unparsable) == 5
    for file in unparsable:
        data = explain([folder / file])
        assert data["errors"], file
        assert not data["pods"], file
        for error in data["errors"]:
            assert error["message"].startswith(f"{folder / file}:")
            assert "\n" not in error["message"]


def test_classes_agree_with_the_api_server(shared_dir: Path) -> None:
    """Live pods have the class the API server gave them."""
    folder = shared_dir / "data" / "metrics-dumps"
    checked = 0
    for file, rows in _key(folder).items():
        stated = {(row["namespace"], row["name"]): row["api_qosClass"] for row in rows if row["api_qosClass"]}
        for pod in explain([folder / file])["pods"]:
            assert pod["qosClass"] == stated[pod["namespace"], pod["name"]]
            checked += 1
    assert checked == 94


def test_every_file_runs_and_says_where_things_came_from(shared_dir: Path) -> None:
    """A whole directory at once: every document is explained, skipped with a reason, or an error."""
    for folder in ("manifests", "metrics-dumps"):
        path = shared_dir / "data" / folder
        data = explain([path])
        assert data["pods"]
        for pod in data["pods"]:
            file, _, line = pod["source"].rpartition(":")
            assert Path(file).is_relative_to(path)
            assert int(line) > 0
            assert pod["files"] == data["cgroups"][pod["cgroup"]]
        assert len({pod["cgroup"] for pod in data["pods"]}) == len(data["pods"])
        assert all(each["why"] for each in data["skipped"])


@pytest.mark.parametrize("policy", ["no-cpu-limits", "memory-qos-tiers"])
@pytest.mark.parametrize("profile", ["1.32", "1.37/crun-1.20/cgroupfs"])
def test_real_manifests_survive_other_rules(policy: str, profile: str, shared_dir: Path) -> None:
    """Other policies, versions and runtimes explain the same pods with the same classes."""
    path = shared_dir / "data" / "manifests" / "kube-prometheus"
    usual, other = explain([path]), explain([path], policy=policy, profile=profile)
    assert _classes(usual) == _classes(other)

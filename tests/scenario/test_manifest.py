"""What manifests hold: workloads of every kind, what concerns them, and what is skipped with a reason."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from qos.model.quantity import Quantity
from qos.scenario.manifest import Manifests, read_manifests

SPEC: dict[str, Any] = {"containers": [{"name": "app", "resources": {"limits": {"cpu": 1}}}]}
TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "web"}, "name": "ignored"}, "spec": SPEC}


NODE_STATUS = {"capacity": {"cpu": 4}}
QUOTA = {"hard": {"pods": 5}}
NO_PODS = "runs no pods by itself"


def manifests(*documents: Any) -> Manifests:
    """What a stream of these documents holds."""
    text = yaml.safe_dump_all(documents)
    return read_manifests(["-"], io.BytesIO(text.encode()))


def workload(kind: str, api_version: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A workload named web in namespace shop."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
    }


KINDS = [
    (workload("Pod", "v1", SPEC), 1),
    (workload("ReplicationController", "v1", {"replicas": 3, "template": TEMPLATE}), 3),
    (workload("ReplicaSet", "apps/v1", {"replicas": 0, "template": TEMPLATE}), 0),
    (workload("Deployment", "apps/v1", {"template": TEMPLATE}), 1),
    (workload("Deployment", "extensions/v1beta1", {"replicas": 2, "template": TEMPLATE}), 2),
    (workload("StatefulSet", "apps/v1", {"replicas": 5, "template": TEMPLATE}), 5),
    (workload("DaemonSet", "apps/v1", {"template": TEMPLATE}), 1),
    (workload("Job", "batch/v1", {"parallelism": 4, "template": TEMPLATE}), 4),
    (workload("CronJob", "batch/v1", {"jobTemplate": {"spec": {"template": TEMPLATE}}}), 1),
    ({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "web", "namespace": "shop"},
      "template": TEMPLATE}, 1),
]  # fmt: skip


@pytest.mark.parametrize(("document", "replicas"), KINDS, ids=[each[0]["kind"] for each in KINDS])
def test_every_workload_kind_has_its_pod(document: dict[str, Any], replicas: int) -> None:
    """The pod has its owner's name and namespace, the template's labels, and the owner's replicas."""
    found = manifests(document)
    assert not found.errors
    (each,) = found.pods
    assert (each.pod.namespace, each.pod.name, each.replicas) == ("shop", "web", replicas)
    assert (each.owner_kind, each.owner_name) == (document["kind"], "web")
    assert each.pod.spec.containers[0].resources.limits == {"cpu": Quantity.parse("1")}
    if each.owner_kind != "Pod":
        assert each.pod.metadata.labels == {"app": "web"}


class TestLists:
    def test_lists_are_flattened_and_each_item_has_its_place(self) -> None:
        """A List, a PodList whose items have no kind (the kubelet's /pods), and lists in lists."""
        pod = workload("Pod", "v1", SPEC)
        bare = {"metadata": {"name": "bare"}, "spec": SPEC}
        inner = {"apiVersion": "v1", "kind": "List", "items": [pod]}
        found = manifests(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [pod, inner, {"kind": "Service", "apiVersion": "v1"}],
            },
            {"apiVersion": "v1", "kind": "PodList", "items": [bare]},
        )
        assert [each.pod.name for each in found.pods] == ["web", "web", "bare"]
        assert [each.kind for each in found.skipped] == ["Service"]
        lines = [each.source.line for each in found.pods]
        assert all(lines)
        assert lines == sorted(lines, key=lambda line: line or 0)

    def test_errors_inside_a_json_list_have_their_line(self, tmp_path: Path) -> None:
        """Kubectl get -o json: the item's own line and column."""
        bad = workload("Pod", "v1", {"containers": [{"name": "a", "resources": {"limits": {"cpu": "x"}}}]})
        path = tmp_path / "dump.json"
        path.write_text(json.dumps({"kind": "List", "items": [workload("Pod", "v1", SPEC), bad]}, indent=1))
        found = read_manifests([path])
        (error,) = found.errors
        assert error.source is not None
        assert error.source.line is not None
        assert '"cpu": "x"' in path.read_text().splitlines()[error.source.line - 1]
        assert [each.source.line for each in found.pods] == [4]

    def test_lists_without_end_are_refused(self) -> None:
        """A list in a list in a list, and so on, is an error."""
        document: dict[str, Any] = workload("Pod", "v1", SPEC)
        for _ in range(8):
            document = {"kind": "List", "items": [document]}
        assert [error.problem for error in manifests(document).errors] == ["a list in a list in a list"]


class TestSkipped:
    @pytest.mark.parametrize(
        ("document", "kind", "why"),
        [
            ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "{{ x }}"}}, "ConfigMap", NO_PODS),
            ({"apiVersion": "batch.volcano.sh/v1", "kind": "Job"}, "Job", NO_PODS),
            ({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}, "Kustomization",
             NO_PODS),
            ({"replicaCount": 1}, "", "has no kind"),
            (workload("Deployment", "apps/v1", {"replicas": 3}), "Deployment", "has no containers"),
            ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}, "Pod", "has no containers"),
            ({"apiVersion": "qos.dev/v1alpha1", "kind": "Scenario"}, "Scenario", "run it with qos simulate"),
            (["a"], "", "is no object but a list"),
            ("text", "", "is no object but a text"),
            (3, "", "is no object but a number"),
        ],
    )  # fmt: skip
    def test_what_runs_no_pods_is_named_with_its_reason(self, document: Any, kind: str, why: str) -> None:
        """Kind and why, for what is no workload; an error for none of it."""
        found = manifests(document)
        assert not found.errors
        (skipped,) = found.skipped
        assert skipped.kind == kind
        assert why in skipped.why
        assert str(skipped.source) == "<stdin>:1:1"

    def test_empty_documents_are_nothing(self) -> None:
        """Separators and comments alone are neither skipped nor wrong."""
        found = read_manifests(["-"], io.BytesIO(b"---\n---\n# nothing\n---\nnull\n"))
        assert found == Manifests()


class TestWhatConcernsPods:
    def test_objects_of_the_same_input_are_picked_up(self) -> None:
        """LimitRange, ResourceQuota, Node and KubeletConfiguration come along."""
        found = manifests(
            {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"},
             "spec": {"limits": [{"type": "Container", "default": {"cpu": 1}}]}},
            {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": QUOTA},
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m"}, "status": NODE_STATUS},
            {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 20},
        )  # fmt: skip
        assert not found.errors
        assert not found.skipped
        assert found.limit_ranges[0].spec.limits[0].default == {"cpu": Quantity.parse("1")}
        assert found.resource_quotas[0].spec.hard == {"pods": Quantity.parse("5")}
        assert found.nodes[0].status.capacity == {"cpu": Quantity.parse("4")}
        assert found.kubelet_configurations[0].max_pods == 20

    @pytest.mark.parametrize(
        ("spec", "priority"),
        [
            ({"priorityClassName": "gold"}, 900),
            ({"priorityClassName": "system-node-critical"}, 2_000_001_000),
            ({"priorityClassName": "unknown"}, None),
            ({"priorityClassName": "gold", "priority": 3}, 3),
            ({}, 10),
        ],
    )
    def test_a_priority_class_gives_its_value(self, spec: dict[str, Any], priority: int | None) -> None:
        """By name, built in, or the global default; a priority that is there stays."""
        classes = [
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
             "value": value, "globalDefault": name == "usual"}
            for name, value in (("gold", 900), ("usual", 10))
        ]  # fmt: skip
        found = manifests(*classes, workload("Pod", "v1", SPEC | spec))
        assert [each.pod.spec.priority for each in found.pods] == [priority]

    def test_a_runtime_class_adds_its_overhead(self) -> None:
        """Overhead comes from the RuntimeClass where the pod states none, wherever the class stands."""
        runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata"},
                   "handler": "kata", "overhead": {"podFixed": {"memory": "120Mi"}}}  # fmt: skip
        found = manifests(workload("Pod", "v1", SPEC | {"runtimeClassName": "kata"}), runtime)
        assert found.pods[0].pod.spec.overhead == {"memory": Quantity.parse("120Mi")}


def test_stdin_takes_json_as_well_as_yaml() -> None:
    """What begins as JSON is read as JSON, and as YAML where it is only YAML's flow style."""
    pod = workload("Pod", "v1", SPEC)
    for text in (
        json.dumps(pod),
        json.dumps(pod).replace('"', "'"),
        json.dumps(pod) + "\n" + json.dumps(pod),
    ):
        found = read_manifests(["-"], io.BytesIO(text.encode()))
        assert not found.errors
        assert {each.pod.name for each in found.pods} == {"web"}

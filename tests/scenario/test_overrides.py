"""Swept fields: the path language, the values, and what is said when a path leads nowhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.errors import InputError
from qos.scenario.scenario import Scenario, load_scenario
from qos.scenario.sweep_values import parse_axis

TEXT = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: swept}
spec:
  question: Who gets what?
  duration: 5s
  nodes:
    - file: node.yaml
  manifests: [deploy.yaml]
  pods:
    - apiVersion: v1
      kind: Pod
      metadata: {name: lone, labels: {tier: back}}
      spec:
        containers:
          - {name: main, image: i, resources: &shared {requests: {cpu: 100m}, limits: {cpu: 500m}}}
          - {name: side, image: i, resources: *shared}
  workloads:
    - {name: web, selector: app=web, cpu: {shape: requests, rate: 5, cpuPerRequest: 10ms}}
  policies: [kubelet, house]
---
apiVersion: qos.dev/v1alpha1
kind: QoSPolicy
metadata: {name: house}
spec:
  rules:
    - {level: container, factor: {cpu.weight: 2}}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {capacity: {cpu: "4", memory: 8Gi}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 30
"""
DEPLOY = """\
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec: {containers: [{name: nginx, image: i, resources: {requests: {cpu: 100m}}}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario with a pod of its own, a Deployment in a List, a node file and a policy."""
    for name, text in (("swept.yaml", TEXT), ("node.yaml", NODE), ("deploy.yaml", DEPLOY)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def at(folder: Path, *sweeps: str) -> Scenario:
    """The scenario at the first value of each sweep."""
    overrides = [each for text in sweeps for each in parse_axis(text).overrides(0)]
    return load_scenario(folder / "swept.yaml", overrides=overrides)


def limits(scenario: Scenario) -> dict[str, str]:
    """pod/container → its CPU limit."""
    return {
        f"{pod.name}/{container.name}": str(container.resources.limits.get("cpu"))
        for pod in scenario.pods
        for container in pod.spec.containers
    }


class TestPaths:
    """Every kind of field that can be swept, where it stands."""

    def test_an_owner_by_its_name_in_a_list_of_a_manifest(self, folder: Path) -> None:
        """All replicas of the Deployment get the limit, nobody else does."""
        found = limits(at(folder, "spec.pods[web].limits.cpu=300m"))
        assert found == {
            "lone/main": "500m",
            "lone/side": "500m",
            "web-0/nginx": "300m",
            "web-1/nginx": "300m",
        }

    def test_pods_by_label_and_a_container_by_name(self, folder: Path) -> None:
        """One container changes; the other, which shares its resources by a YAML alias, does not."""
        found = limits(at(folder, "pods[tier=back].containers[side].limits.cpu=200m"))
        assert (found["lone/main"], found["lone/side"]) == ("500m", "200m")

    def test_replicas_requests_and_any_field_of_a_pod(self, folder: Path) -> None:
        """Counts, amounts and plain fields."""
        scenario = at(folder, "pods[web].replicas=3", "pods[default/web].requests.memory=64Mi",
                      "pods[web].spec.priorityClassName=high")  # fmt: skip
        web = [pod for pod in scenario.pods if pod.name.startswith("web")]
        assert len(web) == 3
        assert str(web[0].spec.containers[0].resources.requests["memory"]) == "64Mi"

    def test_a_set_gives_several_fields_one_value(self, folder: Path) -> None:
        """Request and limit together: the pod stays Guaranteed in what is swept."""
        pod = at(folder, "pods[web].{requests,limits}.cpu=250m").pods[1]
        resources = pod.spec.containers[0].resources
        assert str(resources.requests["cpu"]) == str(resources.limits["cpu"]) == "250m"

    def test_a_node_of_a_file_keeps_its_kubelet(self, folder: Path) -> None:
        """The size changes, maxPods of the KubeletConfiguration beside it stays."""
        node = at(folder, "nodes[n1].capacity.cpu=16").node
        assert str(node.status.capacity["cpu"]) == "16"
        assert node.kubelet.max_pods == 30
        assert at(folder, "nodes.kubelet.maxPods=50").node.kubelet.max_pods == 50

    def test_workloads_policies_and_the_rest_of_the_spec(self, folder: Path) -> None:
        """Fields of demand, of a house policy's rules, and of the scenario itself."""
        scenario = at(folder, "workloads[web].cpu.rate=9", "policies[house].rules[0].factor[cpu.weight]=3",
                      "duration=7s", "profile.kubernetes=1.34")  # fmt: skip
        shape = scenario.placed[1].workloads["nginx"].cpu
        assert shape is not None
        assert shape.shape == "requests"
        assert shape.rate == 9
        assert scenario.policy_documents[0].document.spec.rules[0].factor == {"cpu.weight": 3}
        assert (scenario.duration_seconds, scenario.profile.kubernetes) == (7.0, (1, 34))

    def test_nothing_else_changes(self, folder: Path) -> None:
        """Giving a field the value it has gives the same scenario, but for how the document says it."""
        plain, same = (
            load_scenario(folder / "swept.yaml"),
            at(folder, "pods[lone].containers[main].limits.cpu=500m"),
        )
        assert plain.pods == same.pods
        assert plain.nodes == same.nodes
        assert plain.hash == same.hash


WRONG = {
    "pods[wob].limits.cpu=1": "'web'",
    "pods[app=wep].limits.cpu=1": "'app=web'",
    "pods[web].limts.cpu=1": "'limits'",
    "pods[web].replcas=1": "'replicas'",
    "pods[lone].limits.cpu=1": "containers[main].limits.cpu or containers[side].limits.cpu",
    "pods[lone].containers[sid].limits.cpu=1": "'side'",
    "pods[lone].replicas=2": "an owner with replicas",
    "pods[web].limits=1": "limits.cpu",
    "pods.limits.cpu=1": "one of lone, web",
    "nodes[n2].capacity.cpu=1": "'n1'",
    "nodes.capacty.cpu=1": "'capacity'",
    "workloads[wbe].cpu.rate=1": "'web'",
    "workloads[web].cpu.rat=1": "'rate'",
    "policies[huose].rules[0].factor[cpu.weight]=1": "'house'",
    "duratoin=1s": "'duration'",
    "seed=1,2": "--seeds",
    "pods[web].limits.cpu=-1": "limits.cpu",
    "pods[web].replicas=1.5": "a whole number",
    "workloads[web].cpu.rate.x=1": "has no fields",
}


@pytest.mark.parametrize(("sweep", "expected"), WRONG.items(), ids=list(WRONG))
def test_a_path_that_leads_nowhere_names_the_nearest_that_does(
    folder: Path, sweep: str, expected: str
) -> None:
    """One error that says what would have been right."""
    with pytest.raises(InputError) as caught:
        at(folder, sweep)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


class TestValues:
    """FROM..TO:N and A,B,C."""

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("a=250m..2:8", ("250m", "500m", "750m", "1", "1250m", "1500m", "1750m", "2")),
            ("a=512Mi..2Gi:4", ("512Mi", "1Gi", "1536Mi", "2Gi")),
            ("a=10ms..40ms:4", ("10ms", "20ms", "30ms", "40ms")),
            ("a=500ms..2s:4", ("0.5s", "1s", "1.5s", "2s")),
            ("a=1..5:5", (1, 2, 3, 4, 5)),
            ("a=0.5..1:2", (0.5, 1)),
            ("a=4..1:2", (4, 1)),
            ("a=250m,1,max", ("250m", 1, "max")),
            ("a[x=1].b=true,false", (True, False)),
        ],
    )
    def test_values(self, text: str, values: tuple[object, ...]) -> None:
        """Ranges are exact and keep the unit typed; lists are what YAML makes of them."""
        assert parse_axis(text).values == values

    @pytest.mark.parametrize(
        "text",
        ["a", "a=", "=1", "a=1..2", "a=1..2:1", "a=1..2:x", "a=b..c:3", "a=1,,2", "a=1,1", "a.=1", "a[b=1",
         "a..b=1", "a=1..2:99999999", "1=2", "a b=1", "a={1..2}:2"],
    )  # fmt: skip
    def test_bad_ranges(self, text: str) -> None:
        """Each is one error that names --sweep, never a traceback."""
        with pytest.raises(InputError, match="--sweep"):
            parse_axis(text)

    @given(st.text(max_size=40))
    def test_no_text_breaks_the_parser(self, text: str) -> None:
        """Whatever is typed is an axis or one InputError."""
        with suppress(InputError):
            assert parse_axis(text).values

"""Whatever comes in, errors come out, never an exception nobody meant."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qos.errors import QosError
from qos.scenario.load import parse_documents
from qos.scenario.manifest import collect
from qos.scenario.scenario import load_scenario

WORDS = st.sampled_from([
    "apiVersion", "kind", "metadata", "spec", "template", "containers", "initContainers", "resources",
    "requests", "limits", "cpu", "memory", "name", "items", "replicas", "jobTemplate", "overhead",
    "restartPolicy", "labels", "nodes", "pods", "workloads", "selector", "shape", "kubelet", "status",
    "capacity", "evictionHard", "count", "v1", "apps/v1", "batch/v1", "qos.dev/v1alpha1",
    "kubelet.config.k8s.io/v1beta1", "Pod", "Deployment", "CronJob", "List", "PodList", "Node",
    "LimitRange", "KubeletConfiguration", "Scenario", "PriorityClass", "value", "100m", "1Gi", "-1",
    "1e9999", "5%", "{{ .x }}", "Always", "spin", "1m", "<<", "~", "yes", "max", "",
])  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | WORDS
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=30,
)
KINDS = st.sampled_from([
    ("v1", "Pod"), ("apps/v1", "Deployment"), ("batch/v1", "CronJob"), ("v1", "List"), ("v1", "PodList"),
    ("v1", "Node"), ("v1", "LimitRange"), ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"),
    ("scheduling.k8s.io/v1", "PriorityClass"), ("node.k8s.io/v1", "RuntimeClass"),
])  # fmt: skip
FIELDS = st.dictionaries(WORDS, DATA, max_size=8)


def _tells(text: bytes, file: str) -> None:
    """Every error of a text is one line with its file; reading raises nothing."""
    found = collect(parse_documents(text, file))
    for error in (*found.errors, *found.warnings):
        line = str(error)
        assert line.startswith(file)
        assert "\n" not in line


class TestManifests:
    @given(KINDS, FIELDS)
    def test_documents_with_a_kind_and_anything_else(
        self, kind: tuple[str, str], fields: dict[str, Any]
    ) -> None:
        """A known kind with arbitrary fields, in YAML and in JSON's form."""
        document = {**fields, "apiVersion": kind[0], "kind": kind[1]}
        _tells(yaml.dump(document, allow_unicode=True).encode(), "g.yaml")

    @given(st.lists(DATA, min_size=1, max_size=3))
    def test_documents_of_any_shape(self, documents: list[Any]) -> None:
        """Streams of arbitrary data."""
        _tells(yaml.dump_all(documents, allow_unicode=True).encode(), "g.yaml")

    @given(st.binary(max_size=200))
    def test_bytes_of_any_kind(self, raw: bytes) -> None:
        """Bytes that are no text, as YAML and as JSON."""
        _tells(raw, "g.yaml")
        _tells(raw, "g.json")

    @given(st.integers(min_value=0, max_value=2**32))
    def test_real_manifests_with_lines_broken(self, seed: int) -> None:
        """A good manifest with characters changed, doubled or cut away at random."""
        chance = random.Random(seed)
        text = bytearray(GOOD)
        for _ in range(chance.randrange(1, 6)):
            place = chance.randrange(len(text))
            change = chance.choice(
                [b"", b"\t", b":", b"-", b"{{", b"}", b"[", b'"', b"&a ", b"*a", b"\n", b"\xff", b"0"]
            )
            text[place : place + chance.randrange(0, 4)] = change
        _tells(bytes(text), "g.yaml")


GOOD = b"""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata:
      labels:
        app: "web"
    spec:
      containers:
        - name: app
          resources: &same
            requests: {cpu: 500m, memory: 256Mi}
            limits: {cpu: 1, memory: 512Mi}
        - name: proxy
          resources: *same
---
apiVersion: v1
kind: LimitRange
metadata: {name: defaults}
spec:
  limits:
    - type: Container
      default: {cpu: 1}
"""

SCENARIO: dict[str, Any] = {
    "apiVersion": "qos.dev/v1alpha1",
    "kind": "Scenario",
    "metadata": {"name": "g"},
    "spec": {
        "question": "?",
        "duration": "1m",
        "nodes": [{"metadata": {"name": "m"}, "status": {"capacity": {"cpu": 1, "memory": "1Gi"}}}],
        "pods": [{"kind": "Pod", "metadata": {"name": "p", "labels": {"app": "p"}},
                  "spec": {"containers": [{"name": "c"}]}}],
        "workloads": [{"name": "w", "selector": "app=p", "cpu": {"shape": "spin"}}],
    },
}  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.sampled_from(sorted(SCENARIO["spec"])), data=DATA)
def test_a_scenario_with_one_part_replaced_by_anything(tmp_path: Path, part: str, data: Any) -> None:
    """It loads, or is refused with a QosError; nothing else happens."""
    path = tmp_path / "s.yaml"
    path.write_text(yaml.dump(SCENARIO | {"spec": SCENARIO["spec"] | {part: data}}, allow_unicode=True))
    with suppress(QosError):
        load_scenario(path)

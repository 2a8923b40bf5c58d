"""Capacity plans of manifests, from the file to the sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qos.cli.app import app
from qos.experiment.plan import CapacityPlan, plan_capacity
from qos.scenario.manifest import read_manifests
from qos.scenario.nodes import read_node

NODE = """
apiVersion: v1
kind: Node
metadata: {name: four}
status:
  capacity: {cpu: "4", memory: 8Gi}
  allocatable: {cpu: "4", memory: 8Gi, pods: "20"}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 9
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      runtimeClassName: RUNTIME
      containers: [{name: c, image: x, resources: {requests: {cpu: 500m, memory: 256Mi}}}]
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata
overhead: {podFixed: {cpu: 500m, memory: 128Mi}}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: runc}
handler: runc
"""
AGENT = """
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: c, image: x, resources: {limits: {cpu: "1", memory: 1Gi}}}]
"""


def _files(folder: Path, manifests: str) -> list[str]:
    (folder / "pods.yaml").write_text(manifests)
    (folder / "node.yaml").write_text(NODE)
    return ["plan", "-f", str(folder / "pods.yaml"), "--node", str(folder / "node.yaml")]


def _plan(folder: Path, manifests: str, count: int = 1) -> CapacityPlan:
    _files(folder, manifests)
    read = read_manifests([folder / "pods.yaml"])
    assert not read.errors
    return plan_capacity(read, read_node(folder / "node.yaml"), count=count)


@pytest.mark.parametrize(("runtime", "copies", "nodes"), [("runc", 8, 2), ("kata", 4, 3)])
def test_a_virtual_machine_costs_its_overhead(tmp_path: Path, runtime: str, copies: int, nodes: int) -> None:
    """500m fits 4 CPUs eight times; with 500m of overhead four times, and nine pods need a third node."""
    plan = _plan(tmp_path, WEB.replace("RUNTIME", runtime))
    assert (plan.specs[0].copies_per_node, plan.specs[0].binding) == (copies, "cpu")
    assert plan.needed is not None
    assert (plan.needed.nodes, plan.placed) == (nodes, copies)


def test_a_daemonset_lies_on_every_node_first(tmp_path: Path) -> None:
    """1 CPU of an agent leaves room for six pods of 500m on each of two nodes; its class is counted twice."""
    plan = _plan(tmp_path, WEB.replace("RUNTIME", "runc") + AGENT, count=2)
    web = next(spec for spec in plan.specs if spec.name == "web")
    assert (web.copies_per_node, plan.placed, plan.wanted) == (6, 9, 9)
    assert plan.requested["Guaranteed"][:3] == (2000, 2 << 30, 2)
    assert plan.requested["Burstable"][:3] == (4500, 9 * (256 << 20), 9)


def test_the_command_answers_in_a_sentence_within_80_columns(tmp_path: Path) -> None:
    """The first line says how many nodes; pods that do not fit are exit code 1; JSON has the same answer."""
    arguments = _files(tmp_path, WEB.replace("RUNTIME", "runc"))
    shown = CliRunner().invoke(app, [*arguments, "--spare", "1"], env={"COLUMNS": "80"})
    assert shown.exit_code == 1
    assert shown.stdout.startswith("All 9 pods need 2 nodes like four; fewer cannot. With 1 to lose: 3.\n")
    assert max(map(len, shown.stdout.splitlines())) <= 80
    enough = CliRunner().invoke(app, [*arguments, "--count", "2", "-o", "json"])
    assert enough.exit_code == 0
    assert json.loads(enough.stdout)["needed"] == {"nodes": 2, "at_least": 2}

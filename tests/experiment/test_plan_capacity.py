"""Capacity plans of manifests, from the file to the sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qos.capacity.pack import Scoring, pack
from qos.cli.app import app
from qos.experiment.plan import CapacityPlan, plan_capacity
from qos.experiment.plan_cluster import cluster_of, numbered
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
    return plan_capacity(cluster_of(read, numbered(read_node(folder / "node.yaml"), count)))


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


ZONES = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 6
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec:
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule,
           labelSelector: {matchLabels: {app: spread}}}
      containers: [{name: c, image: x, resources: {requests: {cpu: 500m, memory: 64Mi}}}]
"""


def _node(name: str, zone: str, cpu: str) -> str:
    return (
        f"---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: "
        f"{{topology.kubernetes.io/zone: {zone}}}}}\n"
        f"status: {{capacity: {{cpu: '{cpu}', memory: 8Gi}}, allocatable: {{cpu: '{cpu}', memory: 8Gi}}}}\n"
    )


def test_zones_keep_pods_even_though_one_has_room(tmp_path: Path) -> None:
    """Zone a holds one pod of 500m, zone b sixteen: with maxSkew 1 three of six fit, for the constraint."""
    file = tmp_path / "all.yaml"
    file.write_text(ZONES + _node("a", "a", "500m") + _node("b", "b", "8"))
    read = read_manifests([file])
    plan = plan_capacity(cluster_of(read, read.nodes))
    assert (plan.placed, plan.unplaced) == (3, {"cpu": 3})
    assert plan.pools[0].requested["Burstable"][0] + plan.pools[1].requested["Burstable"][0] == 1500


def test_pods_of_a_live_dump_lie_where_they_are(tmp_path: Path) -> None:
    """A running pod takes its room first, one that ended none, and a pending one is placed beside it."""
    pods = "".join(
        f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n"
        f"spec: {{{where}containers: [{{name: c, image: x, resources: {{requests: {{cpu: 500m}}}}}}]}}\n"
        f"status: {{phase: {phase}}}\n"
        for name, where, phase in (
            ("runs", "nodeName: a, ", "Running"),
            ("ended", "nodeName: a, ", "Succeeded"),
            ("waits", "", "Pending"),
        )
    )
    file = tmp_path / "dump.yaml"
    file.write_text(pods + _node("a", "a", "1"))
    shown = CliRunner().invoke(app, ["plan", "-f", str(file), "-o", "json"])
    plan = json.loads(shown.stdout)
    assert (shown.exit_code, plan["lying"], plan["placed"], plan["wanted"]) == (0, 1, 1, 1)
    assert plan["requested"]["Burstable"][0] == 1000


@pytest.mark.shared
@pytest.mark.parametrize("version", ["nri-1_31", "nri-1_33"])
def test_a_real_dump_is_planned_with_a_workload_beside_it(
    shared_dir: Path, tmp_path: Path, version: str
) -> None:
    """Nodes and pods of a live one-node cluster: what lies there is counted, ten more pods are placed."""
    folder = shared_dir / "data" / "metrics-dumps" / version
    more = tmp_path / "web.yaml"
    more.write_text(WEB.replace("RUNTIME", "runc"))
    read = read_manifests([folder / "nodes.yaml", folder / "pods.yaml", more])
    assert not read.errors
    plan = plan_capacity(cluster_of(read, read.nodes))
    running = [each for each in read.pods if each.owner_kind == "Pod" and each.pod.spec.node_name]
    assert plan.lying == len(
        [each for each in running if each.pod.status.phase not in {"Succeeded", "Failed"}]
    )
    assert plan.wanted >= 9
    assert sum(row[2] for row in plan.requested.values()) == plan.lying + plan.placed


@pytest.mark.parametrize(
    ("scoring", "on_second"), [("least-allocated", 3), ("most-allocated", 0), ("balanced-allocation", 4)]
)
def test_pods_without_requests_count_in_scores_as_the_scheduler_counts_them(
    tmp_path: Path, scoring: Scoring, on_second: int
) -> None:
    """As 100m and 200Mi each, so that not all lie on one node; balanced allocation sees what is requested.

    The first node holds 300m: least-allocated gives the fourth pod 93 there and 92 beside the other three.
    """
    nodes = [
        {"kind": "Node", "metadata": {"name": name}, "status": {"capacity": {"cpu": "4", "memory": "16Gi"}}}
        for name in ("first", "second")
    ]
    lies = {
        "kind": "Pod",
        "metadata": {"name": "lies"},
        "spec": {
            "nodeName": "first",
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "300m"}}}],
        },
    }
    free = [
        {"kind": "Pod", "metadata": {"name": f"free-{number}"}, "spec": {"containers": [{"name": "a"}]}}
        for number in range(4)
    ]
    (tmp_path / "all.json").write_text(json.dumps({"kind": "List", "items": [*nodes, lies, *free]}))
    manifests = read_manifests([tmp_path / "all.json"])
    assert not manifests.errors
    cluster = cluster_of(manifests, manifests.nodes)
    demand = cluster.demand(cluster.replicas())
    found = pack(cluster.fleet, demand, scoring, used=cluster.used, used_scored=cluster.used_scored)
    assert found.placed == 4
    assert int((found.node == 1).sum()) == on_second
    assert found.used[:, 0].tolist() == [300, 0]

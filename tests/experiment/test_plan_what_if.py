"""Growth, losses, classes of node, isolation, costs and sensitivity of a capacity plan."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from qos.cli.app import app
from qos.errors import InputError
from qos.experiment.plan_cluster import Cluster, cluster_of, numbered
from qos.experiment.plan_growth import apportioned, grow, parse_rate
from qos.experiment.plan_loss import lose, nodes_to_survive
from qos.scenario.manifest import Manifests, read_manifests
from qos.scenario.nodes import read_node

NODE = """
apiVersion: v1
kind: Node
metadata: {name: NAME}
status:
  capacity: {cpu: "CPUS", memory: 8Gi}
  allocatable: {cpu: "CPUS", memory: 8Gi, pods: "50"}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 8
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: x, resources: {requests: {cpu: 500m, memory: 256Mi}}}]}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: kata}
handler: kata
overhead: {podFixed: {cpu: 250m, memory: 128Mi}}
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Eight pods of half a CPU, classes of node with 4 and 16 CPUs."""
    (tmp_path / "web.yaml").write_text(WEB)
    for name, cpus in (("four", "4"), ("sixteen", "16")):
        (tmp_path / f"{name}.yaml").write_text(NODE.replace("NAME", name).replace("CPUS", cpus))
    return ["plan", "-f", str(tmp_path / "web.yaml"), "--node", str(tmp_path / "four.yaml")]


def _read(folder: Path) -> Manifests:
    return read_manifests([folder / "web.yaml"])


def _cluster(folder: Path, count: int) -> Cluster:
    return cluster_of(_read(folder), numbered(read_node(folder / "four.yaml"), count))


def _json(*words: str) -> dict[str, object]:
    shown = CliRunner().invoke(app, [*words, "-o", "json"], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("words")
class TestGrowth:
    """When does it run out?"""

    def test_it_runs_out_on_the_day_the_pods_no_longer_fit(self, tmp_path: Path) -> None:
        """Two nodes hold 16; 8 growing by half a year are 16.5 after ln 2.0625 / ln 1.5 = 1.785 years."""
        growth = grow(_cluster(tmp_path, 2), parse_rate("50%/year"), 3, date(2027, 1, 1))
        assert growth.runs_out is not None
        assert abs((growth.runs_out - date(2028, 10, 14)).days) <= 2
        assert growth.binding == "cpu"
        assert [step.pods for step in growth.steps] == [8, 12, 18, 27]
        assert [step.nodes.nodes for step in growth.steps if step.nodes] == [1, 2, 3, 4]

    def test_enough_nodes_last_beyond_the_horizon(self, tmp_path: Path) -> None:
        """Nothing runs out where the last step still fits."""
        growth = grow(_cluster(tmp_path, 2), parse_rate("3%/month"), 12, date(2027, 1, 1))
        assert (growth.runs_out, growth.steps[-1].fits) == (None, True)

    def test_a_live_cluster_grows_by_pods_like_those_there(self, shared_dir: Path) -> None:
        """A live dump has no replicas: its pods are joined by more of their kind, its DaemonSets' are not."""
        folder = shared_dir / "data" / "metrics-dumps" / "nri-1_33"
        found = _json(
            "plan", "-f", str(folder / "pods.yaml"), "-f", str(folder / "nodes.yaml"),
            "--growth", "10%/week", "--horizon", "52", "--from", "2027-01-01",
        )["growth"]  # fmt: skip
        assert isinstance(found, dict)
        assert found["steps"][52]["pods"] > 10 * found["steps"][0]["pods"]
        assert "2027-01-01" < found["runs_out"] < "2028-01-01"


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(1, 4))
def test_apportioned_pods_are_as_many_as_asked(counts: list[int], factor: float) -> None:
    """Grown kinds sum to the grown whole, to the nearest, and none has fewer than its floor."""
    found = apportioned(counts, factor)
    assert abs(sum(found) - sum(counts) * factor) <= 0.5 + 1e-6
    assert all(got >= int(count * factor - 1e-6) for got, count in zip(found, counts, strict=True))


@pytest.mark.usefixtures("words")
class TestLosses:
    """One node or zone lost: the others stay, the lost pods look for a place."""

    def test_a_full_pair_does_not_survive_one(self, tmp_path: Path) -> None:
        """Eight pods fit one node of two: either may go. Spread over one node, all are stranded."""
        assert lose(_cluster(tmp_path, 2), "node").stranded == 0
        alone = lose(_cluster(tmp_path, 1), "node")
        assert (alone.displaced, alone.stranded, alone.binding) == (8, 8, "no node is left")

    def test_zones_are_lost_whole(self, words: list[str]) -> None:
        """Four nodes in two zones: one zone's two nodes take all 8 pods; the fewest that survive are two."""
        found = _json(*words, "--count", "4", "--zones", "2", "--lose", "zone")["loss"]
        assert isinstance(found, dict)
        assert (found["stranded"], found["tried"], found["nodes"]) == (0, 2, 2)

    def test_the_fewest_that_survive_do_and_one_fewer_does_not(self, tmp_path: Path) -> None:
        """The answer is checked from both sides."""
        node = read_node(tmp_path / "four.yaml")
        count = nodes_to_survive(_read(tmp_path), node, "node", 0)
        assert count == 2
        assert lose(_cluster(tmp_path, count), "node").stranded == 0
        assert lose(_cluster(tmp_path, count - 1), "node").stranded > 0


class TestChoice:
    """Which class of node, and what a virtual machine a pod costs."""

    def test_the_cheaper_class_is_first(self, words: list[str], tmp_path: Path) -> None:
        """One node of four at 0.2 an hour costs 146 a month, one of sixteen at 0.1 half of it."""
        more = [
            "--node",
            str(tmp_path / "sixteen.yaml"),
            "--node-price",
            "four=0.2",
            "--node-price",
            "sixteen=0.1",
        ]
        classes = _json(*words, *more)["classes"]
        assert isinstance(classes, list)
        assert [(each["name"], each["nodes"], round(each["cost_a_month"])) for each in classes] == [
            ("sixteen", 1, 73), ("four", 1, 146),
        ]  # fmt: skip

    @pytest.mark.parametrize("overhead", ["kata", "cpu=250m,memory=128Mi"])
    def test_isolation_is_charged_to_every_pod(self, words: list[str], overhead: str) -> None:
        """Eight of 500m fit one node, five of 750m: a second node, at 4 · 0.03 + 8 · 0.004 an hour."""
        found = _json(*words, "--isolate", overhead, "--price", "cpu=0.03,memory=0.004")["isolation"]
        assert isinstance(found, dict)
        assert (found["nodes"], found["copies"], found["overhead"]) == (
            [1, 2],
            {"web": [8, 5]},
            [250, 128 << 20],
        )
        assert found["cost_a_month"][1] == pytest.approx(2 * 730 * (4 * 0.03 + 8 * 0.004))


class TestReport:
    """The same report as table, CSV, Markdown, JSON and page."""

    def test_sensitivity_moves_one_thing_at_a_time(self, words: list[str]) -> None:
        """A quarter more CPU a pod needs a second node and leaves two of eight out; memory is no matter."""
        moves = _json(*words, "--sensitivity")["moves"]
        assert isinstance(moves, list)
        found = {(each["what"], each["factor"]): (each["nodes"], each["left_over"]) for each in moves}
        assert found["cpu requests", 1.25] == (2, 2)
        assert found["memory requests", 1.5] == (1, 0)
        assert found["replicas", 1.1] == (2, 1)

    def test_every_format_holds_the_costs(self, words: list[str], tmp_path: Path) -> None:
        """Requests of 4 CPUs and 2 GiB cost 730 · (4 · 0.03 + 2 · 0.004) = 93.44 a month."""
        page = tmp_path / "plan.html"
        more = [*words, "--price", "cpu=0.03,memory=0.004", "--growth", "3%/month", "--from", "2027-01-01"]
        table = CliRunner().invoke(app, [*more, "--report", str(page)], catch_exceptions=False).stdout
        assert "93.44" in table
        rows = list(csv.DictReader(io.StringIO(
            CliRunner().invoke(app, [*more, "-o", "csv"], catch_exceptions=False).stdout)))  # fmt: skip
        costs = {
            (each["row"], each["column"]): each["value"] for each in rows if each["table"] == "Cost a month"
        }
        assert costs["Burstable", "COST"] == "93.44"
        text = CliRunner().invoke(app, [*more, "-o", "markdown"], catch_exceptions=False).stdout
        assert "| Burstable | 4.000 | 2.000 | 87.60 | 5.84 | 93.44 |" in text
        html = page.read_text()
        assert "93.44" in html
        assert html.count('class="chart"') == 5
        assert "will do until 2027-0" in html

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--growth", "3 percent"], "no rate of growth"),
            (["--growth", "3%/month", "--from", "soon"], "no day"),
            (["--lose", "rack"], "cannot be lost"),
            (["--lose", "zone"], "no node says its zone"),
            (["--isolate", "gvisor"], "no overhead of a pod"),
            (["--price", "cpu=-1"], "price"),
            (["--node-price", "five=1"], "no class of node"),
            (["--node-price", "four"], "no price of a class"),
        ],
    )
    def test_what_is_wrong_is_said(self, words: list[str], more: list[str], said: str) -> None:
        """Every option that is none is one error that names what would be right."""
        with pytest.raises(InputError, match=said):
            CliRunner().invoke(app, [*words, *more], catch_exceptions=False)

"""`qos import`: tables become scenarios that load and say where their figures come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qos.errors import InputError
from qos.experiment.import_openb import import_openb
from qos.experiment.import_usage import import_usage
from qos.experiment.simulate import load
from qos.policy.qos_class import classify
from qos.scenario.usage_tables import read_usage

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
n0,8000,16384,0,
n1,32000,65536,2,T4
n2,8000,16384,0,
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time
a,6000,8192,0,0,,LS,Running,0,1,0
b,6000,8192,0,0,,BE,Running,0,1,0
c,4000,8192,1,1000,T4,Guaranteed,Running,0,1,0
d,4000,8192,1,500,,LS,Running,0,1,0
e,99000,8192,0,0,,LS,Pending,0,1,
"""


@pytest.fixture
def tables(tmp_path: Path) -> tuple[str, str]:
    """Three nodes of two classes; five pods of which one fits nowhere."""
    (tmp_path / "nodes.csv").write_text(NODES, encoding="utf-8")
    (tmp_path / "pods.csv").write_text(PODS, encoding="utf-8")
    return str(tmp_path / "nodes.csv"), str(tmp_path / "pods.csv")


class TestOpenb:
    """Nodes in classes, pods with requests and a node each."""

    def test_equal_nodes_become_a_class_with_a_count(self, tables: tuple[str, str]) -> None:
        """Two of one kind, one of the other; GPUs are an extended resource."""
        made = import_openb(*tables, name="small")
        nodes = {node["metadata"]["name"]: node for node in made.scenario["spec"]["nodes"]}
        assert nodes["cpu8-mem16gi"]["count"] == 2
        assert nodes["cpu32-mem64gi-gpu2-t4"]["status"]["capacity"]["nvidia.com/gpu"] == "2"
        assert "count" not in nodes["cpu32-mem64gi-gpu2-t4"]
        assert (made.nodes, made.left_out) == (3, 1)

    def test_the_scenario_loads_with_every_pod_on_a_node_that_holds_it(
        self, tables: tuple[str, str], tmp_path: Path
    ) -> None:
        """What was written is read: four pods, each with what it wants, requests within capacity."""
        made = import_openb(*tables, name="small", use=0.25)
        (tmp_path / "pods.json").write_text(json.dumps(made.pods), encoding="utf-8")
        (tmp_path / "scenario.json").write_text(json.dumps(made.scenario), encoding="utf-8")
        scenario = load(tmp_path / "scenario.json")
        assert len(scenario.nodes) == 3
        assert len(scenario.demand) == len(scenario.pods) == 4
        capacity = {node.name: node.status.capacity["cpu"].milli_value() for node in scenario.nodes}
        for placed in scenario.placed:
            capacity[placed.node] -= placed.pod.spec.containers[0].resources.requests["cpu"].milli_value()
        assert min(capacity.values()) >= 0
        shape = scenario.demand[0, "main"].cpu
        assert shape is not None
        assert shape.shape == "periodic"
        assert shape.mean.milli_value() == 1500

    def test_classes_are_given_where_asked(self, tables: tuple[str, str]) -> None:
        """The trace's words are labels; with --classes they are the Kubernetes classes too."""
        from qos.model.pod import Pod

        found = {}
        for by_name in (False, True):
            items = import_openb(*tables, name="small", by_name=by_name).pods["items"]
            pods = [Pod.model_validate(item) for item in items]
            found[by_name] = [str(classify(pod).qos_class.value) for pod in pods]
        assert found[False] == ["Burstable"] * 4
        assert found[True] == ["Burstable", "BestEffort", "Guaranteed", "Burstable"]

    @pytest.mark.shared
    def test_the_real_trace_is_imported_whole(self, shared_dir: Path) -> None:
        """1,523 nodes in 27 classes; 8,037 of 8,152 pods find a node, as qos plan says."""
        openb = shared_dir / "data/openb"
        made = import_openb(
            str(openb / "openb_node_list_all_node.csv"),
            str(openb / "openb_pod_list_default.csv"),
            name="openb",
        )
        counts = [node.get("count", 1) for node in made.scenario["spec"]["nodes"]]
        assert (len(counts), sum(counts), made.nodes) == (27, 1523, 1523)
        assert (len(made.pods["items"]), made.left_out) == (8037, 115)

    def test_no_pod_that_fits_is_an_error(self, tables: tuple[str, str], tmp_path: Path) -> None:
        """One line that names the table."""
        path = tmp_path / "pods.csv"
        path.write_text("\n".join([PODS.splitlines()[0], PODS.splitlines()[-1], ""]), encoding="utf-8")
        with pytest.raises(InputError, match="no pod fits any node"):
            import_openb(tables[0], str(path), name="small")


class TestUsage:
    """Series of measured use as trace workloads."""

    def test_dirty_rows_are_counted_and_not_guessed(self, tmp_path: Path) -> None:
        """A time told twice, an empty cell, text, a negative: four rows less, the rest in order."""
        path = tmp_path / "Web 1.csv"
        path.write_text("ts,value\n120,3\n0,1\n60,2\n60,9\n180,\n240,x\n300,-1\n", encoding="utf-8")
        (series,) = read_usage(path, scale=0.5)
        assert (series.name, series.times_seconds, series.cpus, series.dropped) == (
            "web-1", (0, 60, 120), (0.5, 1.0, 1.5), 4,
        )  # fmt: skip

    def test_a_range_query_gives_a_pod_a_series(self, tmp_path: Path) -> None:
        """Named by their pod label."""
        path = tmp_path / "query.json"
        result = [
            {"metric": {"pod": name}, "values": [[1, "0.5"], [31, "1"], [61, "0.25"]]}
            for name in ("web-0", "db-0")
        ]
        path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
        made = import_usage([str(path)], name="two")
        assert [pod["metadata"]["name"] for pod in made.scenario["spec"]["pods"]] == ["web-0", "db-0"]
        assert made.files["web-0.csv"].splitlines()[:2] == ["time_seconds,cpus", "0,0.5"]
        assert made.scenario["spec"]["duration"] == "60s"

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("a.csv", "x,y\n1,2\n", "is no usage table"),
            ("a.csv", "ts,value\n1,2\n", "no two usable rows"),
            ("a.csv", "", "is no usage table"),
            ("a.json", "{}", "no answer of a range query"),
            ("a.json", '{"data": {"result": []}}', "holds no series"),
            ("a.json", '{"data": {"result": [{"values": [[1]]}]}}', "no answer of a range query"),
        ],
    )
    def test_bad_tables(self, tmp_path: Path, name: str, text: str, expected: str) -> None:
        """One error with the file's name."""
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=expected) as caught:
            read_usage(tmp_path / name)
        assert name in str(caught.value)

    @pytest.mark.shared
    @pytest.mark.parametrize(
        ("table", "rows"),
        [
            ("bitbrains/vm1_full_first15d.csv", 4000),
            ("crane/input4.csv", 11000),
            ("kruize-tfb/tfb_data_first.csv", 41),
        ],
    )
    def test_real_tables_become_scenarios_that_run(
        self, shared_dir: Path, tmp_path: Path, table: str, rows: int
    ) -> None:
        """Their use is what the simulated pod uses, on a node with room for it."""
        from qos.experiment.simulate import simulate

        path = shared_dir / "data/usage-series" / table
        made = import_usage([str(path)], name="real", duration="6h")
        for name, text in made.files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / "s.json").write_text(json.dumps(made.scenario), encoding="utf-8")
        (series,) = read_usage(path)
        assert len(series.times_seconds) >= rows
        (recording,) = simulate(load(tmp_path / "s.json"))
        (leaf,) = [name for name in recording.samples.cgroups if name.endswith("/main")]
        used = recording.samples.column("cpu_stat_usage_usec", leaf)[-1] / 1e6
        first = series.times_seconds[0]
        edges = [*(time - first for time in series.times_seconds if time - first < 21600), 21600.0]
        wanted = sum(
            cpus * (after - before)
            for cpus, before, after in zip(series.cpus, edges[:-1], edges[1:], strict=False)
        )
        assert used == pytest.approx(wanted, rel=0.02)

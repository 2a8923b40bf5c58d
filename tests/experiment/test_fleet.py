"""Scenarios of several nodes: placed, computed in steps, aggregated, judged."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from qos.cli.table import text_table
from qos.errors import InputError, RecordingError
from qos.experiment.check import CheckOptions, check_scenario
from qos.experiment.fleet import run_fleet
from qos.experiment.fleet_place import place
from qos.experiment.fleet_tell import (
    POOL_HEADERS,
    TABLE_HEADERS,
    answer,
    fleet_json,
    pool_rows,
    read_fleets,
    table_rows,
    write_page,
)
from qos.experiment.import_openb import PODS_FILE, import_openb
from qos.experiment.simulate import load, simulate
from qos.experiment.tell import differences
from qos.model.fleet_run import BINS, FleetRun
from qos.model.sample import Recording
from qos.record.fleet_store import FleetWriter
from qos.record.fleet_summary import figures, pools, workloads
from qos.scenario.scenario import Scenario

TWO_POOLS = Path(__file__).resolve().parents[2] / "scenarios" / "fleets" / "two-pools.yaml"

HEAD = """\
apiVersion: qos.dev/v1alpha1
kind: Scenario
metadata: {name: few}
spec:
  question: Who waits?
  duration: 60s
  nodes:
    - {apiVersion: v1, kind: Node, metadata: {name: small, labels: {pool: small}}, count: 3,
       status: {capacity: {cpu: "2", memory: 4Gi}}}
    - {apiVersion: v1, kind: Node, metadata: {name: big, labels: {pool: big}},
       status: {capacity: {cpu: "4", memory: 8Gi}}}
  policies: [kubelet, no-cpu-limits]
"""


def deployment(name: str, replicas: int, resources: str) -> str:
    """A Deployment of one container."""
    return f"""\
    - apiVersion: apps/v1
      kind: Deployment
      metadata: {{name: {name}}}
      spec:
        replicas: {replicas}
        selector: {{matchLabels: {{app: {name}}}}}
        template:
          metadata: {{labels: {{app: {name}}}}}
          spec: {{containers: [{{name: main, image: x, resources: {resources}}}]}}
"""


@pytest.fixture
def few(tmp_path: Path) -> Scenario:
    """Four nodes; web under limits, batch without requests, a leak that is killed, all without chance."""
    path = tmp_path / "few.yaml"
    path.write_text(
        f"{HEAD}  pods:\n"
        + deployment("web", 10, "{requests: {cpu: 500m, memory: 100Mi}, limits: {cpu: 500m}}")
        + deployment("batch", 8, "{}")
        + deployment("leaky", 2, "{limits: {cpu: 200m, memory: 100Mi}}")
        + """\
  workloads:
    - {name: web, selector: app=web, cpu: {shape: constant, cpu: 600m}}
    - {name: batch, selector: app=batch, cpu: {shape: spin, threads: 4}}
    - name: leaky
      selector: app=leaky
      cpu: {shape: constant, cpu: 100m}
      memory: {anon: {start: 80Mi, growPerSecond: 1Mi}}
"""
    )
    return load(path)


def one_by_one(scenario: Scenario, policy: str) -> list[Recording]:
    """Each node of a scenario by itself on the event-driven kernel."""
    placement = place(scenario)
    found = []
    for number, node in enumerate(scenario.nodes):
        mine = [pod for pod, at in zip(scenario.placed, placement.node, strict=True) if at == number]
        if mine:
            alone = replace(scenario, nodes=(node,), placed=tuple(mine), agents=())
            found += simulate(alone, policies=(policy,))
    return found


def totals(recordings: list[Recording], column: str) -> Counter[str]:
    """Workload → sum of a column over its containers at the end."""
    found: Counter[str] = Counter()
    for recording in recordings:
        for pod in recording.pods:
            if column in recording.samples.columns:
                value = float(recording.samples.column(column, pod["cgroup"])[-1])
                found[pod["workload"]] += 0 if np.isnan(value) else value  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("policy", ["kubelet", "no-cpu-limits"])
def test_a_fleet_is_what_its_nodes_are_one_by_one_in_events(few: Scenario, policy: str) -> None:
    """Use, waits and kills of every workload are the event-driven kernel's, summed over the nodes.

    Batch has threads enough to use what is left at any instant: steps know no finer grain than themselves.
    """
    run = run_fleet(few, policy, 1)
    found, alone = workloads(run), one_by_one(few, policy)
    used, periods = totals(alone, "cpu_stat_usage_usec"), totals(alone, "cpu_stat_nr_periods")
    throttled = totals(alone, "cpu_stat_nr_throttled")
    for name in ("web", "batch", "leaky"):
        assert found[name]["cpu_seconds"] == pytest.approx(used[name] / 1e6, rel=0.005)
    if policy == "kubelet":
        assert found["web"]["nr_periods"] == periods["web"]
        assert found["web"]["nr_throttled"] == pytest.approx(throttled["web"], rel=0.02)
    kills = sorted(event.time for each in alone for event in each.events if event.kind == "oom_kill")
    assert [event.time for event in run.events] == pytest.approx(kills, abs=0.1)
    assert kills == pytest.approx([20.0, 20.0], abs=0.1)


def test_groups_classes_and_pools_add_up(few: Scenario) -> None:
    """Every container-step is in one group; workloads and pools divide the same total."""
    run = run_fleet(few, "kubelet", 1)
    assert run.use.sum() == 20 * 60
    assert run.use.shape[1] == BINS
    total = figures(run, np.arange(len(run.groups)))["cpu_seconds"]
    for divided in (workloads(run), pools(run)):
        assert sum(each["cpu_seconds"] or 0 for each in divided.values()) == pytest.approx(total)
    assert {name: each["machines"] for name, each in pools(run).items()} == {"small": 3, "big": 1}
    assert run.memory[-1].sum() == 0
    assert run.memory_peaks.max() == pytest.approx(100 * 2**20)


def test_pods_lie_where_the_default_scheduler_puts_them(few: Scenario) -> None:
    """Least-allocated: the big node takes more; pods without requests count as 100m and 200Mi each."""
    placement = place(few)
    lies = Counter(
        (few.nodes[node].name, few.placed[pod].owner_name) for pod, node in enumerate(placement.node)
    )
    assert not placement.unplaced
    assert lies["big", "web"] > lies["small-0", "web"]
    assert max(lies[node.name, "batch"] for node in few.nodes) <= 4


def test_a_pod_that_fits_no_node_is_told_and_not_run(few: Scenario) -> None:
    """Ten of 3 CPUs on nodes of 2 and 4: one fits, nine are named with what they lack."""
    web = few.placed[0].pod
    containers = (
        web.spec.containers[0].model_copy(
            update={"resources": web.spec.containers[0].resources.model_validate({"requests": {"cpu": "3"}})}
        ),
    )
    spec = web.spec.model_copy(update={"containers": containers})
    big = tuple(
        replace(each, pod=each.pod.model_copy(update={"spec": spec})) if each.owner_name == "web" else each
        for each in few.placed
    )
    run = run_fleet(replace(few, placed=big), "kubelet", 1)
    assert run.unplaced == {"not enough cpu": 9}
    assert any("9 pods found no node" in sentence for sentence in answer([run]))


def test_curves_of_what_is_kept_are_streamed_and_add_up(few: Scenario, tmp_path: Path) -> None:
    """A row for each step and container asked for; their sum is the group's use. Tables hold the rest."""
    writer = FleetWriter(tmp_path / "run")
    run = run_fleet(few, "kubelet", 1, keep=("web", "default/leaky-*"), sink=writer)
    writer.finish(run)
    curves = pq.read_table(tmp_path / "run" / "curves.parquet").to_pandas()
    assert len(curves) == 12 * 60
    web = curves[curves.pod.str.startswith("default/web")]
    assert web.cpus.sum() == pytest.approx(workloads(run)["web"]["cpu_seconds"], rel=1e-6)
    assert len(pq.read_table(tmp_path / "run" / "groups.parquet")) == 60 * len(run.groups)
    index = json.loads((tmp_path / "run" / "fleet.json").read_text())
    assert index["workloads"]["web"]["containers"] == 10
    assert pq.read_table(tmp_path / "run" / "events.parquet").num_rows == 2


def test_what_has_no_meaning_in_steps_is_an_error_with_its_reason(few: Scenario, tmp_path: Path) -> None:
    """Requests, a step that does not divide the duration, a glob that matches nothing."""
    path = tmp_path / "few.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("shape: constant, cpu: 600m", "shape: requests, rate: 5, cpuPerRequest: 9ms")
    )
    with pytest.raises(InputError, match=r"few\.yaml.*steps of 1 s: .*requests are events"):
        run_fleet(load(path), "kubelet", 1)
    with pytest.raises(InputError, match="no whole number of steps"):
        run_fleet(replace(few, sample_interval_seconds=7.0), "kubelet", 1)
    with pytest.raises(InputError, match=r"--keep: matches no container"):
        run_fleet(few, "kubelet", 1, keep=("nobody",), sink=FleetWriter(tmp_path / "run"))


def test_promises_and_seeds_work_on_fleets() -> None:
    """The promises of scenarios/fleets/two-pools.yaml hold, over several seeds."""
    outcomes = check_scenario(str(TWO_POOLS), CheckOptions(seeds=2, workers=1))
    assert [outcome.status for outcome in outcomes] == ["passed"] * 5


def test_another_seed_draws_other_demand_and_policies_the_same() -> None:
    """The same seed gives the same to the bit, whatever the policy; another seed gives another."""
    scenario = replace(load(TWO_POOLS), duration_seconds=600.0)
    first, again, other = (run_fleet(scenario, "kubelet", seed) for seed in (1, 1, 2))
    assert (first.use == again.use).all()
    assert (first.use != other.use).any()


@pytest.mark.shared
def test_the_openb_cluster_runs(shared_dir: Path, tmp_path: Path) -> None:
    """1,523 nodes and 8,037 pods of the real trace: all use what they want, and memory is theirs."""
    openb = shared_dir / "data/openb"
    made = import_openb(
        str(openb / "openb_node_list_all_node.csv"), str(openb / "openb_pod_list_default.csv"), name="openb",
        duration="10m",
    )  # fmt: skip
    (tmp_path / PODS_FILE).write_text(json.dumps(made.pods), encoding="utf-8")
    (tmp_path / "scenario.json").write_text(json.dumps(made.scenario), encoding="utf-8")
    run = run_fleet(load(tmp_path / "scenario.json"), "kubelet", 1)
    assert (run.meta["nodes"], run.meta["pods"], sum(run.pools.values())) == (1523, 8037, 1523)
    assert sum(group.containers for group in run.groups) == 8037
    found = figures(run, np.arange(len(run.groups)))
    asked = sum(
        float(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m"))
        for pod in made.pods["items"]
    )
    # The first ten minutes of a day's swing that begins at its mean, half of the request, and rises.
    assert found["cpu_seconds"] == pytest.approx(asked / 1000 * 0.5 * 600, rel=0.03)
    assert found["waited_for_cpu"] == pytest.approx(0.0, abs=0.01)
    held = sum(
        float(pod["spec"]["containers"][0]["resources"]["requests"]["memory"].removesuffix("Mi"))
        for pod in made.pods["items"]
    )
    assert run.memory[-1].sum() == pytest.approx(held * 0.7 * 2**20, rel=0.001)


def _written(scenario: Scenario, folder: Path) -> list[FleetRun]:
    """Runs of all policies of a scenario, left in folders of their names."""
    runs = []
    for policy in scenario.policies:
        writer = FleetWriter(folder / policy)
        runs.append(run_fleet(scenario, policy, 0, sink=writer))
        writer.finish(runs[-1])
    return runs


def test_a_fleet_run_is_read_back_as_it_was(few: Scenario, tmp_path: Path) -> None:
    """The answer, the tables, the machine form and the page are the same from the folder."""
    runs = _written(few, tmp_path / "out")
    read = read_fleets([tmp_path / "out"])
    assert [run.policy for run in read] == sorted(few.policies)
    by_policy = {run.policy: run for run in read}
    again = [by_policy[run.policy] for run in runs]
    assert fleet_json(again) == fleet_json(runs)
    assert answer(again) == answer(runs)
    write_page(runs, tmp_path / "first.html")
    write_page(again, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "first.html").read_bytes()


def test_two_fleet_runs_are_compared_by_pool_class_and_workload(few: Scenario, tmp_path: Path) -> None:
    """Only what differs, with both values; the same run differs in nothing."""
    old, new = _written(few, tmp_path / "out")
    found = differences(tmp_path / "out" / old.policy, tmp_path / "out" / new.policy)
    told = {(each.subject, each.metric): (each.old, each.new) for each in found}
    throttled = workloads(old)["web"]["nr_throttled"], workloads(new)["web"]["nr_throttled"]
    assert throttled[0]
    assert told["workload web", "nr_throttled"] == throttled
    assert {subject.split()[0] for subject, _ in told} == {"pool", "class", "workload"}
    assert "pool small" in {subject for subject, _ in told}
    assert not differences(tmp_path / "out" / old.policy, tmp_path / "out" / old.policy)


def test_what_cannot_be_read_or_compared_is_one_clear_error(few: Scenario, tmp_path: Path) -> None:
    """A run that did not end, a changed table, several runs for one, other nodes, another kind."""
    policy = _written(few, tmp_path / "out")[0].policy
    folder = tmp_path / "out" / policy
    _written(replace(few, nodes=few.nodes[1:]), tmp_path / "less")
    recording = Path(__file__).resolve().parents[1] / "data" / "recordings"
    for wrong, reason in (
        (
            lambda: differences(tmp_path / "out", folder),
            "holds 2 runs; expected one of kubelet, no-cpu-limits",
        ),
        (lambda: differences(folder, recording), "no fleet's run, but the other is"),
        (lambda: read_fleets([folder, recording]), "no fleet's run, but others are"),
        (lambda: read_fleets([folder, tmp_path / "less"]), "on other nodes in one report"),
    ):
        with pytest.raises(RecordingError, match=re.escape(reason)):
            wrong()
    (folder / "groups.parquet").write_bytes(b"PAR1 no longer")
    with pytest.raises(RecordingError, match="damaged"):
        read_fleets([folder])
    (folder / "fleet.json").unlink()
    with pytest.raises(RecordingError, match="did not end"):
        read_fleets([folder])


def test_the_tables_fit_a_terminal_of_80_columns() -> None:
    """Those of the two pools in docs/fleets.md, under two policies."""
    scenario = load(TWO_POOLS)
    runs = [run_fleet(scenario, policy, 0) for policy in scenario.policies]
    for table in (text_table(TABLE_HEADERS, table_rows(runs)), text_table(POOL_HEADERS, pool_rows(runs[0]))):
        assert max(map(len, table.splitlines())) <= 80


def test_agents_named_for_several_nodes_are_told_to_do_nothing(few: Scenario, tmp_path: Path) -> None:
    """With file, line and what would be right; not where none are named, or an empty list is."""
    text = (tmp_path / "few.yaml").read_text()
    assert not few.warnings
    for agents, count in (("[eviction, restart]", 1), ("[]", 0)):
        (tmp_path / "named.yaml").write_text(text.replace("  duration:", f"  agents: {agents}\n  duration:"))
        warnings = load(tmp_path / "named.yaml").warnings
        assert len(warnings) == count
    (tmp_path / "named.yaml").write_text(text.replace("  duration:", "  agents: [eviction]\n  duration:"))
    (warning,) = load(tmp_path / "named.yaml").warnings
    assert str(warning).startswith(f"{tmp_path / 'named.yaml'}:6:11: spec.agents: several nodes run in steps")

"""How many copies until an objective breaks: sets of pods placed as the scheduler does, then simulated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from qos.capacity.objective import Judged, Objective, judge, parse_objective
from qos.capacity.pack import pack
from qos.capacity.search import Break, find_break
from qos.errors import InputError, SourceRef
from qos.experiment.check import is_random
from qos.experiment.plan import set_fit
from qos.experiment.plan_cluster import Cluster
from qos.experiment.simulate import load, simulate
from qos.model.pod import Pod
from qos.model.qos_class import QOSClass
from qos.model.summary import Summary, WorkloadSummary
from qos.model.workload import Workload
from qos.record.summarize import summarize
from qos.scenario.placement import ScenarioPod
from qos.scenario.scenario import Scenario, scenario_workloads

if TYPE_CHECKING:
    from concurrent.futures import Executor

MOST_PODS_SIMULATED: Final = 5_000
"""Pods on one node; more are refused before hours pass."""
Counts = tuple[int, ...]
"""How many pods of each kind lie on a node."""
Run = tuple[Scenario, str, int]


@dataclass(frozen=True, slots=True)
class SloPlan:
    """How many sets hold the objectives.

    Attributes:
        full: sets until requests are full, as the default scheduler places them.
        full_binding: the resource that is full then.
        found: where the objectives break.
        beyond: the search went on past full requests, all on one node.
        policy: the rules that ran.
        seeds: runs a number of copies.
        pods_per_set: of each kind.
        use: QoS class → (CPUs used on average, highest bytes of memory) on the busiest node there.
        requests: QoS class → (thousandths of CPU, bytes) requested on that node.
        offer: (thousandths of CPU, bytes) that node can allocate.
    """

    full: int
    full_binding: str
    found: Break
    beyond: bool
    policy: str
    seeds: int
    confidence: float
    pods_per_set: Mapping[str, int]
    use: Mapping[str, tuple[float, float]]
    requests: Mapping[str, tuple[int, int]]
    offer: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SloQuestion:
    """What is asked.

    Attributes:
        objectives: all must hold.
        scenario: file whose workloads the pods want.
        policy: rules to run, "" for the scenario's first.
        seeds: runs a number of copies, fewer where chance has no part.
        confidence: of each bound, 0.5 to 1.
        only: kinds (by name) whose copies are counted; the others stay as they are. () counts all.
        beyond: go on past full requests (one node).
        most: copies looked at, at most.
        workers: processes; 0 is one a core.
    """

    objectives: tuple[Objective, ...]
    scenario: str
    policy: str = ""
    seeds: int = 5
    confidence: float = 0.95
    only: tuple[str, ...] = ()
    beyond: bool = False
    most: int = 1000
    workers: int = 0


def objectives_of(texts: Sequence[str]) -> tuple[Objective, ...]:
    """The objectives of `--slo`.

    Raises:
        InputError: one of them is none.
    """
    found = []
    for text in texts:
        try:
            found.append(parse_objective(text))
        except ValueError as error:
            raise InputError(
                str(error), field="--slo", value=text, expected="web.p99=100ms, throttled=5% or oom=0"
            ) from None
    return tuple(found)


def plan_slo(cluster: Cluster, question: SloQuestion) -> SloPlan:
    """How many copies of a cluster's pods hold the objectives, beside how many the requests allow.

    Raises:
        InputError: the scenario is wrong, a name is unknown, nothing is to be placed, or too much.
    """
    base = load(question.scenario)
    workloads = scenario_workloads(question.scenario, [spec.pod for spec in cluster.specs])
    counted = _counted(cluster, question.only)
    _check_names(question.objectives, workloads)
    if question.beyond and len(cluster.nodes) != 1:
        raise InputError(
            "copies beyond the requests need one node", field="--beyond-requests",
            value=len(cluster.nodes), expected="1 node",
        )  # fmt: skip
    full = set_fit(_only(cluster, counted))
    fixed = sum(spec.replicas for kind, spec in enumerate(cluster.specs) if kind not in counted)
    each = sum(cluster.specs[kind].replicas for kind in counted)
    most = question.most if question.beyond else min(question.most, full.copies)
    most = min(most, (MOST_PODS_SIMULATED * max(1, len(cluster.nodes)) - fixed) // each)
    policy = question.policy or base.policies[0]
    judging = _Judging(cluster, base, workloads, counted, policy, question)
    with judging:
        found = find_break(judging.probe, most)
        use, requests, offer = judging.headroom(max(1, found.sure)) if most else ({}, {}, (0, 0))
    return SloPlan(
        full.copies, full.binding, found, question.beyond, policy, judging.seeds, question.confidence,
        {cluster.specs[kind].name: cluster.specs[kind].replicas for kind in counted},
        use, requests, offer,
    )  # fmt: skip


def _counted(cluster: Cluster, only: Sequence[str]) -> frozenset[int]:
    """The kinds whose copies are counted."""
    wanted = {kind for kind, spec in enumerate(cluster.specs) if spec.replicas}
    names = {cluster.specs[kind].name for kind in wanted}
    for name in only:
        if name not in names:
            raise InputError(
                "no such workload is to be placed", field="--copies-of", value=name,
                expected=", ".join(sorted(names)) or "a workload with replicas",
            )  # fmt: skip
    chosen = frozenset(kind for kind in wanted if not only or cluster.specs[kind].name in only)
    if not chosen:
        raise InputError("nothing is to be placed", expected="a pod or a workload with replicas")
    return chosen


def _check_names(objectives: Sequence[Objective], workloads: Sequence[Mapping[str, Workload]]) -> None:
    names = sorted({workload.name for containers in workloads for workload in containers.values()})
    for objective in objectives:
        if objective.workload and objective.workload not in names:
            raise InputError(
                "is about no workload of the scenario", field="--slo", value=objective.text,
                expected=", ".join(names),
            )  # fmt: skip


def _only(cluster: Cluster, counted: frozenset[int]) -> Cluster:
    """The cluster with the pods that are not counted laid down first, by the scheduler."""
    others = [
        kind for kind, spec in enumerate(cluster.specs) if kind not in counted for _ in range(spec.replicas)
    ]
    lying = list(cluster.lying)
    if others:
        kinds = np.array(others, dtype=np.int64)
        node = pack(
            cluster.fleet, cluster.demand(kinds), used=cluster.used, used_scored=cluster.used_scored
        ).node
        if (node < 0).any():
            name = cluster.specs[int(kinds[node < 0][0])].name
            raise InputError(
                f"the pods of {name} do not fit beside the copies", field="--copies-of",
                expected="a larger node, or the others among the copies",
            )  # fmt: skip
        lying += list(zip(others, node.tolist(), strict=True))
    specs = tuple(
        spec if kind in counted else replace(spec, replicas=0) for kind, spec in enumerate(cluster.specs)
    )
    return replace(cluster, specs=specs, lying=tuple(lying))


class _Judging:
    """Places and simulates a number of copies, once for each different filling of a node."""

    def __init__(
        self,
        cluster: Cluster,
        base: Scenario,
        workloads: Sequence[Mapping[str, Workload]],
        counted: frozenset[int],
        policy: str,
        question: SloQuestion,
    ) -> None:
        self._cluster = _only(cluster, counted)
        self._base = base
        self._workloads = workloads
        self._policy = policy
        self._question = question
        random = is_random(replace(base, placed=tuple(self._pod(kind, 0) for kind in range(len(workloads)))))
        self.seeds = question.seeds if random else 1
        self._seen: dict[tuple[int, Counts], list[Summary]] = {}
        self._pool: Executor | None = None

    def __enter__(self) -> None:
        """Nothing is started before it is needed."""

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def probe(self, copies: int) -> tuple[Judged, ...]:
        """Every objective with so many sets."""
        fillings = self._fillings(copies)
        self._simulate(fillings)
        by_seed = [[self._seen[filling][seed] for filling in fillings] for seed in range(self.seeds)]
        return tuple(judge(each, by_seed, self._question.confidence) for each in self._question.objectives)

    def headroom(
        self, copies: int
    ) -> tuple[dict[str, tuple[float, float]], dict[str, tuple[int, int]], tuple[int, int]]:
        """What each class uses and requests on the busiest node, and what that node offers."""
        fillings = self._fillings(copies)
        self._simulate(fillings)
        busiest = max(fillings, key=lambda filling: _cpus(self._seen[filling][0].workloads.values()))
        use = {}
        for each in QOSClass:
            mine = [w for w in self._seen[busiest][0].workloads.values() if w.qos_class == each.value]
            peak = sum(fared.memory_peak_bytes or 0.0 for fared in mine)
            use[each.value] = (_cpus(mine) / self._base.duration_seconds, peak)
        table, specs = self._cluster.table, self._cluster.specs
        requests = {}
        for each in QOSClass:
            rows = [
                table[kind, :2] * count
                for kind, count in enumerate(busiest[1])
                if specs[kind].qos_class == each.value
            ]
            cpu, memory = np.sum(rows, axis=0).tolist() if rows else (0, 0)
            requests[each.value] = (int(cpu), int(memory))
        cpu, memory = self._cluster.fleet.allocatable[busiest[0], :2].tolist()
        return use, requests, (cpu, memory)

    def _fillings(self, copies: int) -> list[tuple[int, Counts]]:
        """The different nodes: (a node of that filling's size, pods of each kind on it)."""
        cluster = self._cluster
        kinds = np.tile(cluster.replicas(), copies)
        if self._question.beyond:
            node = np.zeros(len(kinds), dtype=np.int64)
        else:
            node = pack(
                cluster.fleet, cluster.demand(kinds), used=cluster.used, used_scored=cluster.used_scored
            ).node.astype(np.int64)
        counts = np.zeros((len(cluster.nodes), len(cluster.specs)), dtype=np.int64)
        np.add.at(counts, (node[node >= 0], kinds[node >= 0]), 1)
        for kind, where in cluster.lying:
            counts[where, kind] += 1
        found: dict[tuple[int, Counts], int] = {}
        for index, row in enumerate(counts.tolist()):
            if any(row):
                found.setdefault((int(cluster.fleet.node_class[index]), tuple(row)), index)
        return [(index, filling) for (_, filling), index in found.items()]

    def _simulate(self, fillings: Sequence[tuple[int, Counts]]) -> None:
        new = [filling for filling in fillings if filling not in self._seen]
        runs = [
            (self._scenario(filling), self._policy, self._base.seed + seed)
            for filling in new
            for seed in range(self.seeds)
        ]
        summaries = self._map(runs)
        for number, filling in enumerate(new):
            self._seen[filling] = summaries[number * self.seeds : (number + 1) * self.seeds]

    def _map(self, runs: Sequence[Run]) -> list[Summary]:
        workers = self._question.workers or os.cpu_count() or 1
        if workers == 1 or len(runs) == 1:
            return [_observed(run) for run in runs]
        # The first runs here, so that the workers find the compiled code.
        done = [] if self._pool else [_observed(runs[0])]
        if self._pool is None:
            self._pool = ProcessPoolExecutor(workers)
        return [*done, *self._pool.map(_observed, runs[len(done) :])]

    def _scenario(self, filling: tuple[int, Counts]) -> Scenario:
        index, counts = filling
        node = self._cluster.nodes[index]
        placed = tuple(
            replace(self._pod(kind, number), node=node.name)
            for kind, count in enumerate(counts)
            for number in range(count)
        )
        return replace(self._base, nodes=(node,), placed=placed, expect=(), limit_ranges=(), keep=())

    def _pod(self, kind: int, number: int) -> ScenarioPod:
        spec = self._cluster.specs[kind]
        metadata = spec.pod.metadata.model_copy(update={"name": f"{spec.name}-{kind}-{number}"})
        pod: Pod = spec.pod.model_copy(update={"metadata": metadata})
        return ScenarioPod(pod, "", self._workloads[kind], SourceRef("-f"), "Pod", spec.name)


def _cpus(fared: Iterable[WorkloadSummary]) -> float:
    return sum(each.cpu_seconds or 0.0 for each in fared)


def _observed(run: Run) -> Summary:
    """One simulated node, summed up; small enough to cross a process."""
    scenario, policy, seed = run
    summary = summarize(simulate(scenario, policies=[policy], seed=seed)[0])
    return replace(summary, cgroups={}, events=())

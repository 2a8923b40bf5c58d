"""Should I remove CPU limits? A recorded node's demand replayed with limits, without, and with burst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from qos.capacity.limits import Fared, Verdict, decide
from qos.capacity.reconstruct import Counted, Measure, Wanted, wanted_of
from qos.errors import InputError
from qos.experiment.drive import Driver, Observed
from qos.experiment.observe import pod_label
from qos.experiment.replay import (
    BESIDE,
    Containers,
    Node,
    beside_the_pods,
    containers_of,
    cut,
    node_of,
    plan_of,
    with_burst,
    without_limits,
)
from qos.model.cgroup import CgroupName, CgroupSpec, ancestors
from qos.model.plan import Plan
from qos.model.quantity import Quantity
from qos.model.sample import Recording
from qos.model.usage import Floats
from qos.model.workload import Point, Requests, Spin, Trace, Workload
from qos.record.summarize import summarize

POLICIES: Final = ("kubelet", "no-cpu-limits", "cpu-burst")
"""Limits as recorded; none; and as recorded with as much cpu.max.burst as quota."""
_MOST_PIECES: Final = 20_000
_SHORTEST_TRIAL_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Member:
    """One container of the recording.

    Attributes:
        name: what to call it.
        wanted: the guess of its demand.
        recorded: how it fared then.
        fared: policy → how it fares in the replay.
    """

    name: str
    wanted: Wanted
    recorded: Fared
    fared: Mapping[str, Fared]


@dataclass(frozen=True, slots=True)
class LimitsPlan:
    """The answer and what it rests on.

    Attributes:
        verdict: keep, remove or burst, and who decides it.
        members: every container, the victim first.
        cpus: of the node.
        seconds: replayed, of how many recorded.
        recorded_seconds: length of the recording.
        beside_cpus: what else ran on the node, on average.
        seeds: replays, joined.
        source: ``simulated`` or ``measured``.
    """

    verdict: Verdict
    members: tuple[Member, ...]
    cpus: int
    seconds: float
    recorded_seconds: float
    beside_cpus: float
    seeds: int
    source: str


def plan_limits(
    recording: Recording,
    *,
    victim: str = "",
    piece_seconds: Mapping[str, float] | None = None,
    window_seconds: float = 600.0,
    seeds: int = 3,
) -> LimitsPlan:
    """Whether a recorded node is better off without CPU limits.

    Args:
        recording: of a node, simulated or real.
        victim: name of the container the question is about, "" for the most throttled.
        piece_seconds: container → CPU-seconds of a request, where known.
        window_seconds: at most so much is replayed: where most was throttled.
        seeds: replays; the arrivals of each differ.

    Raises:
        InputError: the recording lacks what is needed, or names no such container.
    """
    whole = float(np.ptp(recording.samples.times)) if len(recording.samples.times) else 0.0
    node, part = node_of(recording), cut(recording, window_seconds)
    plan = plan_of(part)
    found = containers_of(part, plan)
    names = _names(found, piece_seconds or {}, victim)
    rest = beside_the_pods(part, found)
    seconds = max(counted.seconds for counted in found.counted)
    wanted = _wanted(plan, names, found, node, seconds, piece_seconds or {})
    plans = dict(zip(POLICIES, (plan, without_limits(plan), with_burst(plan)), strict=True))
    load = _workloads(found, wanted)
    fared = {
        policy: _replayed(each, load, rest, node, seconds, seeds, found) for policy, each in plans.items()
    }
    members = [
        Member(
            name,
            guess,
            _recorded(part, record, counted),
            {policy: rows[at] for policy, rows in fared.items()},
        )
        for at, (name, guess, record, counted) in enumerate(
            zip(names, wanted, found.records, found.counted, strict=True)
        )
    ]
    members.sort(key=lambda member: (member.name != victim, -member.recorded.throttled_queues))
    verdict = decide([(each.name, each.fared) for each in members])
    beside = float(rest[1].mean()) if len(rest[1]) else 0.0
    return LimitsPlan(
        verdict, tuple(members), node.cpus, seconds, whole, beside, seeds, recording.samples.source
    )  # fmt: skip


def _wanted(
    plan: Plan, names: Sequence[str], found: Containers, node: Node, seconds: float, told: Mapping[str, float]
) -> list[Wanted]:
    """The guess of each container's demand, found by replaying it alone."""
    return [
        wanted_of(counted, node.cpus, _measure(plan, record, node, counted, seconds), told.get(name))
        for name, record, counted in zip(names, found.records, found.counted, strict=True)
    ]


def _names(found: Containers, told: Mapping[str, float], victim: str) -> list[str]:
    names = [pod_label({"container": "", **record}) for record in found.records]
    for field, each in [("--victim", victim), *(("--cpu-per-request", name) for name in told)]:
        if each and each not in names:
            raise InputError(
                "no such container in the recording", field=field, value=each, expected=", ".join(names)
            )
    return names


def _recorded(recording: Recording, record: Mapping[str, Any], counted: Counted) -> Fared:
    done = recording.completions.of(CgroupName(record["cgroup"]))
    p50, p99 = np.percentile(done, [50, 99]).tolist() if len(done) else (None, None)
    return Fared(p50, p99, counted.throttled, counted.throttled_queues, counted.waited, counted.mean_cpus)


def _measure(plan: Plan, record: Mapping[str, Any], node: Node, counted: Counted, seconds: float) -> Measure:
    """Replays one container alone under its recorded limit."""
    name, cpus = CgroupName(record["cgroup"]), counted.mean_cpus
    own = {each: plan.cgroups[each] for each in (*ancestors(name), name) if each in plan.cgroups}
    alone = Plan.of(own)

    def measure(piece: float, at_once: int) -> tuple[float, float]:
        trial = min(seconds, max(_SHORTEST_TRIAL_SECONDS, _MOST_PIECES * piece / max(cpus, 1e-6)))
        shape = Requests(
            rate=cpus / piece, cpu_per_request=piece, cost="exponential", workers=at_once
        )  # fmt: skip
        seen = _run(alone, {name: Workload(cpu=shape)}, node, trial, seed=1)
        samples = seen.samples
        at = [samples.cgroups.index(each) for each in own]
        rises = {
            column: samples.increase(f"cpu_stat_{column}")[at]
            for column in ("nr_periods", "nr_throttled", "throttled_usec")
        }
        ratios = np.nan_to_num(rises["nr_throttled"] / np.maximum(rises["nr_periods"], 1.0))
        return float(ratios.max()), float(np.nanmax(rises["throttled_usec"])) / 1e6 / trial

    return measure


def _workloads(found: Containers, wanted: Sequence[Wanted]) -> dict[CgroupName, Workload]:
    load = {}
    for record, guess in zip(found.records, wanted, strict=True):
        if guess.kind == "idle":
            continue
        name = CgroupName(record["cgroup"])
        if guess.kind == "threads":
            load[name] = Workload(name=name, cpu=Spin(threads=guess.at_once))
            continue
        corners = _steps(guess.times, guess.rates / guess.piece_seconds)
        shape = Requests(
            rate_curve=corners, cpu_per_request=guess.piece_seconds, cost="exponential", workers=guess.at_once
        )
        load[name] = Workload(name=name, cpu=shape)
    return load


def _steps(times: Floats, values: Floats) -> tuple[Point, ...]:
    """Steps as a polygon: two corners where one value ends and the next begins."""
    points: list[Point] = []
    for at, value, begins in zip(times.tolist(), values.tolist(), range(len(times)), strict=True):
        if begins:
            points.append(Point(at=at, value=points[-1].value))
        points.append(Point(at=at, value=Quantity.parse(f"{value:.6f}")))
    return tuple(points)


def _replayed(
    plan: Plan,
    load: Mapping[CgroupName, Workload],
    rest: tuple[Floats, Floats],
    node: Node,
    seconds: float,
    seeds: int,
    found: Containers,
) -> list[Fared]:
    """How each container fares, over all seeds."""
    everything = dict(load)
    if len(rest[0]):
        everything[BESIDE] = Workload(
            cpu=Trace(times_seconds=tuple(rest[0].tolist()), cpus=tuple(rest[1].tolist()), threads=node.cpus)
        )
    leaves = {name: CgroupSpec() for name in everything if name not in plan.cgroups}
    whole = Plan.of({**plan.cgroups, **leaves}, plan.oom_score_adj)
    runs = [_run(whole, everything, node, seconds, seed) for seed in range(1, seeds + 1)]
    records = tuple({**record, "workload": record["cgroup"]} for record in found.records)
    return [_joined(runs, records, CgroupName(record["cgroup"]), seconds) for record in found.records]


def _joined(
    runs: Sequence[Observed], records: Sequence[Mapping[str, object]], name: CgroupName, seconds: float
) -> Fared:
    """Percentiles over the requests of all runs; means of all else."""
    latencies = np.concatenate([run.completions.of(name) for run in runs])
    arrived, figures = 0.0, []
    for run in runs:
        recording = Recording("", {}, tuple(records), {}, run.samples, (), run.completions)
        fared = summarize(recording).workloads[name]
        samples = run.samples
        above = [each for each in (name, *ancestors(name)) if each in samples.cgroups]
        at = [samples.cgroups.index(each) for each in above]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (
                samples.increase("cpu_stat_nr_throttled")[at] / samples.increase("cpu_stat_nr_periods")[at]
            )
        queues = samples.increase("cpu_stat_throttled_usec")[at[0]] / 1e6 / seconds
        waited = samples.increase("cpu_pressure_some_total")[at[0]] / 1e6 / seconds
        used = samples.increase("cpu_stat_usage_usec")[at[0]] / 1e6 / seconds
        arrived += fared.arrived or 0
        figures.append((np.nan_to_num(ratio).max(initial=0.0), *np.nan_to_num([queues, waited, used])))
    throttled, queues, waited, used = np.mean(figures, axis=0).tolist()
    p50 = p99 = None
    if len(latencies):
        p50, p99 = (float(each) for each in np.percentile(latencies, [50, 99]))
        if arrived - len(latencies) > 0.01 * arrived:  # those never served are the slowest
            p99 = float("inf")
    return Fared(p50, p99, throttled, queues, waited, used)


def _run(plan: Plan, load: Mapping[CgroupName, Workload], node: Node, seconds: float, seed: int) -> Observed:
    from qos.simulate.kernel import SimKernel

    kernel = SimKernel(
        plan, cpus=node.cpus, memory_bytes=node.memory_bytes, seed=seed,
        sample_interval_seconds=max(1.0, seconds),
    )  # fmt: skip
    return Driver(kernel, plan, load, ()).run(seconds)

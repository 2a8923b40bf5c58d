"""A recording of a node as something that can run again: counted figures, its plan, its other work.

Files the recording does not have (a node that qos did not set up) are taken from the pods' limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from qos.capacity.reconstruct import Counted, busiest
from qos.errors import InputError
from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, CpuMax, parent
from qos.model.plan import Plan
from qos.model.sample import Completions, Recording, Samples
from qos.model.usage import Floats

USAGE: Final = "cpu_stat_usage_usec"
BESIDE: Final = CgroupName("beside-the-pods")
"""All that ran on the node and is in no recorded container."""
_LEAST_BESIDE_CPUS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Node:
    """The machine that was recorded."""

    cpus: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Containers:
    """The recorded containers, in order.

    Attributes:
        records: of the recording's pods, those that were read.
        counted: what was counted of each.
    """

    records: tuple[Mapping[str, Any], ...]
    counted: tuple[Counted, ...]


def node_of(recording: Recording) -> Node:
    """The machine.

    Raises:
        InputError: the recording does not say how many CPUs it had.
    """
    node = recording.meta.get("node")
    cpus = node.get("cpus") if isinstance(node, Mapping) else None
    if not isinstance(cpus, int | float) or cpus < 1:
        raise InputError(
            "the recording does not say how many CPUs the node had", field="meta.node.cpus", value=str(cpus),
            expected="a recording of qos record, qos run or qos simulate",
        )  # fmt: skip
    memory = node.get("memory_bytes", 0) if isinstance(node, Mapping) else 0
    return Node(int(cpus), int(memory) or 1 << 34)


def cut(recording: Recording, seconds: float) -> Recording:
    """The stretch of at most ``seconds`` in which most was throttled (and most used, where nothing was).

    Raises:
        InputError: fewer than two readings.
    """
    samples = recording.samples
    if len(samples.times) < 3 or USAGE not in samples.columns:
        raise InputError(
            "the recording has no course of CPU usage", field="samples",
            value=f"{len(samples.times)} readings",
            expected=f"{USAGE} read at least three times",
        )  # fmt: skip
    if samples.times[-1] - samples.times[0] <= seconds:
        return recording
    leaf = [samples.cgroups.index(CgroupName(each["cgroup"])) for each in _read(recording)]
    weights = _rises(samples, USAGE, leaf) / 1e9
    if "cpu_stat_throttled_usec" in samples.columns:
        weights = weights + _rises(samples, "cpu_stat_throttled_usec", leaf)
    first, last = busiest(weights.tolist(), samples.times, seconds)
    columns = {name: values[first : last + 1] for name, values in samples.columns.items()}
    times = samples.times[first : last + 1]
    done = recording.completions
    ends = done.arrival_seconds + done.latency_seconds
    inside = (ends >= times[0]) & (ends <= times[-1])
    return replace(
        recording,
        samples=Samples(times, samples.cgroups, columns, samples.source),
        completions=Completions(
            done.cgroups, done.cgroup[inside], done.arrival_seconds[inside], done.latency_seconds[inside]
        ),
    )


def containers_of(recording: Recording, plan: Plan) -> Containers:
    """What was counted of each container of a recording.

    Raises:
        InputError: no container's CPU usage was read.
    """
    records = _read(recording)
    if not records:
        raise InputError(
            "no container's CPU usage was recorded", expected="a recording with pods, or of leaf cgroups"
        )
    return Containers(records, tuple(counted_of(recording, plan, record) for record in records))


def counted_of(recording: Recording, plan: Plan, record: Mapping[str, Any]) -> Counted:
    """What was counted of one container; throttling is the greatest of its own and those above it."""
    samples, name = recording.samples, CgroupName(record["cgroup"])
    times, used = _course(samples.times, samples.column(USAGE, name))
    ratio, queues = 0.0, 0.0
    limits = []
    for each in _with_above(name):
        limits.append(_limit(plan, each))
        alone = each == name or sum(other["cgroup"].startswith(f"{each}/") for other in recording.pods) == 1
        if alone and each in samples.cgroups:
            mine = _throttling(samples, each)
            ratio, queues = max(ratio, mine[0]), max(queues, mine[1])
    waited = _rise(samples, "cpu_pressure_some_total", name)
    limit = min(limits, default=np.inf)
    return Counted(
        times, used, None if np.isinf(limit) else float(limit), ratio, queues,
        None if waited is None else min(1.0, waited / 1e6 / float(times[-1] - times[0])),
        len(recording.completions.of(name)),
    )  # fmt: skip


def beside_the_pods(recording: Recording, containers: Containers) -> tuple[Floats, Floats]:
    """(times, CPUs) that the rest of the machine used; empty where it was not read, or little."""
    samples = recording.samples
    if ROOT not in samples.cgroups or np.isnan(samples.column(USAGE, ROOT)).sum() > 1:
        return np.empty(0), np.empty(0)
    times, all_of_it = _course(samples.times, samples.column(USAGE, ROOT))
    rest = all_of_it
    for counted in containers.counted:
        rest = rest - np.interp(times[:-1], counted.times[:-1], counted.cpus, left=0.0, right=0.0)
    rest = np.maximum(rest, 0.0)
    if rest.mean() < _LEAST_BESIDE_CPUS:
        return np.empty(0), np.empty(0)
    return times[:-1] - times[0], rest


def plan_of(recording: Recording) -> Plan:
    """The plan that was in force: its files, and cpu.max by the pods' limits where no file is known."""
    specs = {
        name: CgroupSpec.from_files(files)
        for name, files in recording.files.items()
        if name != ROOT and not name.startswith("/")
    }
    for record in _read(recording):
        name = CgroupName(record["cgroup"])
        spec = specs.setdefault(name, CgroupSpec())
        if spec.cpu_max is None and record.get("cpuLimit"):
            specs[name] = _with(spec, cpu_max=CpuMax(quota_usec=max(1000, round(record["cpuLimit"] * 1e5))))
        if spec.cpu_weight is None and record.get("cpuRequest"):
            weight = max(1, min(10_000, round(record["cpuRequest"] * 39.2)))
            specs[name] = _with(specs[name], cpu_weight=weight)
    return Plan.of(specs)


def _with(spec: CgroupSpec, **values: Any) -> CgroupSpec:
    return spec.model_copy(update=values)


def without_limits(plan: Plan) -> Plan:
    """No cpu.max: the house policy no-cpu-limits."""
    return _changed(plan, lambda spec: {"cpu_max": CpuMax(period_usec=_period(spec))})


def with_burst(plan: Plan) -> Plan:
    """As much burst as quota: the house policy cpu-burst."""
    return _changed(plan, lambda spec: {"cpu_max_burst": spec.cpu_max.quota_usec if spec.cpu_max else None})


def _period(spec: CgroupSpec) -> int:
    return spec.cpu_max.period_usec if spec.cpu_max else 100_000


def _changed(plan: Plan, change: Any) -> Plan:
    """The plan with the cgroups changed that have a quota."""
    specs = {
        name: _with(spec, **change(spec)) if spec.cpu_max and spec.cpu_max.quota_usec != "max" else spec
        for name, spec in plan.cgroups.items()
    }
    return Plan.of(specs, plan.oom_score_adj)


def _read(recording: Recording) -> tuple[Mapping[str, Any], ...]:
    """The containers whose usage was read, once a cgroup; leaf cgroups where nothing is known of pods."""
    samples = recording.samples
    inner = {parent(name) for name in samples.cgroups}
    records: tuple[Mapping[str, Any], ...] = recording.pods or tuple(
        {"namespace": "", "pod": name, "container": "", "cgroup": name, "podCgroup": name}
        for name in samples.cgroups
        if name not in inner and name != ROOT
    )
    found: dict[str, Mapping[str, Any]] = {}
    for record in records:
        name = record["cgroup"]
        if name in samples.cgroups and np.isfinite(samples.column(USAGE, name)).sum() > 1:
            found.setdefault(name, record)
    return tuple(found.values())


def _with_above(name: CgroupName) -> list[CgroupName]:
    found = [name]
    while parent(found[-1]) != ROOT:
        found.append(parent(found[-1]))
    return found


def _limit(plan: Plan, name: CgroupName) -> float:
    spec = plan.cgroups.get(name)
    return spec.cpu_max.cpus if spec and spec.cpu_max else np.inf


def _course(times: Floats, counter: Floats) -> tuple[Floats, Floats]:
    """Readings that are there (T + 1) and CPUs used between them (T); a counter that fell was reset."""
    there = np.isfinite(counter) & np.append(np.diff(times) > 0, True)
    at, values = times[there], counter[there]
    steps = np.diff(values)
    return at, np.where(steps < 0, values[1:], steps) / 1e6 / np.diff(at)


def _throttling(samples: Samples, name: CgroupName) -> tuple[float, float]:
    """(part of its periods throttled, run queues throttled on average)."""
    periods = _rise(samples, "cpu_stat_nr_periods", name)
    throttled = _rise(samples, "cpu_stat_nr_throttled", name)
    usec = _rise(samples, "cpu_stat_throttled_usec", name)
    seconds = float(samples.times[-1] - samples.times[0])
    return (throttled or 0.0) / periods if periods else 0.0, (usec or 0.0) / 1e6 / seconds


def _rise(samples: Samples, column: str, name: CgroupName) -> float | None:
    """How far one cgroup's counter rose; None where it was not read."""
    if column not in samples.columns:
        return None
    values = samples.column(column, name)[:, None]
    rise = Samples(samples.times, (name,), {column: values}, samples.source).increase(column)[0]
    return None if np.isnan(rise) else float(rise)


def _rises(samples: Samples, column: str, leaf: list[int]) -> Floats:
    """(T - 1,) how far the counters of some cgroups rose together between readings."""
    steps = np.diff(np.nan_to_num(samples.columns[column][:, leaf]), axis=0)
    summed: Floats = np.maximum(steps, 0.0).sum(axis=1)
    return summed

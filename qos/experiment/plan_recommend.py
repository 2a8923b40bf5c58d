"""Requests and limits from usage: recordings, Prometheus answers and CSV, back-tested first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from qos.capacity.backtest import Row, back_test
from qos.capacity.patches import Target, owner_of
from qos.capacity.price import Price
from qos.capacity.recommend import STRATEGIES, Objectives, Resources
from qos.errors import InputError
from qos.model.sample import Recording
from qos.model.usage import Floats, Usage
from qos.record.store import find_recordings, read_recording
from qos.scenario.manifest import Manifests
from qos.scenario.prometheus import CPU_QUERY, MEMORY_QUERY, Range, query_range
from qos.scenario.usage import Columns, read_prometheus, read_usage_csv

_LABELS: Final = ("namespace", "pod", "container")
Measured = list[tuple[Target, Usage]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where usage comes from.

    Attributes:
        paths: recordings (or folders of them) and CSV files.
        cpu: answers of range queries, in CPUs.
        memory: the same in bytes.
        columns: of the CSV files.
        target: for the CSV files, which do not say what they are of; None: a pod named as the file.
        prometheus: address of a server that is asked, "" for none.
        time: what it is asked for.
        queries: of CPUs and of bytes.
    """

    paths: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)
    target: Target | None = None
    prometheus: str = ""
    time: Range | None = None
    queries: tuple[str, str] = (CPU_QUERY, MEMORY_QUERY)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What one container should request.

    Attributes:
        found: strategy → its values, fitted on all that is known; of several pods the largest.
        tested: strategy → how it fared on the rest after being fitted on the first part, a row a pod.
        pods: series it rests on.
        now: thousandths of CPU and bytes requested now, None where not known.
    """

    target: Target
    found: Mapping[str, Resources]
    tested: Mapping[str, tuple[Row, ...]]
    pods: int
    now: tuple[int | None, int | None] = (None, None)

    def kills(self, strategy: str) -> int:
        """OOM kills of the back-test, over its pods."""
        return sum(row.replayed.oom_kills or 0 for row in self.tested[strategy])


def recommend(
    measured: Measured,
    *,
    strategies: Sequence[str] = tuple(STRATEGIES),
    objectives: Objectives | None = None,
    fitted: float = 0.7,
    price: Price | None = None,
) -> list[Recommendation]:
    """One recommendation a container, by every strategy, with its back-test.

    Args:
        measured: usage and the container it is of; several series of one container are its pods.
        strategies: names.
        objectives: what `slo` holds.
        fitted: the part of the time the back-test fits on.
        price: of what is requested.
    """
    holds = objectives or Objectives()
    groups: dict[Target, list[Usage]] = {}
    for target, usage in measured:
        groups.setdefault(target, []).append(usage)
    found = []
    for target in sorted(groups):
        usages = groups[target]
        rows = back_test(usages, fitted=fitted, strategies=strategies, objectives=holds, price=price)
        found.append(
            Recommendation(
                target,
                {name: _largest([STRATEGIES[name](usage, holds) for usage in usages]) for name in strategies},
                {name: tuple(row for row in rows if row.strategy == name) for name in strategies},
                len(usages),
            )
        )  # fmt: skip
    return found


def read_usage(sources: Sources) -> Measured:
    """All usage of some sources.

    Raises:
        InputError: nothing there, or a file is wrong.
        qos.errors.RecordingError: a recording cannot be read.
    """
    measured: Measured = []
    for path in sources.paths:
        if Path(path).is_dir():
            for each in find_recordings(Path(path)):
                measured += usage_of(read_recording(each))
        else:
            usage = read_usage_csv(path, sources.columns)
            measured.append((sources.target or Target("default", "Pod", usage.name, "main"), usage))
    measured += _from_prometheus(sources)
    if not measured:
        raise InputError(
            "there is no usage to go by",
            expected="a recording, a CSV, or --cpu and --memory of range queries",
        )
    return measured


def usage_of(recording: Recording) -> Measured:
    """The usage of every container of a recording, real or simulated: CPU from its counter, memory, kills."""
    samples = recording.samples
    cpu, memory = samples.columns.get("cpu_stat_usage_usec"), samples.columns.get("memory_current")
    found: Measured = []
    for record in recording.pods:
        if record["cgroup"] not in samples.cgroups:
            continue
        index = samples.cgroups.index(record["cgroup"])
        kills = [event for event in recording.events if event.cgroup == record["cgroup"]]
        limit = float(record.get("memoryLimit") or 0.0)
        usage = Usage(
            f"{record['namespace']}/{record['pod']}:{record['container']}",
            *(_rates(samples.times, cpu[:, index]) if cpu is not None else (np.empty(0), np.empty(0))),
            *(_known(samples.times, memory[:, index]) if memory is not None else (np.empty(0), np.empty(0))),
            oom=tuple((event.time, limit) for event in kills if event.kind == "oom_kill" and limit),
        )
        if len(usage.cpu) or len(usage.memory):
            kind, name = owner_of(record["pod"])
            found.append((Target(record["namespace"], kind, name, record["container"]), usage))
    return found


def named_by(measured: Measured, manifests: Manifests) -> tuple[Measured, dict[Target, Resources]]:
    """Usage under the workloads of some manifests, and what those request now.

    A series belongs to the workload of its namespace whose name, and container, it has; others stay.
    """
    owners = {
        (each.pod.namespace, each.owner_name or each.pod.name): each for each in manifests.pods
    }  # fmt: skip
    renamed: Measured = []
    now: dict[Target, Resources] = {}
    for target, usage in measured:
        owner = owners.get((target.namespace, target.name))
        if owner is None:
            renamed.append((target, usage))
            continue
        kind = "Pod" if owner.owner_kind == "PodTemplate" else owner.owner_kind
        better = replace(target, kind=kind)
        renamed.append((better, usage))
        for container, _ in owner.pod.typed_containers():
            if container.name == target.container:
                requests = container.resources.requests
                cpu, memory = requests.get("cpu"), requests.get("memory")
                now[better] = Resources(
                    cpu.milli_value() if cpu else None, memory.value() if memory else None
                )
    return renamed, now


def _from_prometheus(sources: Sources) -> Measured:
    series: dict[tuple[str, ...], Usage] = {}
    for is_cpu, name, found_there in _answers(sources):
        for labels, times, values in found_there:
            key = tuple(labels.get(label, "") for label in _LABELS)
            if not any(key):
                key = ("default", name, "main")
            usage = series.get(key, Usage(f"{key[0]}/{key[1]}:{key[2]}"))
            series[key] = (
                replace(usage, cpu_times=times, cpu=values)
                if is_cpu
                else replace(usage, memory_times=times, memory=values)
            )
    found: Measured = []
    for (namespace, pod, container), usage in series.items():
        kind, name = owner_of(pod or "unknown")
        found.append((Target(namespace or "default", kind, name, container or "main"), usage))
    return found


def _answers(sources: Sources) -> Iterator[tuple[bool, str, list[tuple[dict[str, str], Floats, Floats]]]]:
    """(whether of CPUs, where from, series) of each file, then of the server."""
    for files, is_cpu in ((sources.cpu, True), (sources.memory, False)):
        for path in files:
            yield is_cpu, Path(path).stem, read_prometheus(path)
    if sources.prometheus and sources.time:
        for query, is_cpu in zip(sources.queries, (True, False), strict=True):
            if query:
                yield is_cpu, "prometheus", query_range(sources.prometheus, query, sources.time)


def _largest(found: Sequence[Resources]) -> Resources:
    cpus = [each.cpu_milli for each in found if each.cpu_milli is not None]
    memories = [each.memory_bytes for each in found if each.memory_bytes is not None]
    biggest = max(found, key=lambda each: each.cpu_milli or 0)
    return replace(biggest, cpu_milli=max(cpus, default=None), memory_bytes=max(memories, default=None))


def _rates(times: Floats, counter: Floats) -> tuple[Floats, Floats]:
    """CPUs between readings of a counter of microseconds; a counter that fell was reset."""
    there, values = _known(times, counter)
    later = np.append(np.diff(there) > 0, True)  # of two readings at one time the last
    there, values = there[later], values[later]
    if len(there) < 2:
        return np.empty(0), np.empty(0)
    steps = np.diff(values)
    used = np.where(steps < 0, values[1:], steps)
    return there[:-1], used / 1e6 / np.diff(there)


def _known(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    there = np.isfinite(values)
    return times[there], values[there]

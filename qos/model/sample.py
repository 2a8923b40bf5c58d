"""What a kernel tells: Samples and Completions, alike from simulator and host; and a Recording of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName, parent
from qos.model.event import Event

Source = Literal["simulated", "measured"]


@dataclass(frozen=True, slots=True)
class Samples:
    """Readings of cgroup files: ``times`` (T,) in seconds, ``cgroups`` (C,), columns name → (T, C).

    A column is named by file then key: ``cpu_stat_usage_usec``, ``memory_current``,
    ``memory_events_oom_kill``, ``cpu_pressure_some_total``. Values are as the file has them: counters
    count up from the cgroup's creation, gauges are the value at that time. NaN: the file or the cgroup
    was not there.
    """

    times: NDArray[np.float64]
    cgroups: tuple[CgroupName, ...]
    columns: Mapping[str, NDArray[np.float64]]
    source: Source

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.cgroups))
        for name, column in self.columns.items():
            if column.shape != shape:
                msg = f"column {name}: shape {column.shape}, expected {shape}"
                raise ValueError(msg)

    def column(self, name: str, cgroup: str) -> NDArray[np.float64]:
        """One cgroup's series of one column, (T,).

        Raises:
            KeyError: no such column or cgroup.
        """
        try:
            index = self.cgroups.index(CgroupName(cgroup))
        except ValueError:
            raise KeyError(cgroup) from None
        return self.columns[name][:, index]

    def increase(self, name: str) -> NDArray[np.float64]:
        """How far each cgroup's counter rose over the whole time, (C,); NaN where it was never there.

        A counter that falls was reset (the cgroup was made anew) and counts from 0 again, as
        Prometheus' ``increase`` has it: 3, 7, 2, 4 rose by 4 + 2 + 2 = 8.

        Raises:
            KeyError: no such column.
        """
        return np.array([_increase(series) for series in self.columns[name].T], dtype=np.float64)

    @staticmethod
    def concat(parts: Sequence[Samples]) -> Samples:
        """Readings one after another, over the union of their cgroups and columns; gaps are NaN.

        Raises:
            ValueError: nothing to join, or simulated and measured mixed.
        """
        if not parts:
            msg = "no samples to join"
            raise ValueError(msg)
        if len({part.source for part in parts}) > 1:
            msg = "simulated and measured samples cannot be joined"
            raise ValueError(msg)
        first = parts[0]
        if all(p.cgroups == first.cgroups and p.columns.keys() == first.columns.keys() for p in parts):
            columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in first.columns}
            return Samples(np.concatenate([p.times for p in parts]), first.cgroups, columns, first.source)
        cgroups = tuple(dict.fromkeys(name for part in parts for name in part.cgroups))
        names = tuple(dict.fromkeys(name for part in parts for name in part.columns))
        times = np.concatenate([part.times for part in parts])
        joined = {name: np.full((len(times), len(cgroups)), np.nan) for name in names}
        position = {name: index for index, name in enumerate(cgroups)}
        row = 0
        for part in parts:
            where = [position[name] for name in part.cgroups]
            for name, values in part.columns.items():
                joined[name][row : row + len(part.times), where] = values
            row += len(part.times)
        return Samples(times, cgroups, joined, first.source)


def _increase(series: NDArray[np.float64]) -> float:
    seen = series[~np.isnan(series)]
    if len(seen) == 0:
        return float("nan")
    steps = np.diff(seen)
    return float(np.where(steps >= 0, steps, seen[1:]).sum())


def _no_floats() -> NDArray[np.float64]:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Completions:
    """Finished requests or batch jobs as parallel arrays of length R.

    Attributes:
        cgroups: the leaves that ``cgroup`` indexes.
        cgroup: (R,) index into ``cgroups``.
        arrival_seconds: (R,) when the request arrived, or the job started.
        latency_seconds: (R,) from then to its completion, queueing included.
    """

    cgroups: tuple[CgroupName, ...] = ()
    cgroup: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    arrival_seconds: NDArray[np.float64] = field(default_factory=_no_floats)
    latency_seconds: NDArray[np.float64] = field(default_factory=_no_floats)

    def of(self, cgroup: CgroupName) -> NDArray[np.float64]:
        """The latencies in seconds of one leaf, (R',)."""
        if cgroup not in self.cgroups:
            return np.empty(0, dtype=np.float64)
        mine: NDArray[np.bool_] = self.cgroup == self.cgroups.index(cgroup)
        return self.latency_seconds[mine]


@dataclass(frozen=True, slots=True)
class Recording:
    """All that one run under one policy leaves, enough to reproduce and to report it.

    Attributes:
        policy: name of the policy, or "host" for a recording of a live host.
        meta: scenario name and hash, seed, versions, profile, node facts, start time.
        pods: one plain record a container: namespace, pod, container, qosClass, cgroup, podCgroup,
            workload, and cpuRequest, cpuLimit (CPUs), memoryRequest, memoryLimit (bytes); None where not set.
        files: cgroup → file → text: the plan that ran.
    """

    policy: str
    meta: Mapping[str, Any]
    pods: tuple[Mapping[str, Any], ...]
    files: Mapping[CgroupName, Mapping[str, str]]
    samples: Samples
    events: tuple[Event, ...] = ()
    completions: Completions = field(default_factory=Completions)

    def workloads(self) -> dict[str, tuple[Mapping[str, Any], ...]]:
        """The pod records by workload, in order of first appearance.

        Containers without a workload are grouped by their pod, as ``namespace/pod``. Where nothing is
        known of pods, each leaf cgroup stands for itself.
        """
        if not self.pods:
            inner = {parent(name) for name in self.samples.cgroups}
            return {name: ({"cgroup": name},) for name in self.samples.cgroups if name not in inner}
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for record in self.pods:
            name = record.get("workload") or f"{record.get('namespace', 'default')}/{record.get('pod', '')}"
            groups.setdefault(str(name), []).append(record)
        return {name: tuple(records) for name, records in groups.items()}

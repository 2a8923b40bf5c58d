"""A recording's Summary: last values, peaks, and how each workload fared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName, parent
from qos.model.event import Event
from qos.model.sample import Recording, Samples
from qos.model.summary import Summary, WorkloadSummary

PERCENTILES: Final[Mapping[str, float]] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
_OOM_KINDS: Final = frozenset({"oom_kill", "global_oom_kill"})


def summarize(recording: Recording) -> Summary:
    """What one run came to.

    Counters and gauges are the last value that was read; ``memory_peak`` is the highest of itself and of
    ``memory_current``, so that a peak is known where the kernel has no memory.peak (before 5.19).
    """
    samples = recording.samples
    times = samples.times
    events = tuple(sorted(recording.events, key=lambda event: event.time))
    rises = {name: samples.increase(name) for name in _RISES if name in samples.columns}
    workloads = {
        name: _workload(recording, containers, events, rises)
        for name, containers in recording.workloads().items()
    }
    return Summary(
        policy=recording.policy,
        duration_seconds=float(times[-1] - times[0]) if len(times) else 0.0,
        cgroups=_last_values(samples),
        workloads=workloads,
        events=events,
    )


_RISES: Final = (
    "cpu_stat_usage_usec",
    "cpu_stat_nr_periods",
    "cpu_stat_nr_throttled",
    "cpu_stat_throttled_usec",
    "cpu_pressure_some_total",
    "sim_wait_quota_usec",
    "sim_wait_cpu_usec",
    "sim_arrived",
)


def latencies(values: NDArray[np.float64]) -> dict[str, float]:
    """Percentiles (linear between neighbours), maximum and mean in seconds; empty for no value.

    >>> latencies(np.array([0.1, 0.2, 0.3]))["p50"]
    0.2
    """
    if len(values) == 0:
        return {}
    points = np.percentile(values, list(PERCENTILES.values()))
    found = {name: float(point) for name, point in zip(PERCENTILES, points, strict=True)}
    return found | {"max": float(values.max()), "mean": float(values.mean())}


def _last_values(samples: Samples) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in samples.cgroups}
    for column, values in samples.columns.items():
        for name, value in zip(samples.cgroups, _last(values), strict=True):
            if not np.isnan(value):
                found[name][column] = float(value)
    for name, peak in zip(samples.cgroups, memory_peaks(samples), strict=True):
        if not np.isnan(peak):
            found[name]["memory_peak"] = float(peak)
    return found


def _last(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last value that is not NaN of each column, (C,)."""
    times, count = values.shape
    if times == 0:
        return np.full(count, np.nan)
    seen = ~np.isnan(values)
    row = times - 1 - np.argmax(seen[::-1], axis=0)
    last: NDArray[np.float64] = values[row, np.arange(count)]
    return last


def memory_peaks(samples: Samples) -> NDArray[np.float64]:
    """The highest memory of each cgroup in bytes, (C,); NaN where none was read."""
    peaks = np.full(len(samples.cgroups), np.nan)
    for name in ("memory_peak", "memory_current"):
        if name in samples.columns and len(samples.times):
            # fmax passes over NaN without the warning of nanmax
            peaks = np.fmax(peaks, np.fmax.reduce(samples.columns[name], axis=0))
    return peaks


def _workload(
    recording: Recording,
    containers: Sequence[Mapping[str, Any]],
    events: Sequence[Event],
    rises: Mapping[str, NDArray[np.float64]],
) -> WorkloadSummary:
    names = tuple(dict.fromkeys(CgroupName(str(record["cgroup"])) for record in containers))
    either = set(names) | {
        CgroupName(str(record.get("podCgroup") or parent(CgroupName(str(record["cgroup"])))))
        for record in containers
    }
    values = [recording.completions.of(name) for name in names]
    waits = waiting(recording.samples, names, rises)
    classes = {str(record["qosClass"]) for record in containers if record.get("qosClass")}
    return WorkloadSummary(
        latency_seconds=latencies(np.concatenate(values)),
        completed=sum(map(len, values)),
        arrived=_arrived(recording.samples, names, rises) if any(map(len, values)) else None,
        completion_seconds=_completion(recording, containers),
        qos_class=classes.pop() if len(classes) == 1 else "mixed" if classes else "",
        cpu_seconds=waits.get("cpu_seconds"),
        throttled_ratio=waits.get("throttled_ratio"),
        waited_for_quota=waits.get("waited_for_quota"),
        waited_for_cpu=waits.get("waited_for_cpu"),
        memory_peak_bytes=_peak_together(recording.samples, names),
        oom_kills=sum(event.kind in _OOM_KINDS and event.cgroup in either for event in events),
        evictions=sum(event.kind == "evict" and event.cgroup in either for event in events),
        restarts=sum(event.kind == "restart" and event.cgroup in either for event in events),
    )


def _arrived(
    samples: Samples, names: Iterable[CgroupName], rises: Mapping[str, NDArray[np.float64]]
) -> int | None:
    """Requests that came to some cgroups, where the kernel counts them."""
    where = [samples.cgroups.index(name) for name in names if name in samples.cgroups]
    return round(float(np.nansum(rises["sim_arrived"][where]))) if "sim_arrived" in rises else None


def waiting(
    samples: Samples, names: Iterable[CgroupName], rises: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    """CPU time of some cgroups and why they waited for it; what cannot be known is left out.

    The simulator tells both waits of every thread. A real kernel tells less: ``throttled_usec`` is the
    wait for the quota (a run queue at a time), and cpu.pressure ``some`` is the time any task waited, the
    quota's wait included. What ``some`` exceeds ``throttled_usec`` by is the busy node's part, at least.

    Args:
        samples: what was read.
        names: the cgroups, each counted once.
        rises: column → increase of each cgroup's counter, (C,).
    """
    where = [samples.cgroups.index(name) for name in names if name in samples.cgroups]
    total = {
        name: float(np.nansum(rise[where])) for name, rise in rises.items() if not np.isnan(rise[where]).all()
    }
    if "cpu_stat_usage_usec" not in total:
        return {}
    used = total["cpu_stat_usage_usec"]
    quota = total.get("sim_wait_quota_usec", total.get("cpu_stat_throttled_usec"))
    node = total.get("sim_wait_cpu_usec")
    if node is None and "cpu_pressure_some_total" in total:
        node = max(0.0, total["cpu_pressure_some_total"] - total.get("cpu_stat_throttled_usec", 0.0))
    found = {"cpu_seconds": used / 1e6}
    wanted = used + (quota or 0.0) + (node or 0.0)
    if wanted > 0 and quota is not None:
        found["waited_for_quota"] = quota / wanted
    if wanted > 0 and node is not None:
        found["waited_for_cpu"] = node / wanted
    periods = total.get("cpu_stat_nr_periods", 0.0)
    if periods > 0 and "cpu_stat_nr_throttled" in total:
        found["throttled_ratio"] = total["cpu_stat_nr_throttled"] / periods
    return found


def _completion(recording: Recording, containers: Sequence[Mapping[str, Any]]) -> float | None:
    """When the last job was done, if these are jobs: ``shape`` says so, or each finished once at most."""
    done = recording.completions
    ends: list[float] = []
    for record in containers:
        name = CgroupName(str(record["cgroup"]))
        if name not in done.cgroups:
            continue
        mine = done.cgroup == done.cgroups.index(name)
        if record.get("shape", "batch" if mine.sum() <= 1 else "requests") == "batch":
            ends += (done.arrival_seconds[mine] + done.latency_seconds[mine]).tolist()
    return max(ends, default=None)


def _peak_together(samples: Samples, names: Sequence[CgroupName]) -> float | None:
    """The highest sum of the containers' memory at one time; of one container, its own peak."""
    where = [samples.cgroups.index(name) for name in names if name in samples.cgroups]
    if len(where) == 1:
        peak = float(memory_peaks(samples)[where[0]])
        return None if np.isnan(peak) else peak
    current = samples.columns.get("memory_current")
    if current is None or not where or np.isnan(current[:, where]).all():
        return None
    return float(np.nansum(current[:, where], axis=1).max())

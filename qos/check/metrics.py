"""The value of one metric for one workload or cgroup, out of a recording: what expectations compare."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

import numpy as np

from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.expectation import Expectation
from qos.model.sample import Recording


@dataclass(frozen=True, slots=True)
class Subject:
    """What a selector matched: a name to print and the cgroups behind it."""

    name: str
    cgroups: tuple[CgroupName, ...]


def subjects(expectation: Expectation, recording: Recording) -> tuple[Subject, ...]:
    """What the expectation's selector matches in this recording; empty where nothing does."""
    if expectation.workload is not None:
        mine = tuple(
            CgroupName(pod["cgroup"]) for pod in recording.pods if pod.get("workload") == expectation.workload
        )
        return (Subject(expectation.workload, mine),) if mine else ()
    if expectation.pod is not None:
        matched = {
            f"{pod['namespace']}/{pod['pod']}": CgroupName(pod["podCgroup"])
            for pod in recording.pods
            if fnmatch.fnmatchcase(f"{pod['namespace']}/{pod['pod']}", expectation.pod)
        }
        return tuple(Subject(name, (cgroup,)) for name, cgroup in matched.items())
    return tuple(
        Subject(name, (name,))
        for name in recording.samples.cgroups
        if fnmatch.fnmatchcase(name, expectation.cgroup or "")
    )


def observe(expectation: Expectation, recording: Recording, subject: Subject) -> float | None:
    """The metric's value for one subject; None where the run has none (no request completed, say).

    Raises:
        InputError: no metric or column of this name.
    """
    metric = expectation.metric
    if metric == "latency_seconds":
        latencies = np.concatenate([recording.completions.of(name) for name in subject.cgroups])
        return float(np.percentile(latencies, expectation.percentile or 50)) if len(latencies) else None
    if metric == "completed":
        return float(sum(len(recording.completions.of(name)) for name in subject.cgroups))
    if metric == "completion_seconds":
        return _last_completion(recording, subject)
    if metric in {"events", "event_seconds"}:
        return _events(expectation, recording, subject)
    if metric in _RATIOS:
        top, bottom = (sum(_last(recording, name, subject) for name in part) for part in _RATIOS[metric])
        return top / bottom if bottom else 0.0
    if metric == "throttled_seconds":
        return _last(recording, "cpu_stat_throttled_usec", subject) / 1e6
    if metric == "cpu_usage_cpus":
        return _last(recording, "cpu_stat_usage_usec", subject) / 1e6 / float(recording.samples.times[-1])
    if metric not in recording.samples.columns:
        known = ", ".join(sorted([*_NAMED, *_RATIOS, *recording.samples.columns]))
        raise InputError("unknown metric", field="expect.metric", value=metric, expected=f"one of {known}")
    if metric.endswith("_peak"):
        return _highest(recording, metric, subject)
    return _last(recording, metric, subject)


_NAMED = (
    "latency_seconds", "completed", "completion_seconds", "events", "event_seconds", "throttled_seconds",
    "cpu_usage_cpus",
)  # fmt: skip
_RATIOS = {
    "throttled_ratio": (("cpu_stat_nr_throttled",), ("cpu_stat_nr_periods",)),
    "waited_for_quota_ratio": (
        ("sim_wait_quota_usec",),
        ("cpu_stat_usage_usec", "sim_wait_quota_usec", "sim_wait_cpu_usec"),
    ),
    "waited_for_cpu_ratio": (
        ("sim_wait_cpu_usec",),
        ("cpu_stat_usage_usec", "sim_wait_quota_usec", "sim_wait_cpu_usec"),
    ),
}


def related(one: str, other: str) -> bool:
    """Whether two cgroups are the same, or one lies above the other."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _last(recording: Recording, column: str, subject: Subject) -> float:
    if column not in recording.samples.columns:
        return 0.0
    values = [recording.samples.column(column, name) for name in subject.cgroups]
    return float(sum(series[~np.isnan(series)][-1] for series in values if not np.isnan(series).all()))


def _highest(recording: Recording, column: str, subject: Subject) -> float | None:
    values = [recording.samples.column(column, name) for name in subject.cgroups]
    known = [float(np.nanmax(series)) for series in values if not np.isnan(series).all()]
    return max(known, default=None)


def _last_completion(recording: Recording, subject: Subject) -> float | None:
    done = recording.completions
    ends = [
        float((done.arrival_seconds[mine] + done.latency_seconds[mine]).max())
        for name in subject.cgroups
        if name in done.cgroups and (mine := done.cgroup == done.cgroups.index(name)).any()
    ]
    return max(ends, default=None)


def _events(expectation: Expectation, recording: Recording, subject: Subject) -> float | None:
    times = [
        event.time
        for event in recording.events
        if event.kind == expectation.event and any(related(event.cgroup, name) for name in subject.cgroups)
    ]
    if expectation.metric == "events":
        return float(len(times))
    return min(times, default=None)

"""The metrics of one run, simulated or measured alike: what `qos validate` compares.

Rates are over the time between the first and the last reading, so that two runs of slightly different
length compare: 2.5 s of CPU in 5.0 s is 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from qos.model.cgroup import CgroupName, ancestors, parent
from qos.model.sample import Recording
from qos.record.summarize import latencies, memory_peaks

Key = tuple[str, CgroupName]
"""A metric and the cgroup it is of."""

_OOM_KINDS: Final = frozenset({"oom_kill", "global_oom_kill"})
_FEWEST_FOR_P99: Final = 100
_DISK_BYTES: Final = ("io_stat_rbytes", "io_stat_wbytes")
_NET_BYTES: Final = {"egress": "net_tx_bytes", "ingress": "net_rx_bytes"}
_NET_METRICS: Final = {"egress": "sent_bytes_per_second", "ingress": "received_bytes_per_second"}
_CPU_SHAPELESS: Final = frozenset({"memory", "io", "network", "egress", "ingress", "tasks"})


def figures(recording: Recording) -> dict[Key, float]:
    """The metrics of one run, by metric and cgroup; what the run does not have is not there.

    Args:
        recording: ``meta["shapes"]`` says what each leaf's workload does: the name of its CPU shape, and
            ``memory``, ``io``, ``network`` (and ``egress``, ``ingress``), ``tasks`` where it has such.
    """
    found: dict[Key, float] = {}
    for metric, cgroup, value in _all(recording):
        if not math.isnan(value):
            found[metric, cgroup] = value
    return found


def run_seconds(recording: Recording) -> float:
    """Between the first and the last reading."""
    times = recording.samples.times
    return float(times[-1] - times[0]) if len(times) else 0.0


def _all(recording: Recording) -> Iterator[tuple[str, CgroupName, float]]:
    shapes: Mapping[CgroupName, Sequence[str]] = recording.meta.get("shapes", {})
    yield from _cpu(recording, [name for name, has in shapes.items() if set(has) - _CPU_SHAPELESS])
    yield from _throttling(recording)
    yield from _completed(recording, shapes)
    yield from _memory(recording, [name for name, has in shapes.items() if "memory" in has])
    yield from _lost(recording, shapes)
    yield from _pressure(recording, shapes)
    yield from _tasks(recording, [name for name, has in shapes.items() if "tasks" in has])
    yield from _disk(recording, [name for name, has in shapes.items() if "io" in has])
    for way, column in _NET_BYTES.items():
        pods = dict.fromkeys(parent(name) for name, has in shapes.items() if way in has)
        yield from _network(recording, _NET_METRICS[way], column, list(pods))


def _rises(recording: Recording, column: str) -> Callable[[CgroupName], float]:
    samples = recording.samples
    rises = samples.increase(column) if column in samples.columns else None
    place = {name: index for index, name in enumerate(samples.cgroups)}

    def of(name: CgroupName) -> float:
        return math.nan if rises is None or name not in place else float(rises[place[name]])

    return of


def _cpu(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    usage = _rises(recording, "cpu_stat_usage_usec")
    seconds = run_seconds(recording)
    total = sum(usage(name) for name in names)
    for name in names:
        yield "cpu_usage", name, usage(name) / 1e6 / seconds if seconds else math.nan
        if len(names) > 1 and total > 0:
            yield "cpu_share", name, usage(name) / total


def _throttling(recording: Recording) -> Iterator[tuple[str, CgroupName, float]]:
    periods, throttled, usec = (
        _rises(recording, f"cpu_stat_{key}") for key in ("nr_periods", "nr_throttled", "throttled_usec")
    )
    seconds = run_seconds(recording)
    for name, files in recording.files.items():
        if files.get("cpu.max", "max").startswith("max") or not periods(name) > 0:
            continue
        yield "throttled_ratio", name, throttled(name) / periods(name)
        # of the planned time, so that a run read a little late has no more of it
        planned = float(recording.meta.get("duration_seconds", seconds))
        yield "throttled_usec", name, usec(name) * planned / seconds


def _completed(
    recording: Recording, shapes: Mapping[CgroupName, Sequence[str]]
) -> Iterator[tuple[str, CgroupName, float]]:
    for name, has in shapes.items():
        values = recording.completions.of(name)
        if not len(values):
            continue
        if "batch" in has:
            yield "completion_seconds", name, float(values[0])
        elif "requests" in has:
            told = latencies(values)
            yield "latency_p50", name, told["p50"]
            if len(values) >= _FEWEST_FOR_P99:
                yield "latency_p99", name, told["p99"]
        else:  # a finite transfer
            yield "completion_seconds", name, float(values[0])


def _memory(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    samples = recording.samples
    gone = _first_times(recording, _OOM_KINDS) | _first_times(recording, {"evict"})
    peaks = dict(zip(samples.cgroups, memory_peaks(samples), strict=True))
    late = samples.times >= samples.times[-1] - 0.25 * run_seconds(recording)
    for name in names:
        yield "memory_peak", name, float(peaks.get(name, math.nan))
        lost = any(each in gone for each in (name, *ancestors(name)))
        if not lost and "memory_current" in samples.columns and name in samples.cgroups:
            yield "memory_current", name, float(np.median(samples.column("memory_current", name)[late]))


def _first_times(recording: Recording, kinds: frozenset[str] | set[str]) -> dict[CgroupName, float]:
    found: dict[CgroupName, float] = {}
    for event in recording.events:
        if event.kind in kinds:
            found.setdefault(event.cgroup, event.time)
    return found


def _lost(
    recording: Recording, shapes: Mapping[CgroupName, Sequence[str]]
) -> Iterator[tuple[str, CgroupName, float]]:
    """Who was killed or evicted, when, and as the how-manieth; and who came back, how often."""
    killed = _first_times(recording, _OOM_KINDS)
    evicted = _first_times(recording, {"evict"})
    order = sorted({**killed, **evicted}.items(), key=lambda pair: pair[1])
    for name in (name for name, has in shapes.items() if "memory" in has):
        yield "oom_killed", name, float(name in killed)
        yield "oom_seconds", name, killed.get(name, math.nan)
    for pod, at in evicted.items():
        yield "evicted", pod, 1.0
        yield "evict_seconds", pod, at
    if len(order) > 1:
        for place, (name, _) in enumerate(order, start=1):
            yield "loss_order", name, float(place)
    restarts = [event for event in recording.events if event.kind == "restart"]
    for name in dict.fromkeys(event.cgroup for event in restarts):
        times = [event.time for event in restarts if event.cgroup == name]
        yield "restarts", name, float(len(times))
        yield "restart_seconds", name, times[-1]


def _pressure(
    recording: Recording, shapes: Mapping[CgroupName, Sequence[str]]
) -> Iterator[tuple[str, CgroupName, float]]:
    """Of all leaves; of the CPU only where its work is a workload's, not the cost of reading a disk."""
    for resource in ("cpu", "memory", "io"):
        total = _rises(recording, f"{resource}_pressure_some_total")
        for name, has in shapes.items():
            if resource != "cpu" or set(has) - _CPU_SHAPELESS:
                yield f"psi_{resource}", name, total(name)


def _tasks(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    samples = recording.samples

    def last(column: str, name: CgroupName) -> float:
        known = column in samples.columns and name in samples.cgroups
        return float(samples.column(column, name)[-1]) if known else math.nan

    for name in names:
        yield "pids_current", name, last("pids_current", name)
        # counted in the cgroup that forks up to Linux 6.10, since 6.11 from that whose limit it was upwards
        yield (
            "pids_refused",
            name,
            float(any(last("pids_events_max", at) > 0 for at in (name, *ancestors(name)))),
        )


def _disk(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    rises = [_rises(recording, column) for column in _DISK_BYTES]
    seconds = run_seconds(recording)
    for name in names:
        moved = [value for value in (rise(name) for rise in rises) if not math.isnan(value)]
        yield "disk_bytes_per_second", name, sum(moved) / seconds if moved and seconds else math.nan


def _network(
    recording: Recording, metric: str, column: str, pods: Sequence[CgroupName]
) -> Iterator[tuple[str, CgroupName, float]]:
    """Of pods, whose devices are limited; acknowledgements of traffic the other way are not compared."""
    rise, seconds = _rises(recording, column), run_seconds(recording)
    for pod in pods:
        yield metric, pod, rise(pod) / seconds if seconds else math.nan

"""Recordings made by a few lines of arithmetic: the contention scenario's shape without a simulator.

Used where a test needs a recording of a known kind (measured, without completions, with 300 pods). Counters
rise as a kernel's do; the figures are plausible, not predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions, Recording, Samples

MIB = 2**20


@dataclass(frozen=True)
class Made:
    """One container of a made recording: CPUs it wants and its settings; memory in bytes."""

    workload: str
    qos_class: str
    cpus_wanted: float
    weight: int
    request: float | None
    limit: float | None
    memory: int
    memory_limit: int | None
    memory_request: int | None = None
    rate: float = 0.0
    replicas: int = 1


CONTENTION = (
    Made("database", "Guaranteed", 1.2, 79, 2.0, 2.0, 900 * MIB, 1024 * MIB, 1024 * MIB),
    Made("web", "Burstable", 1.3, 20, 0.5, 1.0, 300 * MIB, 512 * MIB, 256 * MIB, rate=120.0, replicas=2),
    Made("batch", "BestEffort", 4.0, 1, None, None, 100 * MIB, None),
    Made("neighbour", "Burstable", 0.6, 4, 0.1, None, 700 * MIB, 768 * MIB, 256 * MIB),
)
_PARENTS = {"Guaranteed": "kubepods", "Burstable": "kubepods/burstable", "BestEffort": "kubepods/besteffort"}


def make_recording(
    policy: str = "kubelet",
    containers: tuple[Made, ...] = CONTENTION,
    seconds: float = 120.0,
    interval: float = 0.5,
    cpus: float = 4.0,
    seed: int = 7,
    source: str = "simulated",
    limits: bool = True,
    memory_qos: bool = False,
) -> Recording:
    """One run of ``containers`` on a node with ``cpus``; without ``limits`` no quota is set."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.0, seconds + interval / 2, interval)
    pods, files, names = _plan(containers, limits, memory_qos)
    columns: dict[str, list[np.ndarray]] = {}
    for made in containers:
        for _ in range(made.replicas):
            for name, series in _series(made, times, cpus, limits, source, rng).items():
                columns.setdefault(name, []).append(series)
    samples = Samples(
        times, names, {name: np.column_stack(series) for name, series in columns.items()}, source
    )
    neighbour = next((pod["cgroup"] for pod in pods if pod["workload"] == "neighbour"), names[0])
    events = (
        Event(31.0, "oom_kill", CgroupName(neighbour), "memory.max 768 MiB reached, nothing left to reclaim"),
        Event(41.0, "restart", CgroupName(neighbour), "back-off 10 s after the kill"),
    )
    meta = {
        "scenario": "contention",
        "description": "one node, four tenants",
        "scenario_hash": "sha256:3f9ac1d2",
        "seed": seed,
        "profile": "kubernetes-1.36/runc-1.3.2/containerd/linux-6.12/systemd",
        "versions": {"qos": "0.1.0", "python": "3.11"},
        "node": {"name": "worker", "cpus": cpus, "memory_bytes": 4096 * MIB},
        "command": "qos simulate scenarios/contention.yaml",
    }
    slow = 1.0 if limits else 0.15
    return Recording(
        policy, meta, tuple(pods), files, samples, events, _completions(pods, seconds, slow, rng)
    )


def _plan(
    containers: tuple[Made, ...], limits: bool, memory_qos: bool
) -> tuple[list[dict[str, Any]], dict[CgroupName, dict[str, str]], tuple[CgroupName, ...]]:
    files: dict[CgroupName, dict[str, str]] = {
        CgroupName("kubepods"): {"cpu.weight": "157", "memory.max": str(3800 * MIB)},
        CgroupName("kubepods/burstable"): {"cpu.weight": "24"},
        CgroupName("kubepods/besteffort"): {"cpu.weight": "1"},
    }
    pods = []
    for made in containers:
        for replica in range(made.replicas):
            pod = CgroupName(f"{_PARENTS[made.qos_class]}/pod-{made.workload}-{replica}")
            leaf = CgroupName(f"{pod}/{made.workload}")
            own = {"cpu.weight": str(made.weight)}
            if made.limit is not None and limits:
                own["cpu.max"] = f"{round(made.limit * 100_000)} 100000"
            if made.memory_limit is not None:
                own["memory.max"] = str(made.memory_limit)
            if memory_qos and made.memory_request is not None:
                own["memory.min"] = str(made.memory_request)
                own["memory.high"] = str(int((made.memory_limit or made.memory_request * 2) * 0.9))
            files[pod] = files[leaf] = own
            pods.append(
                {
                    "namespace": "shop",
                    "pod": f"{made.workload}-{replica}",
                    "container": made.workload,
                    "type": "regular",
                    "qosClass": made.qos_class,
                    "cgroup": leaf,
                    "podCgroup": pod,
                    "workload": made.workload,
                    "cpuRequest": made.request,
                    "cpuLimit": made.limit,
                    "memoryRequest": made.memory_request,
                    "memoryLimit": made.memory_limit,
                }
            )
    return pods, files, tuple(pod["cgroup"] for pod in pods)


def _series(
    made: Made, times: np.ndarray, cpus: float, limits: bool, source: str, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    count, interval = len(times), times[1] - times[0]
    wanted = made.cpus_wanted * (1 + 0.25 * np.sin(times / 9.0)) * rng.uniform(0.8, 1.2, count)
    allowed = made.limit if limits and made.limit is not None else cpus
    used = np.minimum(wanted, min(allowed, cpus * made.weight / 60 + 0.3))
    quota_wait = np.maximum(0.0, wanted - allowed) * (made.limit is not None and limits)
    cpu_wait = np.maximum(0.0, wanted - used - quota_wait)
    memory = made.memory * np.minimum(1.0, 0.2 + times / 40) * rng.uniform(0.98, 1.0, count)
    if made.workload == "neighbour":
        memory[(times >= 31) & (times < 41)] = 0.0

    def count_up(per_second: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(np.floor(per_second[1:] * interval * 1e6))])

    throttled = (quota_wait > 0) & limits
    periods = np.floor(times * 10) if limits and made.limit is not None else np.zeros(count)
    hit = np.concatenate([[0.0], np.cumsum(np.where(throttled[1:], np.diff(periods), 0.0))])
    series = {
        "cpu_stat_usage_usec": count_up(used),
        "cpu_stat_nr_periods": periods,
        "cpu_stat_nr_throttled": hit,
        "cpu_stat_throttled_usec": count_up(quota_wait),
        "memory_current": np.floor(memory),
        "memory_peak": np.floor(np.maximum.accumulate(memory)),
        "memory_stat_anon": np.floor(memory * 0.8),
        "memory_stat_file": np.floor(memory * 0.2),
        "memory_events_oom_kill": (
            (times >= 31).astype(float) if made.workload == "neighbour" else np.zeros(count)
        ),
        "cpu_pressure_some_total": count_up(np.minimum(1.0, quota_wait + cpu_wait)),
        "net_tx_bytes": count_up(np.full_like(memory, 2.5)),
        "memory_pressure_some_total": count_up(np.where(memory > 0.9 * made.memory, 0.05, 0.0)),
    }
    if source == "simulated":
        series["sim_wait_quota_usec"] = count_up(quota_wait)
        series["sim_wait_cpu_usec"] = count_up(cpu_wait)
        series["sim_demand_usec"] = count_up(wanted)
    return series


def _completions(
    pods: list[dict[str, Any]], seconds: float, slow: float, rng: np.random.Generator
) -> Completions:
    serving = [pod for pod in pods if pod["workload"] == "web"]
    cgroups = tuple(CgroupName(pod["cgroup"]) for pod in serving)
    count = int(seconds * 100) if serving else 0
    return Completions(
        cgroups,
        rng.integers(0, max(len(cgroups), 1), count).astype(np.int32),
        np.sort(rng.uniform(0.0, seconds, count)),
        0.008 + rng.lognormal(-4.0, 1.0, count) * (1 + 6 * slow),
    )


def measured(recording: Recording, *missing: str) -> Recording:
    """The same run as a real kernel would tell it: no simulator's columns, and without ``missing``."""
    samples = recording.samples
    kept = {
        name: values
        for name, values in samples.columns.items()
        if not name.startswith("sim_") and not name.startswith(missing or ("sim_",))
    }
    told = Samples(samples.times, samples.cgroups, kept, "measured")
    return replace(recording, samples=told, completions=Completions())


def undisturbed() -> Recording:
    """The web tier alone, as a baseline to compare with."""
    recording = make_recording("uncontended", limits=False)
    quick = replace(
        recording.completions, latency_seconds=0.006 + (recording.completions.latency_seconds - 0.008) * 0.2
    )
    return replace(recording, meta={**recording.meta, "role": "baseline"}, completions=quick, events=())


def contention() -> tuple[Recording, ...]:
    """Three policies on the same four tenants."""
    return (
        make_recording("kubelet"),
        make_recording("no-cpu-limits", limits=False),
        make_recording("memory-qos", memory_qos=True),
    )

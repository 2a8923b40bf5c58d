"""What a run came to: one Summary a run, small enough to print, diff and commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qos.model.event import Event


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """How one workload fared, over all its containers.

    Attributes:
        latency_seconds: "p50", "p90", "p95", "p99", "max", "mean" → seconds; empty where none completed.
        completed: requests or jobs finished.
        arrived: requests that came, None where the kernel does not say.
        completion_seconds: when the last batch job was done, None where none was.
        qos_class: class of its pods, "" where unknown, "mixed" where they differ.
        cpu_seconds: CPU time used.
        throttled_ratio: fraction of its cpu.max periods in which it was throttled, 0 to 1; None where no
            cgroup of its own had a quota.
        waited_for_quota: fraction of the time it wanted CPU that its own limit (or its pod's) made it wait.
        waited_for_cpu: fraction of the time it wanted CPU that a busy node made it wait.
        memory_peak_bytes: highest memory of its containers together.
        oom_kills: containers killed by the kernel for memory.
        evictions: pods evicted by the kubelet.
        restarts: containers started again.
    """

    latency_seconds: Mapping[str, float]
    completed: int
    arrived: int | None = None
    completion_seconds: float | None = None
    qos_class: str = ""
    cpu_seconds: float | None = None
    throttled_ratio: float | None = None
    waited_for_quota: float | None = None
    waited_for_cpu: float | None = None
    memory_peak_bytes: float | None = None
    oom_kills: int = 0
    evictions: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """One run: the last value of each cgroup's counters and gauges, workloads and events.

    Attributes:
        policy: name of the policy that ran.
        duration_seconds: time covered.
        cgroups: cgroup → column → last value (``memory_peak`` is the highest).
        workloads: workload name → how it fared.
        events: all events in order of time.
    """

    policy: str
    duration_seconds: float
    cgroups: Mapping[str, Mapping[str, float]]
    workloads: Mapping[str, WorkloadSummary]
    events: tuple[Event, ...]

"""What a run came to: one Summary a run, small enough to print, diff and commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qos.model.sample import Event


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """How one workload fared, over all its containers.

    Attributes:
        latency_seconds: "p50", "p90", "p95", "p99", "max", "mean" → seconds; empty where none completed.
        completed: requests or jobs finished.
        arrived: requests that came, None where the kernel does not say.
        completion_seconds: when the last batch job was done, None where none was.
    """

    latency_seconds: Mapping[str, float]
    completed: int
    arrived: int | None = None
    completion_seconds: float | None = None


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

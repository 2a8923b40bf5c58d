"""Two runs side by side: what differs, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qos.model.summary import Summary, WorkloadSummary

_WORKLOAD_METRICS = (
    "completed",
    "completion_seconds",
    "cpu_seconds",
    "throttled_ratio",
    "waited_for_quota",
    "waited_for_cpu",
    "memory_peak_bytes",
    "oom_kills",
    "evictions",
    "restarts",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs.

    Attributes:
        subject: the workload's name or the cgroup.
        metric: ``latency_seconds.p99``, ``memory_peak`` …
        old: value of the first run, None where it has none.
        new: value of the second run, None where it has none.
    """

    subject: str
    metric: str
    old: float | None
    new: float | None

    @property
    def change(self) -> float | None:
        """(new - old) / old; None where a side is missing, infinite from 0 to something.

        >>> Difference("web", "latency_seconds.p99", 0.2, 0.3).change
        0.5
        """
        if self.old is None or self.new is None:
            return None
        if self.old == 0:
            return 0.0 if self.new == 0 else math.copysign(math.inf, self.new)
        return round((self.new - self.old) / abs(self.old), 12)


def compare(old: Summary, new: Summary, tolerance: float = 0.0) -> tuple[Difference, ...]:
    """Every metric that differs by more than ``tolerance`` (relative), workloads first.

    A metric that only one run has always differs.

    Args:
        old: the run compared with.
        new: the run compared.
        tolerance: 0.05 passes over changes up to 5 %.
    """
    found = [
        *_differences(_by_workload(old), _by_workload(new)),
        *_differences(old.cgroups, new.cgroups),
    ]
    return tuple(entry for entry in found if _differs(entry, tolerance))


def compare_figures(
    old: Mapping[str, Mapping[str, float]], new: Mapping[str, Mapping[str, float]]
) -> tuple[Difference, ...]:
    """Every figure that differs, of subjects with their figures by name."""
    return tuple(entry for entry in _differences(old, new) if _differs(entry, 0.0))


def _differs(entry: Difference, tolerance: float) -> bool:
    change = entry.change
    return change is None or abs(change) > tolerance


def _differences(
    old: Mapping[str, Mapping[str, float]], new: Mapping[str, Mapping[str, float]]
) -> Iterator[Difference]:
    for subject in dict.fromkeys((*old, *new)):
        before, after = old.get(subject, {}), new.get(subject, {})
        for metric in dict.fromkeys((*before, *after)):
            yield Difference(subject, metric, before.get(metric), after.get(metric))


def _by_workload(summary: Summary) -> dict[str, dict[str, float]]:
    return {name: workload_metrics(fared) for name, fared in summary.workloads.items()}


def workload_metrics(fared: WorkloadSummary) -> dict[str, float]:
    """A workload's metrics under one flat name each; what is unknown is left out."""
    flat = {f"latency_seconds.{name}": value for name, value in fared.latency_seconds.items()}
    values = {name: getattr(fared, name) for name in _WORKLOAD_METRICS}
    return flat | {name: float(value) for name, value in values.items() if value is not None}

"""What charts are drawn from: runs side by side, and the workloads that are worth a reader's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName, CpuMax, parent
from qos.model.sample import Recording
from qos.model.summary import Summary, WorkloadSummary

MOST_WORKLOADS: Final = 8
_UNKNOWN: Final = WorkloadSummary({}, 0)


@dataclass(frozen=True, slots=True)
class Run:
    """One run under one policy, with its summary and its containers by workload."""

    recording: Recording
    summary: Summary
    workloads: Mapping[str, tuple[Mapping[str, Any], ...]]

    @classmethod
    def of(cls, recording: Recording, summary: Summary) -> Run:
        """The run of a recording and its summary."""
        return cls(recording, summary, recording.workloads())

    @property
    def is_baseline(self) -> bool:
        """Whether this run shows workloads undisturbed, to compare the others with."""
        return self.recording.meta.get("role") == "baseline"

    @property
    def policy(self) -> str:
        """Name of the policy that ran."""
        return self.recording.policy

    def fared(self, workload: str) -> WorkloadSummary:
        """How a workload fared; of one this run does not have, nothing is known."""
        return self.summary.workloads.get(workload, _UNKNOWN)

    def qos_class(self, workload: str) -> str:
        """The workload's QOSClass, "mixed" where its pods differ, "" where unknown."""
        return self.fared(workload).qos_class

    def cgroups(self, workload: str) -> tuple[CgroupName, ...]:
        """The workload's containers' cgroups that samples were read of, each once."""
        known = set(self.recording.samples.cgroups)
        names = dict.fromkeys(
            CgroupName(str(record["cgroup"])) for record in self.workloads.get(workload, ())
        )
        return tuple(name for name in names if name in known)

    def column(self, workload: str, column: str) -> NDArray[np.float64] | None:
        """One column of the workload's containers, (T, containers); None where it was not read."""
        samples = self.recording.samples
        names = self.cgroups(workload)
        if column not in samples.columns or not names or not len(samples.times):
            return None
        values: NDArray[np.float64] = samples.columns[column][:, [samples.cgroups.index(n) for n in names]]
        return None if np.isnan(values).all() else values

    def total(self, workload: str, field: str) -> float | None:
        """The sum of a field of the pod records (``cpuRequest`` …); None where none is set."""
        values = [record.get(field) for record in self.workloads.get(workload, ())]
        found = [float(value) for value in values if value is not None]
        return sum(found) if found else None

    def cpu_limit(self, workload: str) -> float | None:
        """CPUs its containers may use together by ``cpu.max``, their own or their pod's; None: no limit."""
        limits: dict[CgroupName, float] = {}
        for name in self.cgroups(workload):
            where = next(
                (n for n in (name, parent(name)) if np.isfinite(_cpus(self.recording.files.get(n, {})))), None
            )
            if where is None:
                return None
            limits[where] = _cpus(self.recording.files[where])
        return sum(limits.values()) if limits else None

    def memory_knob(self, workload: str, file: str) -> float | None:
        """The sum over its containers of a memory file in bytes, "max" and unset ones left out."""
        texts = [
            self.recording.files.get(name, {}).get(file, "max").strip() for name in self.cgroups(workload)
        ]
        found = [float(text) for text in texts if text != "max"]
        return sum(found) if found and sum(found) > 0 else None


def _cpus(files: Mapping[str, str]) -> float:
    return CpuMax.model_validate(files["cpu.max"]).cpus if "cpu.max" in files else float("inf")


def contended(runs: Sequence[Run]) -> list[Run]:
    """The runs without the baseline; all of them where there is nothing else."""
    return [run for run in runs if not run.is_baseline] or list(runs)


def chosen(runs: Sequence[Run], most: int = MOST_WORKLOADS) -> tuple[str, ...]:
    """The workloads to draw, in order of first appearance: those that used, waited or suffered most."""
    names = dict.fromkeys(name for run in runs for name in run.workloads)
    if len(names) <= most:
        return tuple(names)
    ranked = sorted(names, key=lambda name: -max(_interest(run, name) for run in runs))
    kept = set(ranked[:most])
    return tuple(name for name in names if name in kept)


def _interest(run: Run, workload: str) -> float:
    """CPU as a part of all, plus the greatest wait, plus 1 for a kill or an eviction."""
    fared = run.fared(workload)
    used = sum(other.cpu_seconds or 0.0 for other in run.summary.workloads.values())
    waits = (fared.waited_for_quota, fared.waited_for_cpu, fared.throttled_ratio)
    suffered = float(fared.oom_kills + fared.evictions > 0)
    return (fared.cpu_seconds or 0.0) / max(used, 1e-9) + max(wait or 0.0 for wait in waits) + suffered


def left_out(runs: Sequence[Run], most: int = MOST_WORKLOADS) -> str:
    """A note on the workloads that are not drawn, "" where all are."""
    count = len(dict.fromkeys(name for run in runs for name in run.workloads))
    if count <= most:
        return ""
    return f"{most} of {count} workloads are drawn: those that used, waited or suffered most."

"""What is kept of a measurement: the figures of every repeat, and what must be known to predict them.

It is small, and it holds no prediction: whatever the simulator says tomorrow is compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, Self

from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.record.run_figures import Key, figures, run_seconds

_FORMAT: Final = 2
_META: Final = (
    "scenario", "run_hash", "policy", "release", "emulator", "cpus", "memory_bytes", "seed",
    "fault_bytes_per_second",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """The repeats of one scenario on one kernel.

    Attributes:
        runs: the figures of each repeat.
        names: what to call a cgroup: ``pod/container`` or ``pod``.
        seconds: length of a run.
        clock_step_seconds: the tick of the measuring machine's clock of CPU time.
        measuring_cpus: what measuring itself used beside the pods, median.
        period_phases: of each repeat, when the first period of a cgroup's cpu.max ended, where it is drawn.
        measuring_over_time: the same of the repeat in the middle, up to each reading (seconds, CPUs), where
            workloads were started while time ran.
        meta: which scenario, hash of what was run, policy, kernel release, what emulates the machine,
            its CPUs and memory, and how fast it puts new memory in place.
    """

    runs: tuple[Mapping[Key, float], ...]
    names: Mapping[CgroupName, str]
    seconds: float
    clock_step_seconds: float = 0.0
    measuring_cpus: float = 0.0
    period_phases: tuple[Mapping[CgroupName, float], ...] = ()
    measuring_over_time: tuple[tuple[float, float], ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> Self:
        """What is kept of some repeats.

        Raises:
            ValueError: there are none.
        """
        if not recordings:
            msg = "nothing was measured"
            raise ValueError(msg)
        first = recordings[0].meta
        return cls(
            tuple(figures(run) for run in recordings),
            subjects(recordings[0]),
            run_seconds(recordings[0]),
            float(first.get("clock_step_seconds", 0.0)),
            median(float(run.meta.get("measuring_cpus", 0.0)) for run in recordings),
            tuple(_phases(run.meta.get("period_phases", {})) for run in recordings),
            _curve(recordings[len(recordings) // 2].meta.get("measuring_over_time", ())),
            {name: first[name] for name in _META if name in first} | {"policy": recordings[0].policy},
        )

    def machine(self) -> dict[str, Any]:
        """What must be known of the measuring machine to predict this."""
        own = {
            "measuring_cpus": self.measuring_cpus,
            "measuring_over_time": self.measuring_over_time,
            "clock_step_seconds": self.clock_step_seconds,
        }
        return dict(self.meta) | own

    def to_json(self) -> dict[str, Any]:
        """Plain data; a figure that a repeat has not is null."""
        keys = sorted(dict.fromkeys(key for run in self.runs for key in run))
        return {
            "format": _FORMAT,
            **self.meta,
            "repeats": len(self.runs),
            "seconds": round(self.seconds, 6),
            "clock_step_seconds": round(self.clock_step_seconds, 6),
            "measuring_cpus": round(self.measuring_cpus, 6),
            "period_phases": [
                {name: round(phase, 6) for name, phase in phases.items()} for phases in self.period_phases
            ],
            **({"measuring_over_time": self.measuring_over_time} if self.measuring_over_time else {}),
            "names": dict(self.names),
            "figures": [
                {"metric": key[0], "cgroup": key[1], "runs": [_short(run.get(key)) for run in self.runs]}
                for key in keys
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave.

        Raises:
            ValueError: of another format.
        """
        if data.get("format") != _FORMAT:
            msg = f"a stored measurement of format {data.get('format')}; expected {_FORMAT}"
            raise ValueError(msg)
        runs: list[dict[Key, float]] = [{} for _ in range(data["repeats"])]
        for each in data["figures"]:
            key = (str(each["metric"]), CgroupName(each["cgroup"]))
            for run, value in zip(runs, each["runs"], strict=True):
                if value is not None:
                    run[key] = float(value)
        return cls(
            tuple(runs),
            {CgroupName(name): str(words) for name, words in data["names"].items()},
            float(data["seconds"]),
            float(data["clock_step_seconds"]),
            float(data["measuring_cpus"]),
            tuple(_phases(phases) for phases in data.get("period_phases", ())),
            _curve(data.get("measuring_over_time", ())),
            {name: data[name] for name in _META if name in data},
        )


def _phases(told: Mapping[str, Any]) -> dict[CgroupName, float]:
    return {CgroupName(name): float(phase) for name, phase in told.items()}


def _curve(told: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(at), 4), round(float(cpus), 5)) for at, cpus in told)


def subjects(recording: Recording) -> dict[CgroupName, str]:
    """What to call the cgroups of a run's pods and containers."""
    found: dict[CgroupName, str] = {}
    for record in recording.pods:
        found[CgroupName(str(record["podCgroup"]))] = str(record["pod"])
        found[CgroupName(str(record["cgroup"]))] = f"{record['pod']}/{record['container']}"
    return found


def _short(value: float | None) -> float | None:
    """Seven digits: more than any clock here has."""
    return None if value is None else float(f"{value:.7g}")

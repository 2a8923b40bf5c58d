"""What a prediction is likely off for: the known causes, by what was run and where, for any scenario.

The causes and their names are those of docs/fidelity.md, where each was found and measured. Here a cause is
chosen by its conditions (the kernel, its clock, the workload's shape), so it is likely, not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from qos.model.cgroup import CgroupName, ancestors
from qos.model.profile import parse_version
from qos.model.sample import Recording
from qos.record.fidelity import Line
from qos.record.measured import Measured

_COARSE_SECONDS: Final = 0.001
_OFFSETS_SINCE: Final = (6, 4)
_MUCH: Final = 0.1
_CPU: Final = ("cpu_usage", "cpu_share")
_THROTTLING: Final = ("throttled_ratio", "throttled_usec")
_LOSSES: Final = ("memory_", "oom_", "evict", "loss_order", "restart")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a comparison beside its lines.

    Attributes:
        kernel: version of the measuring machine's, as (6, 1).
        clock_step_seconds: the step of its clock of CPU time.
        cpus: it has.
        emulated: its CPUs are a program.
        measuring_cpus: used beside the pods.
        exhausted: the machine's own memory was used up, in the prediction or in some run.
        shapes: what each leaf's workload does, as :func:`qos.record.run_figures.figures` has it.
    """

    kernel: tuple[int, ...]
    clock_step_seconds: float
    cpus: int
    emulated: bool
    measuring_cpus: float
    exhausted: bool
    shapes: Mapping[CgroupName, Collection[str]]

    @classmethod
    def of(cls, predicted: Recording, runs: Sequence[Recording], kept: Measured) -> Self:
        """The facts of one validation."""
        kinds = {event.kind for run in (predicted, *runs) for event in run.events}
        return cls(
            parse_version(str(kept.meta["release"]))[:2],
            kept.clock_step_seconds,
            int(kept.meta.get("cpus", 1)),
            bool(kept.meta.get("emulator")),
            kept.measuring_cpus,
            "global_oom_kill" in kinds,
            predicted.meta.get("shapes", {}),
        )

    def has(self, line: Line, *shapes: str) -> bool:
        """Whether the cgroup of a line, or one below it, has a workload of one of these shapes."""
        return any(
            shape in has
            for name, has in self.shapes.items()
            if name == line.cgroup or line.cgroup in ancestors(name)
            for shape in shapes
        )

    def has_anywhere(self, *shapes: str) -> bool:
        """Whether any workload has one of these shapes."""
        return any(shape in has for has in self.shapes.values() for shape in shapes)

    @property
    def coarse(self) -> bool:
        """Whether CPU time moves in whole ticks."""
        return self.clock_step_seconds >= _COARSE_SECONDS


@dataclass(frozen=True, slots=True)
class Likely:
    """A cause.

    Attributes:
        name: as docs/fidelity.md has it.
        whose: "lab": not so on a real host; "model": not computed; "load": of the load, not of the kernel.
        words: one sentence.
        fits: whether its conditions hold.
    """

    name: str
    whose: str
    words: str
    fits: Callable[[Facts, Line], bool]


CAUSES: Final = (
    Likely(
        "memory used up", "model",
        "the machine's own memory was used up: the kernel gives up its programs' page cache and reads it "
        "again and again, so all comes late; here reclaim takes no time",
        lambda facts, line: facts.exhausted and line.metric.startswith((*_LOSSES, "throttled", "cpu", "psi")),
    ),
    Likely(
        "reclaim and refaults", "model",
        "time of reclaim and of reading page cache again is not computed",
        lambda _, line: line.metric == "psi_memory",
    ),
    Likely(
        "shared disk", "lab",
        "the guest's disk is a file of this machine and waits for what else its disk does",
        lambda _, line: line.metric in {"psi_io", "disk_bytes_per_second"},
    ),
    Likely(
        "tokens lost", "lab",
        "the guest's timers and its waits for this machine lose tokens of the bucket, and acknowledgements "
        "take part of the other way's",
        lambda _, line: line.metric in {"sent_bytes_per_second", "received_bytes_per_second"},
    ),
    Likely(
        "wake-up", "model",
        "a woken thread waits for the end of another's slice, here the CPU is a fluid; p99 of some hundred "
        "requests is that of a handful: a longer duration steadies it",
        lambda _, line: line.metric.startswith("latency"),
    ),
    Likely(
        "workers of requests", "load",
        "each worker of requests is a process (64 by default) and holds 0.7 MiB: give workers:",
        lambda facts, line: line.metric.startswith("memory") and facts.has(line, "requests"),
    ),
    Likely(
        "cost of faults", "model",
        "page faults and reclaim of a memory load cost CPU time, held by its quota; slow in User Mode Linux",
        lambda facts, line: line.metric in (*_CPU, *_THROTTLING, "psi_cpu") and facts.has(line, "memory"),
    ),
    Likely(
        "end of processes", "lab",
        "each thread of a job is a process, whose end costs some 10 ms of CPU time in a guest",
        lambda facts, line: (
            line.metric in (*_CPU, *_THROTTLING, "completion_seconds") and facts.has(line, "batch")
        ),
    ),
    Likely(
        "phases", "model",
        "since Linux 6.4 periods of cpu.max begin at an offset drawn for each cgroup, so a pod and its "
        "container are throttled by turns, differently in each run: more repeats steady the median",
        lambda facts, line: line.metric in (*_THROTTLING, "psi_cpu") and facts.kernel >= _OFFSETS_SINCE,
    ),
    Likely(
        "ticks", "lab",
        "the guest books CPU time and notices an empty quota at ticks only (10 ms): waits below one are not "
        "seen, and short periods are overrun by one",
        lambda facts, line: line.metric in (*_THROTTLING, "psi_cpu") and facts.coarse,
    ),
    Likely(
        "emulated CPUs", "lab",
        "the guest's CPUs are threads of this machine, and get less than they would alone; it is not told",
        lambda facts, line: (
            line.metric in (*_CPU, "psi_cpu", "completion_seconds") and (facts.emulated or facts.cpus > 1)
        ),
    ),
    Likely(
        "wake-up", "model",
        "who wakes waits for the end of a slice; here the CPU is shared as a fluid",
        lambda facts, line: (
            line.metric in (*_CPU, *_THROTTLING, "psi_cpu") and facts.has_anywhere("requests", "onOff")
        ),
    ),
    Likely(
        "cost of faults", "model",
        "several pods fault at once on few CPUs, and each grows later than alone",
        lambda facts, line: line.metric.startswith(_LOSSES) and facts.has_anywhere("memory"),
    ),
    Likely(
        "time taken from the guest", "lab",
        "the guest had less of a CPU than it knows: other work on this machine, or measuring itself",
        lambda facts, line: line.metric in (*_CPU, "completion_seconds") and facts.measuring_cpus > _MUCH,
    ),
)  # fmt: skip


def likely_cause(line: Line, facts: Facts) -> Likely | None:
    """The first cause whose conditions hold for a line that is outside; None: none is known."""
    return next((cause for cause in CAUSES if cause.fits(facts, line)), None)

"""How far a prediction is from what a real kernel did: two kinds of Recording compared, metric by metric.

A prediction is one recording, the measurement several repeats; a metric's measured value is the median over
them and its noise the farthest repeat from it. Errors are signed: positive where too much was predicted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final, Literal

import numpy as np

from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.record.summarize import latencies, memory_peaks

Verdict = Literal["in noise", "lab effect", "close", "OUTSIDE"]
Key = tuple[str, CgroupName]
_OOM_KINDS: Final = frozenset({"oom_kill", "global_oom_kill"})
_CHARGE_BATCH_BYTES: Final = 64 * 4096
"""Memory is charged to a cgroup in batches of 64 pages a CPU (mm/memcontrol.c, MEMCG_CHARGE_BATCH)."""
_FEWEST_FOR_P99: Final = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """How a metric is judged.

    Attributes:
        tolerance: the largest error that is close: a fraction of the measured value, or of 1 in points.
        points: the error is a difference, for metrics that are fractions themselves.
        per: what a tick of the measuring machine's clock is in this metric: "second" (s), "usec", "run" (a
            fraction of the run, and the CPU time that measuring took beside it), "bytes" (no clock: the batch
            in which memory is charged), "none".
    """

    tolerance: float
    points: bool = False
    per: Literal["second", "usec", "run", "bytes", "none"] = "none"


RULES: Final[Mapping[str, Rule]] = {
    "cpu_usage": Rule(0.02, per="run"),
    "cpu_share": Rule(0.02, per="run"),
    "throttled_ratio": Rule(0.03, points=True),
    "throttled_usec": Rule(0.08, per="usec"),
    "latency_p50": Rule(0.10, per="second"),
    "latency_p99": Rule(0.20, per="second"),
    "completion_seconds": Rule(0.03, per="second"),
    "memory_current": Rule(0.02, per="bytes"),
    "memory_peak": Rule(0.02, per="bytes"),
    "oom_killed": Rule(0.0, points=True),
    "oom_seconds": Rule(0.10, per="second"),
}
"""The metrics of a comparison; tolerances are the worst that the project's targets allow."""


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one cgroup, predicted and measured.

    Attributes:
        metric: a name of :data:`RULES`: ``cpu_usage`` in CPUs, ``cpu_share`` of all leaves' use,
            latencies and times in seconds, memory in bytes, ``oom_killed`` 1 or 0.
        cgroup: whose.
        subject: its name in words: ``pod/container``, ``pod``, or the cgroup's own.
        predicted: None where the prediction has no such thing.
        measured: median over the repeats; None where most have no such thing.
        noise: the farthest repeat from the median.
        error: as the metric's rule has it; infinite where only one side has a value.
        tolerance: what was allowed.
        verdict: ``in noise`` of the repeats, ``close``: within tolerance, explained by a ``lab effect`` (a
            tick of the measuring machine's clock, the CPU time that measuring took), or ``OUTSIDE``.
    """

    metric: str
    cgroup: CgroupName
    subject: str
    predicted: float | None
    measured: float | None
    noise: float
    error: float
    tolerance: float
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Plain data; an error that is infinite is null."""
        return asdict(self) | {"error": self.error if math.isfinite(self.error) else None}


def compare_runs(
    predicted: Recording, measured: Sequence[Recording], tolerances: Mapping[str, float] | None = None
) -> tuple[Line, ...]:
    """Every metric that either side knows, by metric then cgroup.

    Args:
        predicted: the simulated run. ``meta["shapes"]`` says what each leaf's workload does: the name of its
            CPU shape, and ``memory`` where it holds memory on purpose.
        measured: the repeats; ``meta["clock_step_seconds"]`` is the tick of their machine's clock and
            ``meta["measuring_cpus"]`` what measuring itself used.
        tolerances: instead of those of :data:`RULES`.

    Raises:
        ValueError: nothing was measured.
    """
    if not measured:
        raise ValueError("no measured run to compare with")
    told = figures(predicted)
    seen = [figures(run) for run in measured]
    keys = dict.fromkeys([*told, *(key for run in seen for key in run)])
    order = list(RULES)
    wanted = sorted(keys, key=lambda key: (order.index(key[0]), key[1]))
    allowed = tolerances or {}
    steps = _steps(measured)
    names = _subjects(predicted)
    return tuple(
        _line(key, names, told.get(key), [run.get(key) for run in seen], allowed.get(key[0]), steps)
        for key in wanted
    )


def _subjects(recording: Recording) -> dict[CgroupName, str]:
    found: dict[CgroupName, str] = {}
    for record in recording.pods:
        found[CgroupName(str(record["podCgroup"]))] = str(record["pod"])
        found[CgroupName(str(record["cgroup"]))] = f"{record['pod']}/{record['container']}"
    return found


def _line(
    key: Key,
    names: Mapping[CgroupName, str],
    predicted: float | None,
    runs: Sequence[float | None],
    tolerance: float | None,
    steps: Mapping[str, float],
) -> Line:
    rule = RULES[key[0]]
    limit = rule.tolerance if tolerance is None else tolerance
    there = [value for value in runs if value is not None]
    measured = median(there) if 2 * len(there) > len(runs) else None
    noise = max((abs(value - measured) for value in there), default=0.0) if measured is not None else 0.0
    error = _error(rule, predicted, measured)
    if predicted is None or measured is None:
        verdict: Verdict = "in noise" if predicted is None and measured is None else "OUTSIDE"
    else:
        verdict = _verdict(abs(predicted - measured), noise, steps[rule.per], within=abs(error) <= limit)
    return Line(key[0], key[1], names.get(key[1], key[1]), predicted, measured, noise, error, limit, verdict)


def _verdict(distance: float, noise: float, step: float, *, within: bool) -> Verdict:
    rounding = 1e-12
    if distance <= noise + rounding:
        return "in noise"
    if within:
        return "close"
    return "lab effect" if distance <= step + rounding else "OUTSIDE"


def _error(rule: Rule, predicted: float | None, measured: float | None) -> float:
    if predicted is None or measured is None:
        return 0.0 if predicted is measured else math.inf
    difference = predicted - measured
    if rule.points or difference == 0.0:
        return difference
    return difference / abs(measured) if measured else math.copysign(math.inf, difference)


def _steps(measured: Sequence[Recording]) -> dict[str, float]:
    """How far a metric may be off for the measuring machine's sake alone, by what it is counted in."""
    tick = float(measured[0].meta.get("clock_step_seconds", 0.0))
    own = median(float(run.meta.get("measuring_cpus", 0.0)) for run in measured)
    seconds = _seconds(measured[0])
    return {
        "second": tick,
        "usec": tick * 1e6,
        "run": own + (tick / seconds if seconds else 0.0),
        "bytes": float(_CHARGE_BATCH_BYTES),
        "none": 0.0,
    }


def figures(recording: Recording) -> dict[Key, float]:
    """The metrics of one run, by metric and cgroup; what the run does not have is not there.

    Rates are over the time between the first and the last reading, so that two runs of slightly different
    length compare: 2.5 s of CPU in 5.0 s is 0.5.
    """
    found: dict[Key, float] = {}
    for metric, cgroup, value in _all(recording):
        if not math.isnan(value):
            found[metric, cgroup] = value
    return found


def _all(recording: Recording) -> Iterator[tuple[str, CgroupName, float]]:
    shapes: Mapping[CgroupName, Sequence[str]] = recording.meta.get("shapes", {})
    yield from _cpu(recording, [name for name, has in shapes.items() if set(has) - {"memory"}])
    yield from _throttling(recording)
    yield from _completed(recording, shapes)
    yield from _memory(recording, [name for name, has in shapes.items() if "memory" in has])


def _seconds(recording: Recording) -> float:
    times = recording.samples.times
    return float(times[-1] - times[0]) if len(times) else 0.0


def _rises(recording: Recording, column: str) -> Callable[[CgroupName], float]:
    samples = recording.samples
    rises = samples.increase(column) if column in samples.columns else None
    place = {name: index for index, name in enumerate(samples.cgroups)}

    def of(name: CgroupName) -> float:
        return math.nan if rises is None or name not in place else float(rises[place[name]])

    return of


def _cpu(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    usage = _rises(recording, "cpu_stat_usage_usec")
    seconds = _seconds(recording)
    total = sum(usage(name) for name in names)
    for name in names:
        yield "cpu_usage", name, usage(name) / 1e6 / seconds if seconds else math.nan
        if len(names) > 1 and total > 0:
            yield "cpu_share", name, usage(name) / total


def _throttling(recording: Recording) -> Iterator[tuple[str, CgroupName, float]]:
    periods, throttled, usec = (
        _rises(recording, f"cpu_stat_{key}") for key in ("nr_periods", "nr_throttled", "throttled_usec")
    )
    seconds = _seconds(recording)
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


def _memory(recording: Recording, names: Sequence[CgroupName]) -> Iterator[tuple[str, CgroupName, float]]:
    samples = recording.samples
    killed: dict[CgroupName, float] = {}
    for event in recording.events:
        if event.kind in _OOM_KINDS:
            killed.setdefault(event.cgroup, event.time)
    peaks = dict(zip(samples.cgroups, memory_peaks(samples), strict=True))
    late = samples.times >= samples.times[-1] - 0.25 * _seconds(recording)
    for name in names:
        yield "memory_peak", name, float(peaks.get(name, math.nan))
        yield "oom_killed", name, float(name in killed)
        yield "oom_seconds", name, killed.get(name, math.nan)
        if name not in killed and "memory_current" in samples.columns and name in samples.cgroups:
            yield "memory_current", name, float(np.median(samples.column("memory_current", name)[late]))

"""How far a prediction is from what a real kernel did: a Recording against a measurement, metric by metric.

A prediction is one recording, the measurement several repeats; a metric's measured value is the median over
them and its noise the farthest repeat from it. Errors are signed: positive where too much was predicted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final, Literal

from qos.model.cgroup import CgroupName
from qos.model.sample import Recording
from qos.record.measured import Measured, subjects
from qos.record.run_figures import Key, figures

Verdict = Literal["in noise", "lab effect", "close", "OUTSIDE"]
_ROUNDING: Final = 1e-12
_CHARGE_BATCH_BYTES: Final = 64 * 4096
"""Memory is charged to a cgroup in batches of 64 pages a CPU (mm/memcontrol.c, MEMCG_CHARGE_BATCH)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a metric is judged.

    Attributes:
        tolerance: the largest error that is close: a fraction of the measured value, or of 1 in points.
        target: what the median over the suite shall be at most, in the same unit.
        points: the error is a difference, for metrics that are fractions themselves.
        outcome: the error is the fraction of repeats in which something else happened than predicted.
        floor: a smaller measured value is judged as if it were this large: 2 ms more of 1 ms are no 200 %.
            In the metric's unit; of ``usec`` metrics for each second of the run.
        per: what a tick of the measuring machine's clock is in this metric: "second" (s), "usec", "run" (a
            fraction of the run), "bytes" (no clock: the batch in which memory is charged), "none".
    """

    tolerance: float
    target: float
    points: bool = False
    outcome: bool = False
    floor: float = 0.0
    per: Literal["second", "usec", "run", "bytes", "none"] = "none"


RULES: Final[Mapping[str, Rule]] = {
    "cpu_usage": Rule(0.02, 0.005, floor=0.01, per="run"),
    "cpu_share": Rule(0.02, 0.005, floor=0.01, per="run"),
    "throttled_ratio": Rule(0.03, 0.005, points=True),
    "throttled_usec": Rule(0.08, 0.02, floor=10_000, per="usec"),
    "latency_p50": Rule(0.10, 0.03, per="second"),
    "latency_p99": Rule(0.20, 0.06, per="second"),
    "completion_seconds": Rule(0.03, 0.01, per="second"),
    "memory_current": Rule(0.02, 0.005, floor=1 << 20, per="bytes"),
    "memory_peak": Rule(0.02, 0.005, floor=1 << 20, per="bytes"),
    "oom_killed": Rule(0.02, 0.0, outcome=True),
    "evicted": Rule(0.02, 0.0, outcome=True),
    "loss_order": Rule(0.02, 0.0, outcome=True),
    "oom_seconds": Rule(0.10, 0.03, per="second"),
    "evict_seconds": Rule(0.10, 0.03, per="second"),
    "restarts": Rule(0.02, 0.0, outcome=True),
    "restart_seconds": Rule(0.10, 0.03, per="second"),
    "psi_cpu": Rule(0.20, 0.05, floor=10_000, per="usec"),
    "psi_memory": Rule(0.20, 0.05, floor=10_000, per="usec"),
    "psi_io": Rule(0.20, 0.05, floor=10_000, per="usec"),
    "pids_current": Rule(0.02, 0.0, outcome=True),
    "pids_refused": Rule(0.02, 0.0, outcome=True),
    "disk_bytes_per_second": Rule(0.05, 0.01, floor=1 << 16),
    "sent_bytes_per_second": Rule(0.05, 0.01, floor=1 << 13),
    "received_bytes_per_second": Rule(0.05, 0.01, floor=1 << 13),
}
"""The metrics of a comparison; tolerances are the worst that the project's targets allow."""


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one cgroup, predicted and measured.

    Attributes:
        metric: a name of :data:`RULES`: ``cpu_usage`` in CPUs, ``cpu_share`` of all leaves' use,
            latencies and times in seconds, memory in bytes, ``oom_killed`` and ``evicted`` 1 or 0,
            ``loss_order`` the place among all killed and evicted, ``psi_*`` the rise of the total in usec.
        cgroup: whose.
        subject: its name in words: ``pod/container``, ``pod``, or the cgroup's own.
        predicted: None where the prediction has no such thing.
        measured: median over the repeats; None where most have no such thing.
        noise: the farthest repeat from the median.
        error: as the metric's rule has it; infinite where only one side has a value.
        tolerance: what was allowed.
        verdict: ``in noise`` of the repeats, ``close``: within tolerance, explained by a ``lab effect`` (a
            tick of the measuring machine's clock, a batch of charged memory), or ``OUTSIDE``.
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
    """:func:`compare` with the repeats as they were recorded.

    Raises:
        ValueError: nothing was measured.
    """
    return compare([predicted], Measured.of(measured), tolerances)


def compare(
    predicted: Sequence[Recording], measured: Measured, tolerances: Mapping[str, float] | None = None
) -> tuple[Line, ...]:
    """Every metric that the measurement knows or only the prediction has, by metric then cgroup.

    A metric that a kernel does not tell of any cgroup (pressure in User Mode Linux 6.1), and one that the
    simulator does not compute of any, are not compared.

    Args:
        predicted: the simulated runs, of which the median counts, for chances that the kernel has and that
            a repeat shows (offsets of periods); ``meta["shapes"]`` says what each leaf's workload does.
        measured: the repeats.
        tolerances: instead of those of :data:`RULES`.
    """
    told = _median([figures(run) for run in predicted])
    keys = dict.fromkeys([*told, *(key for run in measured.runs for key in run)])
    order = list(RULES)
    wanted = sorted(keys, key=lambda key: (order.index(key[0]), key[1]))
    known = {key[0] for key in told} & {key[0] for run in measured.runs for key in run}
    allowed = tolerances or {}
    steps = _steps(measured)
    names = {**measured.names, **subjects(predicted[0])}
    return tuple(
        _line(key, names, told.get(key), [run.get(key) for run in measured.runs], allowed, steps)
        for key in wanted
        if key[0] in known or key[0] not in _OF_THE_KERNEL
    )


_OF_THE_KERNEL: Final = frozenset(
    {"psi_cpu", "psi_memory", "psi_io", "disk_bytes_per_second", "pids_current"}
)
"""Metrics that are there or not with the kernel's configuration, not with what happened."""


def _median(runs: Sequence[Mapping[Key, float]]) -> dict[Key, float]:
    """Of each figure that most of the runs have."""
    keys = dict.fromkeys(key for run in runs for key in run)
    values = {key: [run[key] for run in runs if key in run] for key in keys}
    return {key: median(there) for key, there in values.items() if 2 * len(there) > len(runs)}


def _line(
    key: Key,
    names: Mapping[CgroupName, str],
    predicted: float | None,
    runs: Sequence[float | None],
    allowed: Mapping[str, float],
    steps: Mapping[str, float],
) -> Line:
    rule = RULES[key[0]]
    limit = allowed.get(key[0], rule.tolerance)
    there = [value for value in runs if value is not None]
    measured = median(there) if 2 * len(there) > len(runs) else None
    noise = max((abs(value - measured) for value in there), default=0.0) if measured is not None else 0.0
    if rule.outcome:
        # in how many repeats it was otherwise; no noise excuses that
        error = sum(value != predicted for value in runs) / len(runs)
        verdict: Verdict = "OUTSIDE" if error > limit else "close" if error else "in noise"
        return Line(
            key[0], key[1], names.get(key[1], key[1]), predicted, measured, noise, error, limit, verdict
        )
    error = _error(rule, predicted, measured, steps["seconds"])
    if predicted is None or measured is None:
        verdict = "in noise" if predicted is None and measured is None else "OUTSIDE"
    else:
        within = abs(error) <= limit + _ROUNDING  # 0.98 - 0.95 is more than 0.03, as floats go
        verdict = _verdict(abs(predicted - measured), noise, steps[rule.per], within=within)
    return Line(key[0], key[1], names.get(key[1], key[1]), predicted, measured, noise, error, limit, verdict)


def _verdict(distance: float, noise: float, step: float, *, within: bool) -> Verdict:
    if distance <= noise + _ROUNDING:
        return "in noise"
    if within:
        return "close"
    return "lab effect" if distance <= step + _ROUNDING else "OUTSIDE"


def _error(rule: Rule, predicted: float | None, measured: float | None, seconds: float) -> float:
    if predicted is None or measured is None:
        return 0.0 if predicted is measured else math.inf
    difference = predicted - measured
    if rule.points or difference == 0.0:
        return difference
    floor = rule.floor * (seconds if rule.per == "usec" else 1.0)
    base = max(abs(measured), floor)
    return difference / base if base else math.copysign(math.inf, difference)


def _steps(measured: Measured) -> dict[str, float]:
    """How far a metric may be off for the measuring machine's sake alone, by what it is counted in."""
    tick, seconds = measured.clock_step_seconds, measured.seconds
    return {
        "second": tick,
        "usec": tick * 1e6,
        "run": tick / seconds if seconds else 0.0,
        "bytes": float(_CHARGE_BATCH_BYTES),
        "none": 0.0,
        "seconds": seconds,
    }

"""Objectives: what must hold (`web.p99=100ms`, `throttled=5%`, `oom=0`), and how sure some runs make it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from qos.model.expectation import parse_value
from qos.model.summary import Summary, WorkloadSummary

Kind = Literal["latency", "ratio", "count"]
EXPECTED: Final = "WORKLOAD.p99=100ms, throttled=5%, waited=5% or oom=0"
_LATENCIES: Final = ("p50", "p90", "p95", "p99", "max", "mean")
_PERCENT_OF: Final = MappingProxyType({"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99})


def _latency(name: str) -> Callable[[WorkloadSummary], float | None]:
    def read(fared: WorkloadSummary) -> float | None:
        value = fared.latency_seconds.get(name)
        if fared.completion_seconds is not None and fared.arrived is None:
            return None
        if value is None:
            return math.inf if fared.arrived else None
        missing = (fared.arrived or 0) - fared.completed
        # Requests that were never served are the slowest of all.
        if fared.arrived and missing > fared.arrived * (1.0 - _PERCENT_OF.get(name, 0.99)):
            return math.inf
        return value

    return read


METRICS: Final[Mapping[str, tuple[Kind, Callable[[WorkloadSummary], float | None]]]] = MappingProxyType(
    {
        **{name: ("latency", _latency(name)) for name in _LATENCIES},
        "throttled": ("ratio", lambda fared: fared.throttled_ratio),
        "waited": ("ratio", lambda fared: fared.waited_for_cpu),
        "oom": ("count", lambda fared: float(fared.oom_kills)),
        "evictions": ("count", lambda fared: float(fared.evictions)),
        "restarts": ("count", lambda fared: float(fared.restarts)),
    }
)


@dataclass(frozen=True, slots=True)
class Objective:
    """One figure of one workload (or of every one, ``workload`` "") that must stay at or below ``limit``.

    Seconds for latencies, a part of 1 for ratios, a count for kills.
    """

    text: str
    workload: str
    metric: str
    limit: float

    @property
    def kind(self) -> Kind:
        """What the figure is."""
        return METRICS[self.metric][0]

    def observe(self, summary: Summary) -> float | None:
        """The worst value among the workloads it is about; None where none has such a figure."""
        read = METRICS[self.metric][1]
        values = [read(fared) for name, fared in summary.workloads.items() if self.workload in {"", name}]
        known = [value for value in values if value is not None]
        return max(known) if known else None


def parse_objective(text: str) -> Objective:
    """An objective as it is typed.

    >>> parse_objective("web.p99=100ms")
    Objective(text='web.p99=100ms', workload='web', metric='p99', limit=0.1)

    Raises:
        ValueError: no objective; says what is wrong.
    """
    subject, equals, value = text.replace("<=", "=").partition("=")
    workload, _, metric = subject.strip().rpartition(".")
    if not equals or metric not in METRICS:
        msg = f"is no objective; figures: {', '.join(METRICS)}"
        raise ValueError(msg)
    try:
        limit = parse_value(value)
    except ValueError:
        msg = "has no such value"
        raise ValueError(msg) from None
    if not 0 <= limit < math.inf:
        msg = "must be 0 or more"
        raise ValueError(msg)
    if METRICS[metric][0] == "ratio" and limit > 1:
        msg = "is a part: 5% or 0.05"
        raise ValueError(msg)
    return Objective(text.strip(), workload, metric, limit)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over runs and the bounds it lies between with the asked confidence, each bound by itself."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One objective over several runs.

    Attributes:
        holds: even the upper bound is within the limit; for counts, no run exceeds it.
        breaks: even the lower bound exceeds the limit; for counts, some run does.
    """

    objective: Objective
    interval: Interval
    holds: bool
    breaks: bool


def judge(objective: Objective, summaries: Sequence[Sequence[Summary]], confidence: float) -> Judged:
    """One objective by the runs of several seeds, each run one or more nodes: the worst node counts.

    Without any such figure (no quota, so nothing is throttled) it holds.
    """
    values = []
    for nodes in summaries:
        known = [value for each in nodes if (value := objective.observe(each)) is not None]
        values.append(max(known, default=0.0))
    if objective.kind == "count":
        worst = max(values)
        found = Interval(sum(values) / len(values), min(values), worst)
        return Judged(objective, found, worst <= objective.limit, worst > objective.limit)
    found = interval(values, confidence)
    return Judged(objective, found, found.high <= objective.limit, found.low > objective.limit)


def interval(values: Sequence[float], confidence: float) -> Interval:
    """The mean and its one-sided bounds by Student's t; one value alone is its own bound.

    Of 1, 2 and 3 at 95 %: s = 1, 2.920 · 1/√3 = 1.686.

    >>> round(interval([1.0, 2.0, 3.0], 0.95).high, 3)
    3.686
    """
    count = len(values)
    mean = sum(values) / count
    if count < 2 or math.isinf(mean):
        finite = [value for value in values if not math.isinf(value)]
        return Interval(mean, min(values) if len(finite) == count else max(finite, default=mean), mean)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = t_quantile(confidence, count - 1) * spread / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t, from 0.5 up, by halving its distribution's integral (Simpson, 1e-6).

    >>> round(t_quantile(0.95, 2), 3), round(t_quantile(0.975, 9), 3)
    (2.92, 2.262)
    """
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        if 0.5 + _t_area(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _t_area(upper: float, degrees: int) -> float:
    """Area under Student's density from 0; over the angle atan(t/√ν), where it is smooth: cos^(ν−1)."""
    end = math.atan(upper / math.sqrt(degrees))
    steps = 200
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(math.pi)
    width = end / steps
    total = 0.0
    for step in range(steps + 1):
        weight = 1 if step in {0, steps} else 4 if step % 2 else 2
        total += weight * math.cos(step * width) ** (degrees - 1)
    return scale * total * width / 3

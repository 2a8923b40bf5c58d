"""Requests from usage, by three strategies: percentiles, the VPA's histograms, the smallest that holds.

Facts: Robusta KRR's `simple` strategy (CPU request the 95th percentile, no CPU limit, memory request and
limit the maximum plus 15 %, at least 10m and 100Mi); the VPA's logic/recommender.go, estimator.go and
model/container.go (target 90th percentile, bounds 50th and 95th with confidence multipliers, 15 % margin, at
least 25m and 250Mi, one memory peak a day, an OOM kill counts as max(+100Mi, x 1.2)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from qos.capacity.histogram import CPU_BUCKETS, MEMORY_BUCKETS, percentile
from qos.capacity.replay import late_share
from qos.model.usage import Floats, Usage

MIB: Final = 1 << 20
_DAY: Final = 86400.0
_MARGIN: Final = 1.15


@dataclass(frozen=True, slots=True)
class Resources:
    """A recommendation; None where nothing is known of that resource. The memory limit equals the request.

    Attributes:
        cpu_milli: thousandths of a CPU to request, rounded up; no limit.
        memory_bytes: request and limit, rounded up to MiB.
        cpu_bounds: (lower, upper) where the strategy has them.
        memory_bounds: the same of memory.
        reason: how it was found.
    """

    cpu_milli: int | None
    memory_bytes: int | None
    cpu_bounds: tuple[int, int] | None = None
    memory_bounds: tuple[int, int] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What the `slo` strategy holds on the usage it is fitted to.

    Attributes:
        late: part of a day's CPU time wanted that may come late while every neighbour takes all it can, so
            that the container has its request and no more.
    """

    late: float = 0.05


Strategy = Callable[[Usage, Objectives], Resources]


def by_percentile(usage: Usage, _: Objectives) -> Resources:
    """KRR's defaults."""
    cpu = milli(float(np.percentile(usage.cpu, 95)), 10) if len(usage.cpu) else None
    memory = mebibytes(float(usage.memory.max()) * _MARGIN, 100) if len(usage.memory) else None
    return Resources(cpu, memory, reason="CPU: 95th percentile; memory: maximum + 15 %")


def by_vpa(usage: Usage, _: Objectives) -> Resources:
    """The recommender's target and bounds, from the histories as they are now."""
    times, peaks = daily_peaks(usage)
    trust = confidence(usage)
    upper, lower = 1 + 1 / trust if trust else np.inf, (1 + 0.001 / trust) ** -2 if trust else 0.0

    def cpu(fraction: float, factor: float) -> int:
        return milli(percentile(usage.cpu, usage.cpu_times, fraction, CPU_BUCKETS) * _MARGIN * factor, 25)

    def memory(fraction: float, factor: float) -> int:
        return mebibytes(percentile(peaks, times, fraction, MEMORY_BUCKETS) * _MARGIN * factor, 250)

    bounded = trust > 0
    return Resources(
        cpu(0.9, 1.0) if len(usage.cpu) else None,
        memory(0.9, 1.0) if len(peaks) else None,
        (cpu(0.5, lower), cpu(0.95, upper)) if bounded and len(usage.cpu) else None,
        (memory(0.5, lower), memory(0.95, upper)) if bounded and len(peaks) else None,
        "90th percentile of decaying histograms (half-life 24 h) + 15 %",
    )


def by_slo(usage: Usage, objectives: Objectives) -> Resources:
    """The smallest values that hold the objective on this usage, and would have held it day after day.

    CPU: the smallest request with which no more than ``late`` of a day's work comes late on a node whose
    neighbours take all they can; recent days count (see :func:`smallest_cpu`). Memory: the highest so far,
    raised by as much as a new maximum ever passed the one before it (at least 2 %, at most doubled).
    """
    cpu = None
    if len(usage.cpu):
        cpu = milli(smallest_cpu(usage.cpu, usage.cpu_times, objectives.late), 1)
    memory, reason = None, f"CPU: at most {objectives.late:.0%} of a day's work late under contention"
    if len(usage.memory):
        margin = surprise(usage)
        memory = mebibytes(float(usage.memory.max()) * (1 + margin), 1)
        reason += f"; memory: maximum + {margin:.0%}, its largest surprise"
    return Resources(cpu, memory, reason=reason)


STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {"percentile": by_percentile, "vpa": by_vpa, "slo": by_slo}
)


def smallest_cpu(cpu: Floats, times: Floats, late: float) -> float:
    """The smallest CPU share that holds the objective, day by day; halving, to a thousandth.

    A day on which more than ``late`` of its work comes late breaks it; each day is judged alone, and what
    another left over is not carried into it. Days count back from the end and weigh half as much for each day
    that they are older, as the VPA's samples do; those that break the objective may weigh ``late`` of all
    together: with 5 % it has to hold on each of the last four days.
    """
    if not len(cpu):
        return 0.0
    day = ((times[-1] - times) // _DAY).astype(np.int64)
    days = [np.flatnonzero(day == number) for number in np.unique(day).tolist()]
    weights = [float(np.exp2(-float(day[rows[0]]))) for rows in days]

    def holds(cpus: float) -> bool:
        broken = 0.0
        for rows, weight in zip(days, weights, strict=True):
            broken += weight * (late_share(cpu[rows], times[rows], cpus) > late)
        return broken <= late * sum(weights)

    low, high = 0.0, float(cpu.max(initial=0.0))
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def daily_peaks(usage: Usage) -> tuple[Floats, Floats]:
    """End and peak of each day's memory, days counted from the first sample; OOM kills raise theirs."""
    if not len(usage.memory):
        return np.empty(0), np.empty(0)
    first = float(usage.memory_times[0])
    day = ((usage.memory_times - first) // _DAY).astype(np.int64)
    peaks = np.zeros(int(day[-1]) + 1)
    np.maximum.at(peaks, day, usage.memory)
    for time, limit in usage.oom:
        when = min(max(int((time - first) // _DAY), 0), len(peaks) - 1)
        used = max(limit, float(peaks[when]))
        peaks[when] = max(used + 100 * MIB, used * 1.2)
    seen = peaks > 0
    ends: Floats = first + (np.arange(len(peaks), dtype=np.float64) + 1.0) * _DAY
    return ends[seen], peaks[seen]


def confidence(usage: Usage) -> float:
    """Days of history, but no more than its samples would make at one a minute."""
    times = usage.cpu_times if len(usage.cpu_times) else usage.memory_times
    if len(times) < 2:
        return 0.0
    return float(min((times[-1] - times[0]) / _DAY, len(times) / 1440))


def surprise(usage: Usage, parts: int = 10) -> float:
    """By how much a part of the time ever exceeded the maximum of all before it; from 2 % to 100 %.

    The first fifth of the parts only sets the maximum.
    """
    pieces = np.array_split(usage.memory, parts)
    highest = np.maximum.accumulate([float(piece.max(initial=0.0)) for piece in pieces])
    start = max(1, parts // 5)
    passed = [
        highest[index] / highest[index - 1] - 1
        for index in range(start, len(highest))
        if highest[index - 1] > 0
    ]
    return float(min(1.0, max(0.02, *passed))) if passed else 0.02


def milli(cpus: float, least: int) -> int:
    """Thousandths, rounded up, at least so many."""
    if not np.isfinite(cpus):
        return 2**31
    return max(least, int(np.ceil(cpus * 1000 - 1e-6)))


def mebibytes(count: float, least: int) -> int:
    """Bytes, rounded up to whole MiB, at least so many MiB."""
    if not np.isfinite(count):
        return 2**50
    return max(least, int(np.ceil(count / MIB - 1e-9))) * MIB

"""What a workload's CPU shape submits over time, as a feed of (time, value) in order of time.

The value is the rate wanted from then on (CPUs), a piece of work (CPU-seconds) or the cost of one request
(CPU-seconds). Feeds depend on the seed and on nothing that is computed: every policy is judged by the same
arrivals (common random numbers).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.quantity import Quantity
from qos.model.workload import (
    Batch,
    Constant,
    CpuShape,
    Curve,
    OnOff,
    Periodic,
    Point,
    Random,
    Requests,
    Spin,
    Trace,
)  # fmt: skip
from qos.simulate.layout import BATCH, RATE, REQUESTS, SPIN, WORK
from qos.simulate.polygon import Polygon

Floats = NDArray[np.float64]
Feed = Iterator[tuple[Floats, Floats]]

CHUNK: Final = 1024
STEADY_SECONDS: Final = 0.02
"""Work submitted every so often, or more often, stands for a steady rate."""
_RAMP_LEVELS: Final = 256
_CYCLE_CORNERS: Final = 1440


@dataclass(frozen=True, slots=True)
class Demand:
    """How a source behaves (RATE, SPIN, WORK, REQUESTS, BATCH), its threads, and its feed."""

    kind: int
    threads: int
    feed: Feed


def number(quantity: Quantity) -> float:
    """A quantity as a float of whole units: 250m is 0.25."""
    return quantity.nano / 1e9


def seed_of(seed: int, cgroup: CgroupName, starts: int) -> np.random.SeedSequence:
    """The seed of a leaf's demand: from the pod's and container's name, not from the class or policy.

    ``kubepods/burstable/pod-a/web`` and ``kubepods/pod-a/web`` have the same one.
    """
    key = "/".join(cgroup.split("/")[-2:]).encode()
    words = np.frombuffer(hashlib.sha256(key).digest()[:16], dtype=np.uint32)
    return np.random.SeedSequence([seed, starts, *(int(word) for word in words)])


def demand_of(
    shape: CpuShape,
    seeds: np.random.SeedSequence,
    fluid_period: float,
    key: int = 0,
    tick_seconds: float = 0.0,
) -> Demand:
    """The demand of a CPU shape, its times counted from the start of the workload.

    Args:
        shape: the shape.
        seeds: seed of this leaf; arrivals and costs draw from streams of their own.
        fluid_period: work submitted every this many seconds or more often is a steady rate.
        key: of this leaf's draws (``step_draw.key_of``).
        tick_seconds: of a clock that CPU time is booked by, where work comes in whole ticks (see
            :func:`in_ticks` and :func:`in_whole_ticks`); 0: as the shape has it.
    """
    if isinstance(shape, Spin):
        ends = [] if shape.stop is None else [shape.stop]
        times = np.array([shape.start, *ends])
        return Demand(SPIN, shape.threads, iter([(times, np.array([shape.threads, *(0.0 for _ in ends)]))]))
    if isinstance(shape, OnOff):
        bursts = _every(shape.every, shape.offset, shape.burst * shape.threads)
        return Demand(WORK, shape.threads, _booked(bursts, shape.every, tick_seconds, shape.threads))
    if isinstance(shape, Batch):
        job = iter([(np.array([shape.start]), np.array([shape.cpu_time]))])
        return Demand(BATCH, shape.threads, job)
    if isinstance(shape, Requests):
        return Demand(REQUESTS, shape.workers, _requests(shape, seeds))
    if isinstance(shape, Random):
        feed = random_levels(shape, key)
        steady = shape.period <= fluid_period
        most = shape.threads or max(1, math.ceil(number(shape.high) - 1e-9))
        if steady:
            return Demand(RATE, most, feed)
        return Demand(WORK, most, _booked(_split(feed, shape), shape.period, tick_seconds, most))
    polygon = rate_polygon(shape)
    threads = shape.threads or max(1, math.ceil(float(polygon.values.max()) - 1e-9))
    if shape.period <= fluid_period:
        return Demand(RATE, threads, polygon.steps(shape.period, _RAMP_LEVELS))
    return Demand(WORK, threads, _booked(_pieces(polygon, shape.period), shape.period, tick_seconds, threads))


def rate_polygon(shape: Constant | Curve | Periodic | Trace) -> Polygon:
    """The rate of work over time, in CPUs."""
    if isinstance(shape, Constant):
        return Polygon(np.zeros(1), np.array([number(shape.cpu)]))
    if isinstance(shape, Curve):
        return curve_polygon(shape.points, repeat=shape.repeat)
    if isinstance(shape, Trace):
        times = np.asarray(shape.times_seconds, dtype=np.float64)
        values = np.asarray(shape.cpus, dtype=np.float64) * shape.scale
        corners = np.concatenate([[0.0], np.repeat(times, 2)])
        return Polygon(corners, np.concatenate([[0.0, 0.0], np.repeat(values, 2)[:-1]]))
    at = np.linspace(0.0, shape.cycle, _CYCLE_CORNERS + 1)
    wave = np.sin(2.0 * np.pi * (at + shape.phase) / shape.cycle)
    return Polygon(at, np.maximum(number(shape.mean) + number(shape.amplitude) * wave, 0.0), repeat=True)


def curve_polygon(points: tuple[Point, ...], *, repeat: bool = False) -> Polygon:
    """Points of a document as a polygon."""
    times = np.array([point.at for point in points], dtype=np.float64)
    return Polygon(times, np.array([max(number(point.value), 0.0) for point in points]), repeat)


def random_levels(shape: Random, key: int) -> Feed:
    """The drawn rates from the start on, one each ``every`` seconds."""
    from qos.simulate.step_draw import (  # noqa: PLC0415  compiled; a guest takes seconds to import it
        UNIT,
        draw_levels,
        halves,
        starts_on,
        threshold,
    )

    key0, key1 = halves(key)
    stay, go, part = (np.uint32(threshold(chance)) for chance in shape.chances)
    low, high = number(shape.low), number(shape.high)
    first, on = 0, starts_on(key0, key1, part)
    while True:
        levels = np.empty(CHUNK)
        on = draw_levels(key0, key1, stay, go, low, (high - low) * UNIT, first, on, levels)
        yield shape.every * np.arange(first, first + CHUNK, dtype=np.float64), levels
        first += CHUNK


def _split(feed: Feed, shape: Random) -> Feed:
    """Rates as pieces of work, submitted by the period."""
    pieces = max(1, round(shape.every / shape.period))
    offsets = shape.every / pieces * np.arange(pieces)
    for times, levels in feed:
        at: Floats = np.add.outer(times, offsets).ravel()
        yield at, np.repeat(levels * shape.every / pieces, pieces)


def is_steady(shape: CpuShape) -> bool:
    """Whether a shape's pieces of work stand for a steady rate, and where they are cut is of no meaning."""
    return getattr(shape, "period", math.inf) <= STEADY_SECONDS


def _booked(feed: Feed, period: float, tick: float, threads: int) -> Feed:
    if tick <= 0.0:
        return feed
    return in_ticks(feed, tick) if period <= STEADY_SECONDS else in_whole_ticks(feed, tick, threads)


def in_whole_ticks(feed: Feed, tick: float, threads: int) -> Feed:
    """The same pieces of work, each thread's part as many ticks as bring its sum closest to what is due.

    A thread whose clock moves by ticks (User Mode Linux) ends its work at one. Of bursts of 45 ms on ticks of
    10 ms it takes 40, 50, 40, … ms, and on two threads the burst of both is 80 or 100 ms, not 90.
    """
    due = 0.0
    for times, costs in feed:
        ends = due + np.cumsum(costs) / threads
        due = float(ends[-1])
        ticks = np.ceil(np.append(ends[0] - costs[0] / threads, ends) / tick - 0.5 - 1e-6)
        yield times, np.diff(ticks) * tick * threads


def in_ticks(feed: Feed, tick: float) -> Feed:
    """The same work in pieces of one tick, each when half of it was submitted.

    A clock of ticks (User Mode Linux) books a tick to who runs at it. A woken thread begins at one, or is
    alone, so a piece of a fifth of a tick is booked as nothing, and one of a whole tick as a tick.
    """
    before = 0.0
    for times, costs in feed:
        due = before + np.cumsum(costs)
        first, last = (math.floor(at / tick + 0.5) for at in (before, float(due[-1])))
        before = float(due[-1])
        marks: Floats = (np.arange(first, last, dtype=np.float64) + 0.5) * tick
        at = times[np.searchsorted(due, marks).clip(max=len(times) - 1)]
        # no work at the end: it tells how far time went where none is due
        yield np.append(at, times[-1]), np.append(np.full(len(marks), tick), 0.0)


def _every(period: float, offset: float, piece: float) -> Feed:
    first = 0
    while True:
        yield offset + period * np.arange(first, first + CHUNK, dtype=np.float64), np.full(CHUNK, piece)
        first += CHUNK


def _pieces(polygon: Polygon, period: float) -> Feed:
    """All that the rate brings in a period, submitted at its beginning."""
    first = 0
    while True:
        edges: Floats = period * np.arange(first, first + CHUNK + 1, dtype=np.float64)
        yield edges[:-1], np.diff(polygon.integral(edges))
        first += CHUNK


def _requests(shape: Requests, seeds: np.random.SeedSequence) -> Feed:
    """Arrivals by time-rescaling: a unit-rate stream mapped through the inverse of the summed-up rate."""
    arrival_seed, cost_seed = seeds.spawn(2)
    arrivals, costs = np.random.default_rng(arrival_seed), np.random.default_rng(cost_seed)
    polygon = (
        curve_polygon(shape.rate_curve)
        if shape.rate_curve is not None
        else Polygon(np.zeros(1), np.array([shape.rate or 0.0]))
    )
    stop = math.inf if shape.stop is None else shape.stop
    area = 0.0
    while True:
        if shape.arrivals == "poisson":
            areas = area + np.cumsum(arrivals.exponential(size=CHUNK))
            area = float(areas[-1])
        else:
            areas = area + np.arange(CHUNK, dtype=np.float64)
            area += CHUNK
        times = shape.start + polygon.inverse(areas)
        values = _costs(shape, costs)
        inside = times < stop
        if not inside.all():
            yield times[inside], values[inside]
            return
        yield times, values


def _costs(shape: Requests, rng: np.random.Generator) -> Floats:
    """CPU-seconds of CHUNK requests; mean ``cpu_per_request``, for lognormal variation ``cv``."""
    if shape.cost == "constant":
        return np.full(CHUNK, shape.cpu_per_request)
    if shape.cost == "exponential":
        return rng.exponential(shape.cpu_per_request, CHUNK)
    variance = math.log1p(shape.cv**2)
    return rng.lognormal(math.log(shape.cpu_per_request) - variance / 2.0, math.sqrt(variance), CHUNK)

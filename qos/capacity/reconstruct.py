"""What a container wanted of the CPU, guessed from what a recording counted.

A recording has usage and throttling, not arrivals. The guess: work comes in pieces (requests) at random
moments (Poisson), of exponential size, each on one thread. Their rate follows the recorded usage; their mean
size and how many run at once are those whose replay under the recorded limit is throttled as the recording
was. A container that ran at its limit all the time wants more than anybody saw: it is taken to want all the
CPU that so many threads can use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from qos.model.usage import Floats

Kind = Literal["idle", "pieces", "threads"]
Measure = Callable[[float, int], tuple[float, float]]
"""(mean piece in CPU-seconds, at once) → (part of periods throttled, run queues throttled on average)."""

USUAL_PIECE_SECONDS: Final = 0.01
"""The size of a piece where nothing tells it: nothing was throttled, no request was counted."""
SHORTEST_PIECE_SECONDS: Final = 0.001
LONGEST_PIECE_SECONDS: Final = 2.0
FEWEST_PIECES: Final = 20
"""In a recording; larger pieces than that allows are not looked at."""
_AT_ONCE: Final = (1, 2, 4, 8, 16, 32)
_AT_LIMIT: Final = 0.96
_ALWAYS: Final = 0.9
_IDLE_CPUS: Final = 0.0005
_STEPS: Final = 9
_PARTS: Final = 60
_SHORTEST_PART_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What a recording counted of one container.

    Attributes:
        times: (T + 1,) seconds.
        cpus: (T,) CPUs used between two of them.
        limit_cpus: of its own cgroup or one above, None without.
        throttled: part of the periods in which it was throttled.
        throttled_queues: run queues throttled, on average over the time.
        waited: part of the time in which a thread of it waited for a CPU (cpu.pressure), None if not read.
        completed: requests finished, 0 if none were counted.
    """

    times: Floats
    cpus: Floats
    limit_cpus: float | None
    throttled: float
    throttled_queues: float
    waited: float | None
    completed: int = 0

    @property
    def seconds(self) -> float:
        """How long."""
        return float(self.times[-1] - self.times[0])

    @property
    def mean_cpus(self) -> float:
        """CPUs used on average."""
        return float((self.cpus * np.diff(self.times)).sum() / self.seconds)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A guess of what a container wanted.

    Attributes:
        kind: ``idle``, ``pieces`` of work, or ``threads`` that always run.
        times: (N,) start of each stretch of an equal rate, from 0 on.
        rates: (N,) CPUs wanted in it.
        piece_seconds: CPU-seconds of a piece on average.
        at_once: pieces in work at once at most, or threads.
        assumed: why it is so, in words.
    """

    kind: Kind
    times: Floats
    rates: Floats
    piece_seconds: float
    at_once: int
    assumed: str


def wanted_of(counted: Counted, cpus: int, measure: Measure, piece_seconds: float | None = None) -> Wanted:
    """The guess for one container.

    Args:
        counted: what the recording has.
        cpus: of the machine.
        measure: replays it under the recorded limit.
        piece_seconds: CPU-seconds of a request where the user knows it.
    """
    times, rates = stretches(counted)
    if counted.mean_cpus < _IDLE_CPUS:
        return Wanted("idle", times, rates, 0.0, 0, "used next to nothing: left out")
    threads = always_running(counted, cpus)
    if threads:
        return Wanted(
            "threads", times, rates, 0.0, threads,
            f"ran at its limit all the time: taken to be {threads} {_plural('thread', threads)} that never "
            "wait; what it really wants is not known",
        )  # fmt: skip
    known, why = piece_seconds, "told"
    if known is None and counted.completed >= FEWEST_PIECES:
        known = counted.mean_cpus * counted.seconds / counted.completed
        why = "requests were counted"
    if known is None and counted.throttled <= 0:
        piece = _below_throttling(measure)
        return Wanted(
            "pieces", times, rates, piece, _AT_ONCE[-1],
            f"was never throttled, so pieces of {piece * 1e3:.3g} ms are assumed, not found",
        )  # fmt: skip
    piece, at_once = _fitted(counted, measure, known)
    found = (
        f"pieces of {piece * 1e3:.3g} ms ({why})"
        if known
        else f"pieces of {piece * 1e3:.3g} ms are throttled as it was"
    )
    return Wanted("pieces", times, rates, piece, at_once, f"{found}, at most {at_once} at once")


def stretches(counted: Counted) -> tuple[Floats, Floats]:
    """Usage over stretches of at least 5 s, 60 of them at most.

    Shorter ones would show single pieces, which the replay draws itself.
    """
    parts = int(np.clip(counted.seconds // _SHORTEST_PART_SECONDS, 1, _PARTS))
    edges = np.linspace(counted.times[0], counted.times[-1], parts + 1)
    used = np.concatenate([[0.0], np.cumsum(counted.cpus * np.diff(counted.times))])
    at = np.interp(edges, counted.times, used)
    return edges[:-1] - counted.times[0], np.diff(at) / np.diff(edges)


def always_running(counted: Counted, cpus: int) -> int:
    """How many threads never waited for work, 0 where it did.

    A thread that always wants to run is on a CPU or throttled: threads = CPUs used + run queues throttled.
    """
    limit = counted.limit_cpus
    if limit is not None and limit < cpus:
        at_limit = float(np.mean(counted.cpus >= _AT_LIMIT * limit)) if len(counted.cpus) else 0.0
        if at_limit >= _ALWAYS and counted.throttled >= _ALWAYS:
            return max(1, round(counted.mean_cpus + counted.throttled_queues))
    elif counted.waited is not None and counted.waited >= _ALWAYS:
        return max(1, math.ceil(float(counted.cpus.max()) - 0.05))
    whole = round(counted.mean_cpus)
    steady = whole >= 1 and bool((np.abs(counted.cpus - whole) <= 0.02 * whole).all())
    return whole if steady and (limit is None or whole < limit * _AT_LIMIT) else 0


def _below_throttling(measure: Measure) -> float:
    """The usual size, or a smaller one that is not throttled either."""
    piece = USUAL_PIECE_SECONDS
    while piece > SHORTEST_PIECE_SECONDS and measure(piece, _AT_ONCE[-1])[0] > 0.01:
        piece /= 2
    return piece


def _fitted(counted: Counted, measure: Measure, known: float | None) -> tuple[float, int]:
    """The size and number at once that come nearest to both figures of throttling."""
    best: tuple[float, float, int] = (math.inf, known or USUAL_PIECE_SECONDS, _AT_ONCE[-1])
    for at_once in reversed(_AT_ONCE):
        if at_once <= counted.mean_cpus:
            continue
        piece = known if known is not None else _piece_for(counted, measure, at_once)
        error = _error(counted, measure(piece, at_once))
        if error < best[0] - 0.005:
            best = (error, piece, at_once)
    return best[1], best[2]


def _piece_for(counted: Counted, measure: Measure, at_once: int) -> float:
    """Larger pieces are throttled more often: the size by halving the logarithm."""
    most = min(LONGEST_PIECE_SECONDS, counted.mean_cpus * counted.seconds / FEWEST_PIECES)
    low, high = math.log(SHORTEST_PIECE_SECONDS), math.log(max(most, 2 * SHORTEST_PIECE_SECONDS))
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if measure(math.exp(middle), at_once)[0] < counted.throttled:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _error(counted: Counted, got: tuple[float, float]) -> float:
    """Points of periods, and the throttled time as a part of what was counted."""
    ratio, queues = got
    scale = max(counted.throttled_queues, 0.01)
    return abs(ratio - counted.throttled) + 0.5 * min(abs(queues - counted.throttled_queues) / scale, 2.0)


def busiest(weights: Sequence[float], times: Floats, seconds: float) -> tuple[int, int]:
    """The stretch of at most ``seconds`` with the greatest sum: indices of its first and last reading.

    >>> busiest([0.0, 1.0, 5.0, 0.0], np.array([0.0, 1.0, 2.0, 3.0, 4.0]), 2.0)
    (1, 3)
    """
    summed = np.concatenate([[0.0], np.cumsum(weights)])
    ends = np.searchsorted(times, times + seconds, side="right") - 1
    sums = summed[ends] - summed[np.arange(len(times))]
    first = int(np.argmax(sums))
    return first, int(ends[first])


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"

"""Burning CPU time to the point: what the worker processes of a load do. Standard library only.

A worker does not count loops: it reads a clock of its own CPU time and stops when it has used what it was
given, its own housekeeping included. So a request of 5 ms costs 5 ms however fast the machine is.

Source: clock_gettime(2), CLOCK_THREAD_CPUTIME_ID.
"""

from __future__ import annotations

import itertools
import os
import struct
import time
from functools import cache
from typing import Final, Protocol

RECORD: Final = struct.Struct("=dd")
"""A piece of work: when it arrives (seconds after the start) and its CPU seconds. A result: when it had
arrived, and how many seconds later it was done."""

COARSE_SECONDS: Final = 0.001
"""A thread's CPU clock with such steps moves with the scheduler's tick."""
_TOO_COARSE_SECONDS: Final = 0.004
"""A tick from which on the kernel's count cannot tell how long one request took."""
_CHUNK_SECONDS: Final = 0.0001
_FIRST_RATE: Final = 2e6  # loops a second; adapts at once
_END_POLL_SECONDS: Final = 0.05


class Clock(Protocol):
    """CPU seconds used by this process, as far as they count."""

    def start(self) -> None:
        """Count from now on: what getting ready cost is not the workload's."""

    def used(self) -> float:
        """CPU seconds since the clock was started."""

    def resume(self) -> None:
        """To be called after a wait, before which :meth:`used` was."""


class ThreadClock:
    """The kernel's own count of this thread's CPU time.

    Args:
        tick_seconds: its step where it moves with the scheduler's tick only (User Mode Linux): half a step is
            added, so that work ends at the tick nearest to it and a long load has what it was given.
    """

    def __init__(self, tick_seconds: float = 0.0) -> None:
        self._half = tick_seconds / 2.0
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._zero = time.thread_time() - self._half

    def used(self) -> float:
        """CPU seconds since the clock was started."""
        return time.thread_time() - self._zero

    def resume(self) -> None:
        """Nothing to do: waiting does not count."""


class GapClock:
    """Where the CPU clock is as coarse as the scheduler's tick (User Mode Linux): wall clock without gaps.

    Between two readings of a busy loop at most a few hundred microseconds pass; when most of a tick or more
    did, the process was off the CPU, preempted or throttled, and the gap does not count. So a request of 5 ms
    takes 5 ms, whatever the kernel, which sees it at ticks, bills for it. Over many it bills the same, unless
    the machine under the guest takes time away: that, too, is a gap, but the guest's kernel bills it.
    """

    def __init__(self, tick_seconds: float) -> None:
        self._tick = tick_seconds
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._used = 0.0
        self._last = time.monotonic()

    def used(self) -> float:
        """CPU seconds since the clock was started."""
        now = time.monotonic()
        step = now - self._last
        if step < 0.6 * self._tick:
            self._used += step
        self._last = now
        return self._used

    def resume(self) -> None:
        """Leave out the time that was waited."""
        self._last = time.monotonic()


@cache
def clock_step(busy_seconds: float = 0.05) -> float:
    """The smallest step the thread's CPU clock makes, in seconds; all of ``busy_seconds`` if it made none."""
    first = time.thread_time()
    end = time.monotonic() + busy_seconds
    while time.monotonic() < end:
        now = time.thread_time()
        if now > first:
            return now - first
    return busy_seconds


def make_clock(step_seconds: float, *, one_by_one: bool) -> Clock:
    """The clock a worker goes by, given the step of the thread's own (see :func:`clock_step`).

    Args:
        step_seconds: of the thread's own clock.
        one_by_one: each piece shall take as long as it costs, as its latency is looked at; else only their
            sum counts, and that the kernel's count is the same.
    """
    if step_seconds < COARSE_SECONDS:
        return ThreadClock()
    if one_by_one and step_seconds >= _TOO_COARSE_SECONDS:
        return GapClock(step_seconds)
    return ThreadClock(step_seconds)


class Burner:
    """Uses CPU time up to a total.

    Attributes:
        rate: loops a second, as last seen.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rate = _FIRST_RATE

    def burn_to(self, total_seconds: float) -> None:
        """Work until this process has used ``total_seconds`` of CPU since its clock was started."""
        clock = self._clock
        used = clock.used()
        while (left := total_seconds - used) > 0.0:
            loops = int(min(left, _CHUNK_SECONDS) * self.rate) + 1
            for _ in itertools.repeat(None, loops):
                pass
            now = clock.used()
            if (took := now - used) > 0.0 and loops > 100:
                self.rate = min(max(loops / took, self.rate / 2), self.rate * 2)
            used = now


def warm_up() -> None:
    """Do once what a worker does, so that the pages it needs are its own before the start is measured."""
    Burner(ThreadClock()).burn_to(0.001)
    RECORD.unpack(RECORD.pack(0.0, 0.0))


def serve(queue: int, results: int, start: float, clock: Clock) -> None:
    """Take pieces of work from a shared queue, oldest first, until this process is ended.

    The queue is a file whose position all workers share: one read takes one piece, and no two get the
    same. A piece that is still to come is waited for. Returns never, but for a queue that was closed by an
    arrival that is not a number.

    Args:
        queue: descriptor of :data:`RECORD` pieces in order of arrival.
        results: descriptor that gets a :data:`RECORD` for each piece done.
        start: the moment on the monotonic clock from which arrivals count.
        clock: CPU time of this process.
    """
    burner = Burner(clock)
    given = 0.0
    time.sleep(max(0.0, start - time.monotonic()))
    clock.start()
    while True:
        piece = os.read(queue, RECORD.size)
        if len(piece) < RECORD.size:
            time.sleep(_END_POLL_SECONDS)
            continue
        arrival, cost = RECORD.unpack(piece)
        if arrival != arrival:  # noqa: PLR0124 — NaN is the end of the queue
            _wait_for_all(queue, results)
            return
        wait = start + arrival - time.monotonic()
        if wait > 0.0:
            clock.used()  # taking the piece was work, too
            time.sleep(wait)
            clock.resume()
        given += cost
        burner.burn_to(given)
        os.write(results, RECORD.pack(arrival, time.monotonic() - start - arrival))


def _wait_for_all(queue: int, results: int) -> None:
    """Leave the queue's end to the others, and wait for what they still do: ending costs CPU time, too."""
    pieces = os.lseek(queue, -RECORD.size, os.SEEK_CUR)
    while os.fstat(results).st_size < pieces:
        time.sleep(_END_POLL_SECONDS)


def spin(start: float, stop: float | None) -> None:
    """Want a CPU all the time, from ``start`` to ``stop`` on the monotonic clock, or for ever."""
    time.sleep(max(0.0, start - time.monotonic()))
    while stop is None or time.monotonic() < stop:
        for _ in itertools.repeat(None, 100_000):
            pass

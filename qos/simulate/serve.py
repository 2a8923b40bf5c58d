"""What one workload does with the CPU it gets: what it wants, when that changes, what it has done."""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import (
    ARRIVED,
    BATCH,
    COMPLETED,
    DEMAND,
    EPSILON,
    FROZEN,
    LOST,
    RATE,
    REQUESTS,
    SPIN,
    STARVED,
    SUBMITTED,
    UNLIMITED,
    USAGE,
    WAIT_CPU,
    WAIT_QUOTA,
)  # fmt: skip
from qos.simulate.queueing import admit, admit_thread, complete, complete_running


@inner
def feed_source(source: Any, counters: Any, feed_times: Any, feed_values: Any, now: float) -> None:
    """Take from the feed all that is due."""
    while source.feed < source.feed_end and feed_times[source.feed] <= now + EPSILON:
        value = feed_values[source.feed]
        if source.kind <= SPIN:
            source.demand = value
        else:
            source.backlog += value
            counters[SUBMITTED] += value
            counters[ARRIVED] += 1.0
            if source.kind == BATCH:
                source.began = now
                source.behind = 1
        source.feed += 1


@inner
def runnable_of(source: Any) -> float:
    """Threads that want a CPU now; of a steady rate that is served, the rate itself."""
    if source.kind == RATE:
        return float(source.threads if source.behind else min(source.demand, source.threads))
    if source.kind == SPIN:
        return float(source.demand)
    if source.kind == REQUESTS:
        return float(source.in_service)
    return float(source.threads) if source.backlog > 0.0 else 0.0


@inner
def next_of(source: Any, now: float, feed_times: Any, keys: Any) -> float:
    """When a source next changes what it wants, at its rate of CPU."""
    time = feed_times[source.feed] if source.feed < source.feed_end else UNLIMITED
    rate = source.rate
    if source.kind == RATE:
        if source.behind and rate > source.demand:
            time = min(time, now + source.backlog / (rate - source.demand))
    elif source.kind == REQUESTS:
        if source.in_service > 0 and rate > 0.0:
            if source.sliced:
                time = min(time, now + keys[source.heap + source.running] / rate)
            else:
                time = min(time, now + (keys[source.heap] - source.virtual) * source.in_service / rate)
    elif source.kind != SPIN and source.backlog > 0.0 and rate > 0.0:
        time = min(time, now + source.backlog / rate)
    return float(max(time, now))


@inner
def catch_up(source: Any, counters: Any, keys: Any, turns: Any, now: float) -> None:
    """Let the time since the last look pass at a constant rate, and say what waiting threads waited for."""
    span = now - source.since
    source.since = now
    if span <= 0.0:
        return
    used = source.rate * span
    if source.held != FROZEN:
        counters[USAGE] += used
        counters[DEMAND] += source.runnable * span
        counters[WAIT_QUOTA if source.held == STARVED else WAIT_CPU] += (source.runnable - source.rate) * span
    if source.kind == RATE:
        counters[SUBMITTED] += source.demand * span
        source.backlog = max(source.backlog + (source.demand - source.rate) * span, 0.0)
    elif source.kind == REQUESTS:
        if source.sliced:
            keys[source.heap + source.running] -= used
            turns[source.heap + source.running] += used
        elif source.in_service > 0:
            source.virtual += used / source.in_service
    elif source.kind != SPIN:
        source.backlog -= used


@inner
def settle(
    index: int, source: Any, counters: Any, now: float,
    feed_times: Any, feed_values: Any, keys: Any, arrivals: Any, turns: Any, done: Any, used: int,
) -> int:  # fmt: skip
    """Let happen what is due at a source now; returns how many rows of ``done`` are used."""
    if source.kind == REQUESTS:
        if source.sliced:
            used = complete_running(index, source, keys, arrivals, turns, counters, done, used, now)
        else:
            used = complete(index, source, keys, arrivals, counters, done, used, now)
    elif source.kind == RATE:
        if source.behind and source.backlog <= EPSILON:
            source.behind = 0
            source.backlog = 0.0
    elif source.kind != SPIN and source.backlog <= EPSILON:
        if source.kind == BATCH and source.behind:
            source.behind = 0
            done[used].source = index
            done[used].arrival = source.began
            done[used].latency = now - source.began
            used += 1
            counters[COMPLETED] += 1.0
        source.backlog = 0.0
    feed_source(source, counters, feed_times, feed_values, now)
    if source.kind == REQUESTS:
        if source.sliced:
            admit_thread(source, feed_times, feed_values, keys, arrivals, turns)
        else:
            admit(source, feed_times, feed_values, keys, arrivals)
    return used


@inner
def stop(source: Any, node: Any, counters: Any) -> None:
    """A workload ends before its time: what waits and what is in service is lost."""
    if source.kind == REQUESTS:
        counters[LOST] += source.in_service + source.feed - source.queue
    source.alive = 0
    source.in_service = 0
    source.backlog = 0.0
    node.runnable = 0.0

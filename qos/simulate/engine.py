"""The event loop: between events every rate is constant, so time jumps from event to event.

Events are: demand changes, a request or piece of work is done, a quota runs dry, a period that matters
ends, a reading is due. Nothing else costs time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from qos.simulate.layout import (
    ARRIVED,
    BACKLOG,
    BATCH,
    COMPLETED,
    DEMAND,
    EPSILON,
    EVENT_THROTTLE,
    FIRST_LOCAL,
    FROZEN,
    RATE,
    REQUESTS,
    SPIN,
    STARVED,
    SUBMITTED,
    THROTTLED,
    USAGE,
    WAIT_CPU,
    WAIT_QUOTA,
)
from qos.simulate.queueing import admit, complete
from qos.simulate.quota import account, next_event, start_timer
from qos.simulate.share import UNLIMITED, gather, share

FINISHED: Final = 0
NEED_COMPLETIONS: Final = 1
NEED_EVENTS: Final = 2

# The clock: what the engine carries from call to call.
NOW: Final = 0
NEXT_SAMPLE: Final = 1
INTERVAL: Final = 2
ROWS: Final = 3
DONE_ROWS: Final = 4
EVENT_ROWS: Final = 5
CLOCK_FIELDS: Final = 6


@njit(cache=True, nogil=True)
def feed_source(source: Any, counters: Any, feed_times: Any, feed_values: Any, now: float) -> None:
    """Take from the feed all that is due."""
    while source.feed < source.feed_end and feed_times[source.feed] <= now + EPSILON:
        value = feed_values[source.feed]
        if source.kind == RATE or source.kind == SPIN:
            source.demand = value
        else:
            source.backlog += value
            counters[SUBMITTED] += value
            counters[ARRIVED] += 1.0
            if source.kind == BATCH:
                source.began = now
                source.behind = 1
        source.feed += 1


@njit(cache=True, nogil=True)
def runnable_of(source: Any) -> float:
    """Threads that want a CPU now; of a steady rate that is served, the rate itself."""
    if source.kind == RATE:
        return source.threads if source.behind else min(source.demand, source.threads)
    if source.kind == SPIN:
        return source.demand
    if source.kind == REQUESTS:
        return float(source.in_service)
    return source.threads if source.backlog > 0.0 else 0.0


@njit(cache=True, nogil=True)
def next_of(source: Any, rate: float, now: float, feed_times: Any, keys: Any) -> float:
    """When a source next changes what it wants, at this rate of CPU."""
    time = feed_times[source.feed] if source.feed < source.feed_end else UNLIMITED
    if source.kind == RATE:
        if source.behind and rate > source.demand:
            time = min(time, now + source.backlog / (rate - source.demand))
    elif source.kind == REQUESTS:
        if source.in_service > 0 and rate > 0.0:
            time = min(time, now + (keys[source.heap] - source.virtual) * source.in_service / rate)
    elif source.kind != SPIN and source.backlog > 0.0 and rate > 0.0:
        time = min(time, now + source.backlog / rate)
    return max(time, now)


@njit(cache=True, nogil=True)
def serve(source: Any, counters: Any, node: Any, span: float) -> None:
    """Let ``span`` seconds pass at a constant rate, and say what the threads that did not run waited for."""
    rate = node.rate
    used = rate * span
    if node.held != FROZEN:
        counters[USAGE] += used
        counters[DEMAND] += node.runnable * span
        counters[WAIT_QUOTA if node.held == STARVED else WAIT_CPU] += (node.runnable - rate) * span
    if source.kind == RATE:
        counters[SUBMITTED] += source.demand * span
        source.backlog = max(source.backlog + (source.demand - rate) * span, 0.0)
    elif source.kind == REQUESTS:
        if source.in_service > 0:
            source.virtual += used / source.in_service
    elif source.kind != SPIN:
        source.backlog -= used


@njit(cache=True, nogil=True)
def settle(
    index: int, source: Any, counters: Any, rate: float, now: float,
    feed_times: Any, feed_values: Any, keys: Any, arrivals: Any, done: Any, used: int,
) -> int:  # fmt: skip
    """Let happen what is due at a source now; returns how many rows of ``done`` are used."""
    if source.kind == REQUESTS:
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
        admit(source, feed_times, feed_values, keys, arrivals)
    return used


@njit(cache=True, nogil=True)
def read_row(nodes: Any, sources: Any, counters: Any, row: Any, keys: Any) -> None:
    """Write one reading: the counters of every cgroup with those of its descendants."""
    row[:] = counters
    for index in range(len(sources)):
        source = sources[index]
        if source.alive:
            left = source.backlog
            if source.kind == REQUESTS:
                for place in range(source.heap, source.heap + source.in_service):
                    left += keys[place] - source.virtual
            row[source.node, BACKLOG] = left
    for index in range(len(nodes) - 1, 0, -1):
        above = nodes[index].parent
        for column in range(FIRST_LOCAL):
            row[above, column] += row[index, column]
        row[above, BACKLOG] += row[index, BACKLOG]


@njit(cache=True, nogil=True)
def log_throttled(nodes: Any, log: Any, used: int, now: float) -> int:
    """Note the cgroups throttled now that were not in the ten seconds before."""
    for index in range(1, len(nodes)):
        node = nodes[index]
        if node.throttled:
            if now - node.last_throttled > 10.0 and used < len(log):
                entry = log[used]
                entry.time = now
                entry.kind = EVENT_THROTTLE
                entry.node = index
                entry.about = index
                entry.a = node.runnable
                used += 1
            node.last_throttled = now
    return used


@njit(cache=True, nogil=True)
def run(
    until: float, clock: Any, nodes: Any, sources: Any, feed_times: Any, feed_values: Any,
    keys: Any, arrivals: Any, counters: Any, rows: Any, row_times: Any, done: Any, log: Any,
) -> int:  # fmt: skip
    """Advance to ``until``. Returns FINISHED, or which buffer has to be emptied before going on."""
    now = clock[NOW]
    done_rows, event_rows = int(clock[DONE_ROWS]), int(clock[EVENT_ROWS])
    status = FINISHED
    while True:
        if done_rows + len(keys) + len(sources) > len(done):
            status = NEED_COMPLETIONS
            break
        if event_rows + len(nodes) > len(log):
            status = NEED_EVENTS
            break
        for index in range(len(sources)):
            source = sources[index]
            if source.alive:
                node = nodes[source.node]
                done_rows = settle(
                    index, source, counters[source.node], node.rate, now,
                    feed_times, feed_values, keys, arrivals, done, done_rows,
                )  # fmt: skip
                node.runnable = runnable_of(source)
        if gather(nodes) > 0:
            event_rows = log_throttled(nodes, log, event_rows, now)
        share(nodes)
        if clock[NEXT_SAMPLE] <= now + EPSILON:
            row = int(clock[ROWS])
            read_row(nodes, sources, counters, rows[row], keys)
            row_times[row] = clock[NEXT_SAMPLE]
            clock[ROWS] += 1.0
            clock[NEXT_SAMPLE] = (np.round(clock[NEXT_SAMPLE] / clock[INTERVAL]) + 1.0) * clock[INTERVAL]
        if now >= until - EPSILON:
            break
        then = min(until, clock[NEXT_SAMPLE])
        for index in range(len(nodes)):
            node = nodes[index]
            if node.quota < UNLIMITED:
                start_timer(node, now)
                then = min(then, next_event(node, now))
        for index in range(len(sources)):
            source = sources[index]
            if source.alive:
                rate = nodes[source.node].rate
                if source.kind == RATE and not source.behind and rate < source.demand - EPSILON:
                    source.behind = 1
                    nodes[source.node].runnable = source.threads
                then = min(then, next_of(source, rate, now, feed_times, keys))
        then = max(then, now)
        span = then - now
        for index in range(len(sources)):
            source = sources[index]
            if source.alive:
                node = nodes[source.node]
                serve(source, counters[source.node], node, span)
        for index in range(len(nodes)):
            node = nodes[index]
            if node.quota < UNLIMITED:
                if node.throttled:
                    counters[index, THROTTLED] += np.ceil(min(node.runnable, node.cpus) - EPSILON) * span
                account(node, counters[index], then)
        now = then
    clock[NOW] = now
    clock[DONE_ROWS], clock[EVENT_ROWS] = float(done_rows), float(event_rows)
    return status

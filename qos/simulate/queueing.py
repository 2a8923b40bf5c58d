"""Requests of one leaf: a first-in-first-out queue before workers, and workers that share the CPU equally.

Requests in service all get CPU at the same rate, so each finishes when the CPU time that every request has
got (``virtual``) reaches what it had when it began plus its cost: a heap by that number is all that is
needed (processor sharing by attained service).
"""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import COMPLETED, EPSILON, UNLIMITED


@inner
def push(keys: Any, arrivals: Any, start: int, length: int, key: float, arrival: float) -> None:
    """Add to the binary heap that lies at [start, start + length)."""
    at = length
    while at > 0:
        above = (at - 1) // 2
        if keys[start + above] <= key:
            break
        keys[start + at] = keys[start + above]
        arrivals[start + at] = arrivals[start + above]
        at = above
    keys[start + at] = key
    arrivals[start + at] = arrival


@inner
def pop(keys: Any, arrivals: Any, start: int, length: int) -> None:
    """Drop the smallest of the binary heap that lies at [start, start + length)."""
    last = length - 1
    key, arrival = keys[start + last], arrivals[start + last]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= last:
            break
        if child + 1 < last and keys[start + child + 1] < keys[start + child]:
            child += 1
        if keys[start + child] >= key:
            break
        keys[start + at] = keys[start + child]
        arrivals[start + at] = arrivals[start + child]
        at = child
    keys[start + at] = key
    arrivals[start + at] = arrival


@inner
def admit(source: Any, feed_times: Any, feed_values: Any, keys: Any, arrivals: Any) -> None:
    """Give waiting requests to free workers, oldest first."""
    while source.in_service < source.threads and source.queue < source.feed:
        if source.in_service == 0:
            source.virtual = 0.0
        key = source.virtual + feed_values[source.queue]
        push(keys, arrivals, source.heap, source.in_service, key, feed_times[source.queue])
        source.backlog -= feed_values[source.queue]
        source.in_service += 1
        source.queue += 1


@inner
def complete(
    index: int, source: Any, keys: Any, arrivals: Any, counters: Any, done: Any, used: int, now: float
) -> int:
    """Move finished requests to ``done`` (room was made before); returns how many rows are used there."""
    while source.in_service > 0 and keys[source.heap] - source.virtual <= EPSILON:
        arrival = arrivals[source.heap]
        pop(keys, arrivals, source.heap, source.in_service)
        source.in_service -= 1
        done[used].source = index
        done[used].arrival = arrival
        done[used].latency = now - arrival
        used += 1
        counters[COMPLETED] += 1.0
    return used


@inner
def next_request(source: Any, turns: Any, ticked: float) -> int:
    """Which request in service runs: the one that had least, looked for at ticks and when one is new."""
    best = source.running
    if ticked > 0.0 or source.fresh:
        for place in range(source.in_service):
            if turns[source.heap + place] < turns[source.heap + best] - EPSILON:
                best = place
    source.fresh = 0
    return int(best)


@inner
def admit_thread(
    source: Any, feed_times: Any, feed_values: Any, keys: Any, arrivals: Any, turns: Any
) -> None:
    """Give waiting requests to free workers, which wake: ahead of those that run by ``credit``."""
    while source.in_service < source.threads and source.queue < source.feed:
        least = UNLIMITED
        for place in range(source.heap, source.heap + source.in_service):
            least = min(least, turns[place])
        if source.in_service == 0:
            source.running = 0
            least = source.virtual
        source.virtual = max(source.virtual, least)
        at = source.heap + source.in_service
        keys[at] = feed_values[source.queue]
        arrivals[at] = feed_times[source.queue]
        turns[at] = source.virtual - source.credit
        source.backlog -= feed_values[source.queue]
        source.in_service += 1
        source.queue += 1
        if source.credit > 0.0:
            source.fresh = 1


@inner
def complete_running(
    index: int, source: Any, keys: Any, arrivals: Any, turns: Any, counters: Any, done: Any, used: int,
    now: float,
) -> int:  # fmt: skip
    """Move the request that runs to ``done`` if it is finished; returns how many rows are used there."""
    at = source.heap + source.running
    if source.in_service > 0 and keys[at] <= EPSILON:
        done[used].source = index
        done[used].arrival = arrivals[at]
        done[used].latency = now - arrivals[at]
        used += 1
        counters[COMPLETED] += 1.0
        source.virtual = max(source.virtual, turns[at])
        last = source.heap + source.in_service - 1
        keys[at], arrivals[at], turns[at] = keys[last], arrivals[last], turns[last]
        source.in_service -= 1
        source.running = 0
        source.fresh = 1
    return used

"""The event loop: between events every rate is constant, so time jumps from event to event.

Events are: demand changes, a request or piece of work is done, a quota runs dry, a period that matters
ends, memory meets a limit, a reading is due. Nothing else costs time.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import compiled, inner
from qos.simulate.layout import EPSILON, EVENT_THROTTLE, RATE, THROTTLED
from qos.simulate.memory import plan_ahead, touch
from qos.simulate.obtain import enforce
from qos.simulate.quota import account, next_event, start_timer
from qos.simulate.reading import read_row
from qos.simulate.serve import next_of, runnable_of, serve, settle, stop
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
NEXT_MEMORY: Final = 6
LIMITS_CHANGED: Final = 7
CLOCK_FIELDS: Final = 8


@inner
def bury(nodes: Any, sources: Any, holders: Any, counters: Any, killed: Any, deaths: int) -> None:
    """Stop the CPU demand of who was killed."""
    for nth in range(deaths):
        node = holders[killed[nth]].node
        for place in range(len(sources)):
            if sources[place].node == node and sources[place].alive:
                stop(sources[place], nodes[node], counters[node])


@inner
def step_memory(
    clock: Any, nodes: Any, sources: Any, groups: Any, holders: Any, corner_times: Any, corner_values: Any,
    counters: Any, machine: Any, killed: Any, log: Any, used: int, now: float,
) -> int:  # fmt: skip
    """Bring memory up to now; returns how many rows of the log are used."""
    if clock[LIMITS_CHANGED] > 0.0:
        deaths, used = enforce(groups, holders, counters, killed, log, used, now)
        bury(nodes, sources, holders, counters, killed, deaths)
        clock[LIMITS_CHANGED] = 0.0
    for place in range(len(holders)):
        if holders[place].alive:
            deaths, used = touch(
                groups, nodes, holders, corner_times, corner_values, counters,
                place, machine, killed, log, used, now,
            )  # fmt: skip
            if deaths > 0:
                bury(nodes, sources, holders, counters, killed, deaths)
    clock[NEXT_MEMORY] = plan_ahead(groups, nodes, holders, corner_times, corner_values, machine, now)
    return used


@inner
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


@compiled
def run(
    until: float, clock: Any, nodes: Any, sources: Any, feed_times: Any, feed_values: Any,
    keys: Any, arrivals: Any, groups: Any, holders: Any, corner_times: Any, corner_values: Any, machine: Any,
    killed: Any, counters: Any, rows: Any, row_times: Any, done: Any, log: Any,
) -> int:  # fmt: skip
    """Advance to ``until``. Returns FINISHED, or which buffer has to be emptied before going on."""
    now = clock[NOW]
    done_rows, event_rows = int(clock[DONE_ROWS]), int(clock[EVENT_ROWS])
    status = FINISHED
    while True:
        if done_rows + len(keys) + len(sources) > len(done):
            status = NEED_COMPLETIONS
            break
        if event_rows + 2 * len(nodes) > len(log):
            status = NEED_EVENTS
            break
        sampling = clock[NEXT_SAMPLE] <= now + EPSILON
        if clock[NEXT_MEMORY] <= now + EPSILON or sampling or now >= until - EPSILON:
            event_rows = step_memory(
                clock, nodes, sources, groups, holders, corner_times, corner_values,
                counters, machine, killed, log, event_rows, now,
            )  # fmt: skip
        for index in range(len(sources)):
            source = sources[index]
            if source.alive:
                node = nodes[source.node]
                done_rows = settle(
                    index, source, counters[source.node], now,
                    feed_times, feed_values, keys, arrivals, done, done_rows,
                )  # fmt: skip
                node.runnable = runnable_of(source)
        if gather(nodes) > 0:
            event_rows = log_throttled(nodes, log, event_rows, now)
        share(nodes)
        if sampling:
            row = int(clock[ROWS])
            read_row(nodes, sources, groups, holders, counters, rows[row], keys)
            row_times[row] = clock[NEXT_SAMPLE]
            clock[ROWS] += 1.0
            clock[NEXT_SAMPLE] = (math.floor(clock[NEXT_SAMPLE] / clock[INTERVAL] + 0.5) + 1.0) * clock[
                INTERVAL
            ]
        if now >= until - EPSILON:
            break
        then = min(until, clock[NEXT_SAMPLE], clock[NEXT_MEMORY])
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
                    counters[index, THROTTLED] += math.ceil(min(node.runnable, node.cpus) - EPSILON) * span
                account(node, counters[index], then)
        now = then
    clock[NOW] = now
    clock[DONE_ROWS], clock[EVENT_ROWS] = float(done_rows), float(event_rows)
    return status

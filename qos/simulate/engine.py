"""The event loop: between events every rate is constant, so time jumps from event to event.

Events are: demand changes, a request or piece of work is done, a quota runs dry, a period that matters
ends, memory meets a limit, a reading is due. Nothing else costs time.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from qos.simulate.jit import compiled, inner
from qos.simulate.layout import EPSILON, EVENT_THROTTLE, RATE, THROTTLED
from qos.simulate.memory import plan_ahead, touch
from qos.simulate.obtain import enforce
from qos.simulate.pools import share_pools
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


class State(NamedTuple):
    """All arrays the engine works on; records and columns are those of ``layout``."""

    clock: Any  # (CLOCK_FIELDS,)
    nodes: Any  # (C,) NODE
    pools: Any  # (P,) CPUs of each pool
    may_use: Any  # (C, P) 1.0 where a cgroup may use a pool
    scratch: Any  # (3, C, …)
    sources: Any  # (S,) SOURCE
    feed_times: Any  # feeds of all sources
    feed_values: Any
    keys: Any  # heaps of requests in service
    arrivals: Any
    groups: Any  # (C,) GROUP
    holders: Any  # (H,) HOLDER
    corner_times: Any  # wanted memory of all holders
    corner_values: Any
    machine: Any  # (MACHINE_FIELDS,)
    killed: Any  # (H + 1,) scratch
    counters: Any  # (C, COUNTERS)
    rows: Any  # (T, C, COUNTERS) readings to be filled
    row_times: Any  # (T,)
    done: Any  # COMPLETION rows to be filled
    log: Any  # EVENT rows to be filled


@inner
def bury(state: Any, deaths: int) -> None:
    """Stop the CPU demand of who was killed."""
    for nth in range(deaths):
        node = state.holders[state.killed[nth]].node
        for place in range(len(state.sources)):
            source = state.sources[place]
            if source.node == node and source.alive:
                stop(source, state.nodes[node], state.counters[node])


@inner
def step_memory(state: Any, used: int, now: float) -> int:
    """Bring memory up to now; returns how many rows of the log are used."""
    groups, holders, counters, killed, log = (
        state.groups,
        state.holders,
        state.counters,
        state.killed,
        state.log,
    )
    corner_times, corner_values = state.corner_times, state.corner_values
    if state.clock[LIMITS_CHANGED] > 0.0:
        deaths, used = enforce(groups, holders, counters, killed, log, used, now)
        bury(state, deaths)
        state.clock[LIMITS_CHANGED] = 0.0
    for place in range(len(holders)):
        if holders[place].alive:
            deaths, used = touch(
                groups, state.nodes, holders, corner_times, corner_values, counters,
                place, state.machine, killed, log, used, now,
            )  # fmt: skip
            if deaths > 0:
                bury(state, deaths)
    state.clock[NEXT_MEMORY] = plan_ahead(
        groups, state.nodes, holders, corner_times, corner_values, state.machine, now
    )
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


@inner
def settle_all(state: Any, done_rows: int, now: float) -> int:
    """Let happen what is due at every source; returns how many rows of ``done`` are used."""
    for index in range(len(state.sources)):
        source = state.sources[index]
        if source.alive:
            done_rows = settle(
                index, source, state.counters[source.node], now, state.feed_times, state.feed_values,
                state.keys, state.arrivals, state.done, done_rows,
            )  # fmt: skip
            state.nodes[source.node].runnable = runnable_of(source)
    return done_rows


@inner
def share_cpu(state: Any, event_rows: int, now: float) -> int:
    """Set all rates; returns how many rows of the log are used."""
    nodes = state.nodes
    if gather(nodes) > 0:
        event_rows = log_throttled(nodes, state.log, event_rows, now)
    if len(state.pools) > 1:
        scratch = state.scratch
        share_pools(nodes, state.pools, state.may_use, scratch[0], scratch[1], scratch[2])
    else:
        share(nodes)
    return event_rows


@inner
def take_reading(state: Any) -> None:
    """Write the row that is due, and say when the next is."""
    clock = state.clock
    row = int(clock[ROWS])
    read_row(
        state.nodes, state.sources, state.groups, state.holders, state.counters, state.rows[row], state.keys
    )
    state.row_times[row] = clock[NEXT_SAMPLE]
    clock[ROWS] += 1.0
    clock[NEXT_SAMPLE] = (math.floor(clock[NEXT_SAMPLE] / clock[INTERVAL] + 0.5) + 1.0) * clock[INTERVAL]


@inner
def look_ahead(state: Any, now: float) -> float:
    """When the next event is, at the rates of now."""
    then = UNLIMITED
    for index in range(len(state.nodes)):
        node = state.nodes[index]
        if node.quota < UNLIMITED:
            start_timer(node, now)
            then = min(then, next_event(node, now))
    for index in range(len(state.sources)):
        source = state.sources[index]
        if source.alive:
            node = state.nodes[source.node]
            if source.kind == RATE and not source.behind and node.rate < source.demand - EPSILON:
                source.behind = 1
                node.runnable = source.threads
            then = min(then, next_of(source, node.rate, now, state.feed_times, state.keys))
    return then


@inner
def pass_time(state: Any, now: float, then: float) -> None:
    """Everything goes on at its rate until ``then``."""
    span = then - now
    for index in range(len(state.sources)):
        source = state.sources[index]
        if source.alive:
            serve(source, state.counters[source.node], state.nodes[source.node], span)
    for index in range(len(state.nodes)):
        node = state.nodes[index]
        if node.quota < UNLIMITED:
            if node.throttled:
                state.counters[index, THROTTLED] += math.ceil(min(node.runnable, node.cpus) - EPSILON) * span
            account(node, state.counters[index], then)


@compiled
def run(until: float, state: Any) -> int:
    """Advance to ``until``. Returns FINISHED, or which buffer has to be emptied before going on."""
    clock = state.clock
    now = clock[NOW]
    done_rows, event_rows = int(clock[DONE_ROWS]), int(clock[EVENT_ROWS])
    status = FINISHED
    while True:
        if done_rows + len(state.keys) + len(state.sources) > len(state.done):
            status = NEED_COMPLETIONS
            break
        if event_rows + 2 * len(state.nodes) > len(state.log):
            status = NEED_EVENTS
            break
        sampling = clock[NEXT_SAMPLE] <= now + EPSILON
        ending = now >= until - EPSILON
        if clock[NEXT_MEMORY] <= now + EPSILON or sampling or ending:
            event_rows = step_memory(state, event_rows, now)
        done_rows = settle_all(state, done_rows, now)
        event_rows = share_cpu(state, event_rows, now)
        if sampling:
            take_reading(state)
        if ending:
            break
        then = max(now, min(until, clock[NEXT_SAMPLE], clock[NEXT_MEMORY], look_ahead(state, now)))
        pass_time(state, now, then)
        now = then
    clock[NOW] = now
    clock[DONE_ROWS], clock[EVENT_ROWS] = float(done_rows), float(event_rows)
    return status

"""The event loop: between events every rate is constant, so time jumps from event to event.

Events are: demand changes, a request or piece of work is done, a quota runs dry, a period that matters
ends, memory meets a limit, a reading is due. Nothing else costs time.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from qos.simulate.faults import catch_up_faults, share_faults, stop_faults
from qos.simulate.jit import compiled, inner
from qos.simulate.layout import ANEW, EPSILON, FREE, LEFT, RATE, UNLIMITED
from qos.simulate.memory import plan_ahead, touch
from qos.simulate.obtain import enforce
from qos.simulate.pools import share_pools
from qos.simulate.pressure import find_memory_pressure, find_pressure, find_pressure_of, press, press_memory
from qos.simulate.quota import account, log_throttled, next_event, put_back, start_timer
from qos.simulate.reading import read_row
from qos.simulate.serve import catch_up, next_of, runnable_of, settle, stop
from qos.simulate.share import fits, gather, share
from qos.simulate.slices import COARSE, TICK, begin_moment, decide, next_moment, note_throttled

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
DEATHS: Final = 8
STALLED: Final = 9  # tasks that wait for memory
NEXT_QUOTA: Final = 10  # the first `next` of all quotas
CALM: Final = 11  # 1.0: every cgroup gets all that it can use, nothing is frozen or throttled
CLOCK_FIELDS: Final = 12


class State(NamedTuple):
    """All arrays the engine works on; records and columns are those of ``layout``."""

    clock: Any  # (CLOCK_FIELDS,)
    nodes: Any  # (C,) NODE
    pools: Any  # (P,) CPUs of each pool
    may_use: Any  # (C, P) 1.0 where a cgroup may use a pool
    scratch: Any  # (3, C, …)
    sources: Any  # (S,) SOURCE
    due: Any  # (S,) when each next changes what it wants
    moved: Any  # (S,) scratch: those that want more or fewer threads than before
    feed_times: Any  # feeds of all sources
    feed_values: Any
    keys: Any  # heaps of requests in service
    arrivals: Any
    turns: Any  # virtual runtime of each, where CPU is given in slices
    slices: Any  # (SLICE_FIELDS,)
    groups: Any  # (C,) GROUP
    holders: Any  # (H,) HOLDER
    corner_times: Any  # wanted memory of all holders
    corner_values: Any
    machine: Any  # (MACHINE_FIELDS,)
    killed: Any  # (H + 1,) scratch
    counters: Any  # (C, COUNTERS)
    picked: Any  # (K,) counters that are read
    rows: Any  # (T, K, C) readings to be filled
    row_times: Any  # (T,)
    done: Any  # COMPLETION rows to be filled
    log: Any  # EVENT rows to be filled


@inner
def bury(state: Any, deaths: int, now: float) -> None:
    """Stop the CPU demand of who was killed."""
    state.clock[DEATHS] += deaths
    for nth in range(deaths):
        node = state.holders[state.killed[nth]].node
        stop_faults(state.nodes[node], state.counters[node], now)
        for place in range(len(state.sources)):
            source = state.sources[place]
            if source.node == node and source.alive:
                catch_up(source, state.counters[node], state.keys, state.turns, now)
                state.due[place] = UNLIMITED
                stop(source, state.nodes[node], state.counters[node])


@inner
def step_memory(state: Any, used: int, now: float) -> tuple[int, bool]:
    """Bring memory up to now; returns rows of the log used, and whether another CPU time is wanted for it."""
    groups, holders, counters = state.groups, state.holders, state.counters
    killed, log = state.killed, state.log
    corner_times, corner_values = state.corner_times, state.corner_values
    if state.clock[STALLED] > 0.0:
        press_memory(state.nodes, counters, now)
    if state.clock[LIMITS_CHANGED] > 0.0:
        deaths, used = enforce(groups, holders, counters, killed, log, used, now)
        bury(state, deaths, now)
        state.clock[LIMITS_CHANGED] = 0.0
    for place in range(len(holders)):
        if holders[place].alive:
            deaths, used = touch(
                groups, state.nodes, holders, corner_times, corner_values, counters,
                place, state.machine, killed, log, used, now,
            )  # fmt: skip
            if deaths > 0:
                bury(state, deaths, now)
    state.clock[STALLED] = find_memory_pressure(state.nodes, holders, now)
    state.clock[NEXT_MEMORY], changed = plan_ahead(
        groups, state.nodes, holders, corner_times, corner_values, state.machine, now,
        state.slices[TICK] > 0.0,
    )  # fmt: skip
    return used, changed


@inner
def settle_due(state: Any, done_rows: int, now: float, everything: bool) -> tuple[int, int, bool]:
    """Let happen what is due.

    Returns rows of ``done`` used, how many sources are in ``moved``, and whether quotas changed too.
    """
    moved = 0
    due = state.due
    for index in range(len(due)):
        if due[index] > now + EPSILON and not everything:
            continue
        source = state.sources[index]
        due[index] = UNLIMITED
        if source.alive:
            counters = state.counters[source.node]
            catch_up(source, counters, state.keys, state.turns, now)
            done_rows = settle(
                index, source, counters, now, state.feed_times, state.feed_values,
                state.keys, state.arrivals, state.turns, state.done, done_rows,
            )  # fmt: skip
            runnable = runnable_of(source)
            if runnable > state.nodes[source.node].runnable:
                state.nodes[source.node].woken = 1
            if runnable != state.nodes[source.node].runnable:
                state.nodes[source.node].runnable = runnable
                state.moved[moved] = index
                moved += 1
            due[index] = ANEW
    quotas = state.clock[NEXT_QUOTA] <= now + EPSILON or everything
    if quotas:
        for index in range(len(state.nodes)):
            node = state.nodes[index]
            if node.quota < UNLIMITED and (node.next <= now + EPSILON or everything):
                account(node, state.counters[index], now)
                node.next = now
    return done_rows, moved, quotas


@inner
def share_calmly(state: Any, moved: int, now: float) -> bool:
    """Set the rates of ``moved`` sources and of what is above them, where all still get what they can use.

    Nobody else's rate changes then. Returns False where it is not so; all shares have to be found anew.
    """
    if state.clock[CALM] == 0.0:
        return False
    nodes = state.nodes
    for nth in range(moved):
        place = state.moved[nth]
        source = state.sources[place]
        if not fits(nodes, source.node):
            return False
        nodes[source.node].rate = nodes[source.node].cap
        adopt(state, place, now)
        index = source.node
        while True:
            nodes[index].rate = nodes[index].cap
            find_pressure_of(nodes, index, state.counters, now)
            if index == 0:
                break
            index = nodes[index].parent
    return True


@inner
def is_calm(nodes: Any) -> bool:
    """Whether every cgroup gets all that it can use, and nothing is frozen or throttled."""
    for index in range(len(nodes)):
        node = nodes[index]
        if node.rate != node.cap or node.held != FREE:
            return False
    return True


@inner
def share_cpu(state: Any, sliced: Any, pooled: Any, event_rows: int, now: float) -> int:
    """Set all rates, and bring who gets another one up to now; returns rows of the log used."""
    nodes = state.nodes
    coarse = False
    if sliced is not None:
        coarse = state.slices[COARSE] > 0.0
    if gather(nodes, state.counters, now) > 0:
        event_rows = log_throttled(nodes, state.log, event_rows, now)
    if sliced is not None:
        decide(state, now)
    elif pooled is not None:
        scratch = state.scratch
        share_pools(nodes, state.pools, state.may_use, scratch[0], scratch[1], scratch[2])
    else:
        share(nodes)
    next_quota = UNLIMITED
    for index in range(len(nodes)):
        node = nodes[index]
        if node.quota < UNLIMITED:
            width = math.ceil(min(node.runnable + node.touching, node.cpus) - EPSILON)
            if node.throttled:  # its children may be throttled too, and no longer count as runnable
                width = max(width, node.width)
            wider = node.throttled and width > node.width
            if node.rate != node.burn or wider or node.next <= now:
                account(node, state.counters[index], now)
                node.burn = 0.0 if coarse else node.rate
                if node.grain > 0.0 and (node.cap <= 0.0 or (node.begins == LEFT and node.held != FREE)):
                    put_back(node)
                start_timer(node, now)
                node.next = next_event(node, now)
            node.width = width
            next_quota = min(next_quota, node.next)
    state.clock[NEXT_QUOTA] = next_quota
    if sliced is not None and coarse:
        note_throttled(state, now)
    if share_faults(nodes, state.holders, state.counters, now):
        state.clock[NEXT_MEMORY] = now
    for index in range(len(state.sources)):
        if state.sources[index].alive:
            adopt(state, index, now)
    find_pressure(nodes, state.counters, now)
    state.clock[CALM] = 1.0 if pooled is None and sliced is None and is_calm(nodes) else 0.0
    return event_rows


@inner
def adopt(state: Any, place: int, now: float) -> None:
    """Let a source go on at the rate of its leaf, but for what touching memory takes of it."""
    source = state.sources[place]
    node = state.nodes[source.node]
    rate = node.rate - node.touched
    if rate == source.rate and node.runnable == source.runnable and node.held == source.held:
        return
    catch_up(source, state.counters[source.node], state.keys, state.turns, now)
    state.due[place] = ANEW
    source.rate, source.held = rate, node.held
    if source.kind == RATE and not source.behind and rate < source.demand - EPSILON:
        source.behind = 1
        node.runnable = source.threads
    source.runnable = node.runnable


@inner
def catch_up_all(state: Any, now: float) -> None:
    """Bring all counters up to now."""
    for index in range(len(state.sources)):
        source = state.sources[index]
        if source.alive:
            catch_up(source, state.counters[source.node], state.keys, state.turns, now)
    for index in range(len(state.nodes)):
        node = state.nodes[index]
        press(node, state.counters[index], now)
        catch_up_faults(node, state.counters[index], now)
        if node.quota < UNLIMITED:
            account(node, state.counters[index], now)


@inner
def take_reading(state: Any) -> None:
    """Write the row that is due, and say when the next is."""
    clock = state.clock
    row = int(clock[ROWS])
    read_row(
        state.nodes, state.sources, state.keys, state.groups, state.holders, state.counters,
        state.picked, state.rows[row],
    )  # fmt: skip
    state.row_times[row] = clock[NEXT_SAMPLE]
    clock[ROWS] += 1.0
    clock[NEXT_SAMPLE] = (math.floor(clock[NEXT_SAMPLE] / clock[INTERVAL] + 0.5) + 1.0) * clock[INTERVAL]


@inner
def look_ahead(state: Any, sliced: Any, now: float) -> float:
    """When the next event is, at the rates of now."""
    then = state.clock[NEXT_QUOTA]
    if sliced is not None:
        then = next_moment(state)
    due = state.due
    for index in range(len(due)):
        if due[index] == ANEW:
            due[index] = next_of(state.sources[index], now, state.feed_times, state.keys)
        then = min(then, due[index])
    return float(then)


@compiled
def run(until: float, state: Any, sliced: Any, pooled: Any) -> int:
    """Advance to ``until``. Returns FINISHED, or which buffer has to be emptied before going on.

    ``sliced``: True where CPU is given in slices, ``pooled``: True where cpusets differ; None, and the code
    for it is not compiled.
    """
    clock = state.clock
    now = clock[NOW]
    done_rows, event_rows = int(clock[DONE_ROWS]), int(clock[EVENT_ROWS])
    status = FINISHED
    everything = True
    while True:
        if done_rows + len(state.keys) + len(state.sources) > len(state.done):
            status = NEED_COMPLETIONS
        if event_rows + 2 * len(state.nodes) > len(state.log):
            status = NEED_EVENTS
        if status != FINISHED:
            break
        ending = now >= until - EPSILON
        sampling = clock[NEXT_SAMPLE] <= now + EPSILON
        changed = False
        if clock[NEXT_MEMORY] <= now + EPSILON or sampling or ending:
            killed_before = clock[DEATHS]
            event_rows, changed = step_memory(state, event_rows, now)
            everything = everything or clock[DEATHS] > killed_before
        ticked = False
        if sliced is not None:
            ticked = begin_moment(state, now)
        done_rows, moved, quotas = settle_due(state, done_rows, now, everything)
        everything = False
        if ticked or quotas or changed or (moved > 0 and not share_calmly(state, moved, now)):
            event_rows = share_cpu(state, sliced, pooled, event_rows, now)
        if sampling:
            catch_up_all(state, now)
            take_reading(state)
        if ending:
            break
        now = max(now, min(until, clock[NEXT_SAMPLE], clock[NEXT_MEMORY], look_ahead(state, sliced, now)))
    catch_up_all(state, now)
    clock[NOW] = now
    clock[DONE_ROWS], clock[EVENT_ROWS] = float(done_rows), float(event_rows)
    return status

"""The loop over steps: demand of the step, what each leaf could use, who gets what, what waits.

Machines do not touch one another, so each thread takes a range of them. Within a range time goes on in
stretches of 64 steps, machine by machine: a machine's numbers stay in the cache meanwhile, and the rows of
a curve are written a page at a time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from qos.simulate.jit import compiled, inner
from qos.simulate.step_draw import again, draw
from qos.simulate.step_layout import (
    BACKLOG,
    CAPPED,
    CHANGES,
    DEMAND,
    GO,
    GOT,
    GROUPS,
    KEPT,
    KEY0,
    KEY1,
    LEAVES,
    LIMIT,
    LOW,
    NEXT_CHANGE,
    ON,
    QUIET,
    QUOTAS,
    RANDOM,
    RUN_EVERY,
    RUN_FIRST,
    RUN_KIND,
    RUN_LAST,
    RUNS,
    SPAN,
    STAY,
    USAGE,
    WAIT_CPU,
    WANT,
    WEIGHT,
)  # fmt: skip
from qos.simulate.step_quota import NR_PERIODS, count_quotas
from qos.simulate.step_share import share_step

_STRETCH: Final = 64


@inner
def draw_run(first: int, last: int, step: Any, words: Any, leaves: Any) -> None:
    """Draw the demand of leaves [first, last)."""
    key0, key1, on = words[KEY0, first:last], words[KEY1, first:last], words[ON, first:last]
    stay, go = words[STAY, first:last], words[GO, first:last]
    low, span, demand = leaves[LOW, first:last], leaves[SPAN, first:last], leaves[DEMAND, first:last]
    for leaf in range(last - first):
        bits = draw(step, key0[leaf], key1[leaf])
        now_on = np.uint32(bits < (stay[leaf] if on[leaf] else go[leaf]))
        on[leaf] = now_on
        demand[leaf] = low[leaf] + span[leaf] * np.float64(again(bits)) if now_on else 0.0


@inner
def set_demand(fields: Any, machine: int, step: int) -> None:
    """Put the demand of a step into the leaves of a machine; says whether anything may have changed."""
    machines, leaves = fields.machines, fields.leaves
    at = machines[NEXT_CHANGE, machine]
    while at < machines[CHANGES + 1, machine] and fields.change_steps[at] <= step:
        leaves[DEMAND, fields.change_leaves[at]] = fields.change_values[at]
        machines[QUIET, machine] = 0
        at += 1
    machines[NEXT_CHANGE, machine] = at
    for run in range(machines[RUNS, machine], machines[RUNS + 1, machine]):
        machines[QUIET, machine] = 0
        first, last = fields.runs[RUN_FIRST, run], fields.runs[RUN_LAST, run]
        every = fields.runs[RUN_EVERY, run]
        if fields.runs[RUN_KIND, run] == RANDOM:
            if step % every == 0:
                draw_run(first, last, np.uint32(step // every), fields.words, leaves)
        else:
            for leaf in range(first, last):
                leaves[DEMAND, leaf] = fields.tables[fields.table_starts[leaf] + step]


@inner
def ask(demand: Any, backlog: Any, limit: Any, want: Any, per_second: float) -> float:
    """What each leaf could use in this step, in CPUs; returns the sum."""
    count = len(demand)
    for leaf in range(count):
        want[leaf] = min(backlog[leaf] * per_second + demand[leaf], limit[leaf])
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    for leaf in range(0, count - 3, 4):
        one += want[leaf]
        two += want[leaf + 1]
        three += want[leaf + 2]
        four += want[leaf + 3]
    for leaf in range(count - count % 4, count):
        one += want[leaf]
    return (one + two) + (three + four)


@inner
def serve(demand: Any, backlog: Any, kept: Any, got: Any, usage: Any, seconds: float) -> float:
    """Let the step pass; returns the CPU-seconds that wait after it."""
    per_second = 1.0 / seconds
    for leaf in range(len(demand)):
        left = (backlog[leaf] * per_second + demand[leaf] - got[leaf]) * seconds * kept[leaf]
        backlog[leaf] = left
        usage[leaf] += got[leaf] * seconds
    waits = 0.0
    for leaf in range(len(demand)):
        waits += backlog[leaf]
    return waits


class Output(NamedTuple):
    """What a run leaves beside its counters; arrays of width 0 where it is not wanted."""

    curves: Any  # (T, L) float32 CPUs used in each step
    rows: Any  # (S, K, L) readings of the leaves' counters
    picked: Any  # (K,) rows of the leaves that are read
    quota_rows: Any  # (S, 3, Q) readings of nr_periods, nr_throttled and throttled seconds
    every: int  # steps between two readings


@inner
def write(curve: Any, got: Any) -> None:
    """One row of the curve of use."""
    for leaf in range(len(got)):
        curve[leaf] = got[leaf]


@inner
def read(fields: Any, machine: int, row: int, output: Any) -> None:
    """A reading of a machine's counters."""
    machines = fields.machines
    for place in range(len(output.picked)):
        counter = output.picked[place]
        for leaf in range(machines[LEAVES, machine], machines[LEAVES + 1, machine]):
            output.rows[row, place, leaf] = fields.leaves[counter, leaf]
    if output.quota_rows.shape[2] > 0:
        for quota in range(machines[QUOTAS, machine], machines[QUOTAS + 1, machine]):
            for place in range(3):
                output.quota_rows[row, place, quota] = fields.quotas[NR_PERIODS + place, quota]


@inner
def step_machine(fields: Any, machine: int, step: int, seconds: float, curve: Any) -> None:
    """One step of one machine."""
    machines, leaves = fields.machines, fields.leaves
    first, last = machines[LEAVES, machine], machines[LEAVES + 1, machine]
    set_demand(fields, machine, step)
    demand, backlog, want = leaves[DEMAND, first:last], leaves[BACKLOG, first:last], leaves[WANT, first:last]
    total = ask(demand, backlog, leaves[LIMIT, first:last], want, 1.0 / seconds)
    got = want
    if total > fields.supply[machine] or machines[CAPPED, machine]:
        share_step(
            machines[GROUPS, machine], machines[GROUPS + 1, machine], fields.places, fields.groups,
            leaves[WANT], leaves[WEIGHT], leaves[GOT], fields.supply[machine],
        )  # fmt: skip
        got = leaves[GOT, first:last]
        waited = leaves[WAIT_CPU, first:last]
        for leaf in range(last - first):
            waited[leaf] += (want[leaf] - got[leaf]) * seconds
    if machines[QUOTAS, machine] < machines[QUOTAS + 1, machine]:
        count_quotas(fields, machine, step * seconds, got)
    serve(demand, backlog, leaves[KEPT, first:last], got, leaves[USAGE, first:last], seconds)
    if len(curve) > 0:
        write(curve[first:last], got)


@compiled
def run_steps(fields: Any, first: int, last: int, begin: int, end: int, seconds: float, output: Any) -> None:
    """Machines [first, last) from step ``begin`` to before ``end``."""
    curves, every = output.curves, output.every
    for stretch in range(begin, end, _STRETCH):
        for machine in range(first, last):
            for step in range(stretch, min(stretch + _STRETCH, end)):
                step_machine(fields, machine, step, seconds, curves[min(step - begin, len(curves) - 1)])
                if (step + 1) % every == 0 and len(output.rows) > 0:
                    read(fields, machine, (step + 1) // every - begin // every - 1, output)

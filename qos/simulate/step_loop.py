"""The loop over steps: demand of the step, what each leaf could use, who gets what, what waits.

Machines do not touch one another, so each thread takes a range of them. Within a range time goes on in
stretches of 64 steps, machine by machine: a machine's numbers stay in the cache meanwhile, and the rows of
a curve are written a page at a time.
"""

from __future__ import annotations

from typing import Any, Final

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
from qos.simulate.step_output import count, read, write_curves
from qos.simulate.step_quota import count_quotas, pass_periods
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
    """Put the demand of a step into the leaves of a machine."""
    machines, leaves = fields.machines, fields.leaves
    at = machines[NEXT_CHANGE, machine]
    while at < machines[CHANGES + 1, machine] and fields.change_steps[at] <= step:
        leaf = fields.change_leaves[at]
        leaves[DEMAND, leaf] = max(fields.change_values[at], 0.0)
        if fields.change_values[at] < 0.0:  # killed: it wants nothing any more, and what waits is lost
            leaves[LIMIT, leaf] = leaves[KEPT, leaf] = 0.0
        at += 1
    machines[NEXT_CHANGE, machine] = at
    for run in range(machines[RUNS, machine], machines[RUNS + 1, machine]):
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


@inner
def step_machine(fields: Any, machine: int, step: int, seconds: float) -> int:
    """One step of a machine; returns the row of the leaves that holds the CPUs used."""
    machines, leaves = fields.machines, fields.leaves
    first, last = machines[LEAVES, machine], machines[LEAVES + 1, machine]
    demand, backlog, want = leaves[DEMAND, first:last], leaves[BACKLOG, first:last], leaves[WANT, first:last]
    total = ask(demand, backlog, leaves[LIMIT, first:last], want, 1.0 / seconds)
    row = WANT
    if total > fields.supply[machine] or machines[CAPPED, machine]:
        share_step(
            machines[GROUPS, machine], machines[GROUPS + 1, machine], fields.places, fields.groups,
            leaves[WANT], leaves[WEIGHT], leaves[GOT], fields.supply[machine],
        )  # fmt: skip
        row = GOT
        waited = leaves[WAIT_CPU, first:last]
        for leaf in range(last - first):
            waited[leaf] += (want[leaf] - leaves[GOT, first + leaf]) * seconds
    got = leaves[row, first:last]
    biting = False
    if machines[QUOTAS, machine] < machines[QUOTAS + 1, machine]:
        biting = count_quotas(fields, machine, step * seconds, got)
    waits = serve(demand, backlog, leaves[KEPT, first:last], got, leaves[USAGE, first:last], seconds)
    machines[QUIET, machine] = 1 if waits <= 0.0 and row == WANT and not biting else 0
    return row


@inner
def pass_quietly(fields: Any, machine: int, steps: int, seconds: float) -> None:
    """So many steps like the one before: nothing waits, and everybody has what it wants."""
    machines, leaves = fields.machines, fields.leaves
    for leaf in range(machines[LEAVES, machine], machines[LEAVES + 1, machine]):
        leaves[WANT, leaf] = min(leaves[DEMAND, leaf], leaves[LIMIT, leaf])
        leaves[USAGE, leaf] += leaves[WANT, leaf] * (seconds * steps)
    for quota in range(machines[QUOTAS, machine], machines[QUOTAS + 1, machine]):
        pass_periods(fields, quota, steps)


@inner
def quiet_steps(fields: Any, machine: int, step: int, end: int) -> int:
    """How many steps from ``step`` on are like the one before, at most to ``end``."""
    machines = fields.machines
    if not machines[QUIET, machine] or machines[RUNS, machine] < machines[RUNS + 1, machine]:
        return 0
    change = machines[NEXT_CHANGE, machine]
    if change < machines[CHANGES + 1, machine]:
        end = min(end, fields.change_steps[change])
    return max(end - step, 0)


@compiled
def run_steps(fields: Any, first: int, last: int, begin: int, end: int, seconds: float, output: Any) -> None:
    """Machines [first, last) from step ``begin`` to before ``end``."""
    every, counted, curved = output.every, output.use.shape[0] > 0, output.curves.shape[1] > 0
    for stretch in range(begin, end, _STRETCH):
        stop = min(stretch + _STRETCH, end)
        for machine in range(first, last):
            step, row = stretch, WANT
            while step < stop:
                due = min((step // every + 1) * every, stop)
                span = quiet_steps(fields, machine, step, due)
                if span > 0:
                    pass_quietly(fields, machine, span, seconds)
                    row = WANT
                else:
                    set_demand(fields, machine, step)
                    row = step_machine(fields, machine, step, seconds)
                    span = 1
                if counted:
                    count(fields, output, machine, span, row)
                if curved:
                    leaf, end_leaf = fields.machines[LEAVES, machine], fields.machines[LEAVES + 1, machine]
                    write_curves(output, machine, step - begin, span, fields.leaves[row, leaf:end_leaf], leaf)
                step += span
                if step % every == 0 and counted:
                    read(fields, output, machine, step // every - begin // every - 1)

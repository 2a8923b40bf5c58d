"""cpu.max in a step of constant demand: what cpu.stat counts, in closed form.

A leaf that nobody competes with repeats itself from period to period: it burns its quota at full width, or
as work comes in, stands still until the period ends, and is left with a backlog that changes by the same
amount each time. Sums over any number of periods are then arithmetic. Where leaves compete while they burn,
one period is resolved: all run by their weights until each throttled one has burnt its quota.

Source: kernel/sched/fair.c of Linux 6.12, as ``quota``; periods begin with the steps.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON
from qos.simulate.step_layout import (
    BACKLOG,
    DEMAND,
    LEAVES,
    LIMIT,
    QUOTAS,
    THREADS,
    WAIT_QUOTA,
    WANT,
    WIDTH,
)  # fmt: skip
from qos.simulate.step_resolve import (
    AMOUNT,
    BITES,
    COUNT,
    LAST_BITTEN,
    NR_PERIODS,
    NR_THROTTLED,
    ONSETS,
    PERIOD,
    STANDS,
    THROTTLED,
    TIMER,
    resolve_period,
)  # fmt: skip

QUIET_SECONDS: Final = 10.0
"""A quota that did not bite for so long bites anew: an event."""


@inner
def bitten(before: float, demand: float, amount: float, period: float, count: float) -> float:
    """In how many of ``count`` periods a leaf wants more than its quota, the first ones.

    A backlog of 0.25 s and 0.3 CPUs under 50 ms of every 100: 0.25 - 0.02 k > 0.02, 12 periods.
    """
    relief = amount - demand * period
    if relief <= EPSILON:
        return count if before - relief > EPSILON else 0.0
    return min(max(math.ceil((before - relief - EPSILON) / relief), 0.0), count)


@inner
def standing(before: float, demand: float, width: float, amount: float, period: float, bites: float) -> float:
    """Run queues times seconds throttled in the first ``bites`` periods, with nobody in the way.

    In each the quota is burnt after max(amount / width, (amount - backlog) / demand): at full width while
    there is a backlog, as work comes in after that. 0.5 CPUs on one thread, 20 ms of every 100, no backlog:
    40 ms until it is burnt the first time, 20 ms (0.02 / 1) later.
    """
    full = period - amount / width
    queues = math.ceil(width - EPSILON)
    if demand <= 0.0 or demand >= width:
        return bites * full * queues
    enough = amount * (1.0 - demand / width)  # with this much waiting it burns at full width throughout
    growth = demand * period - amount
    if growth > EPSILON:
        slow = min(max(math.ceil((enough - before) / growth), 0.0), bites)
        begin = before
    elif growth < -EPSILON:
        fast = min(max(math.floor((enough - before) / growth) + 1.0, 0.0), bites) if before >= enough else 0.0
        slow = bites - fast
        begin = before + fast * growth
    else:
        slow = bites if before < enough else 0.0
        begin, growth = before, 0.0
    waiting = slow * begin + growth * slow * (slow - 1.0) / 2.0
    partial = slow * (period - amount / demand) + waiting / demand
    return (bites - slow) * full * queues + partial * math.ceil(min(demand, width) - EPSILON)


@inner
def ran(before: float, demand: float, amount: float, width: float, period: float, count: float) -> float:
    """In how many of ``count`` periods a leaf uses CPU at all."""
    if demand > 0.0:
        return count
    return min(math.ceil((before - EPSILON) / min(amount, width * period)), count)


@inner
def count_quotas(fields: Any, machine: int, now: float, got: Any) -> bool:
    """Count what a step did under each quota of a machine; ``got`` (of its leaves) is CPUs used.

    Returns whether any of them bit.

    To be called before backlogs are brought up to the end of the step.
    """
    machines, leaves, quotas = fields.machines, fields.leaves, fields.quotas
    base, first, last = machines[LEAVES, machine], machines[QUOTAS, machine], machines[QUOTAS + 1, machine]
    backlog, demands, widths = leaves[BACKLOG], leaves[DEMAND], leaves[WIDTH]
    limit, want, all_bites, timer = leaves[LIMIT], leaves[WANT], quotas[BITES], quotas[TIMER]
    biting, burning = False, 0.0
    for quota in range(first, last):
        leaf = fields.quota_leaves[quota]
        all_bites[quota] = 0.0
        before, demand, width = backlog[leaf], demands[leaf], widths[leaf]
        if limit[leaf] <= 0.0 or (demand <= 0.0 and before <= EPSILON and timer[quota] <= 0.0):
            continue  # killed, or idle
        amount, period, count = quotas[AMOUNT, quota], quotas[PERIOD, quota], quotas[COUNT, quota]
        active = ran(before, demand, amount, width, period, count)
        idle = 1.0 if active < count and (active > 0.0 or timer[quota] > 0.0) else 0.0
        timer[quota] = 1.0 if active == count else 0.0
        quotas[NR_PERIODS, quota] += active + idle
        if amount < width * period - EPSILON and got[leaf - base] >= want[leaf] - EPSILON:
            bites = bitten(before, demand, amount, period, count)
            if bites > 0.0:
                biting = True
                all_bites[quota] = bites
                burning += width - got[leaf - base]
    if biting:
        for leaf in range(len(got)):
            burning += got[leaf]
        if burning > fields.supply[machine] + EPSILON:
            resolve_period(fields, machine, got)
        else:
            stand_alone(fields, first, last)
        note_bites(fields, machine, now)
    return biting


@inner
def stand_alone(fields: Any, first: int, last: int) -> None:
    """How long each of these quotas' leaves stands still in this step, with nobody in the way."""
    quotas, leaves = fields.quotas, fields.leaves
    for quota in range(first, last):
        if quotas[BITES, quota] > 0.0:
            leaf = fields.quota_leaves[quota]
            quotas[STANDS, quota] = standing(
                leaves[BACKLOG, leaf], leaves[DEMAND, leaf], leaves[WIDTH, leaf], quotas[AMOUNT, quota],
                quotas[PERIOD, quota], quotas[BITES, quota],
            )  # fmt: skip


@inner
def pass_periods(fields: Any, quota: int, steps: int) -> None:
    """Count the periods of so many steps in which nothing waits and demand is what it was."""
    quotas = fields.quotas
    if fields.leaves[WANT, fields.quota_leaves[quota]] > 0.0:
        quotas[NR_PERIODS, quota] += quotas[COUNT, quota] * steps
    elif quotas[TIMER, quota] > 0.0:
        quotas[NR_PERIODS, quota] += 1.0
        quotas[TIMER, quota] = 0.0


@inner
def note_bites(fields: Any, machine: int, now: float) -> None:
    """Add up what the quotas of a machine did in this step."""
    quotas = fields.quotas
    for quota in range(fields.machines[QUOTAS, machine], fields.machines[QUOTAS + 1, machine]):
        if quotas[BITES, quota] > 0.0:
            leaf = fields.quota_leaves[quota]
            queues = math.ceil(fields.leaves[WIDTH, leaf] - EPSILON)
            quotas[NR_THROTTLED, quota] += quotas[BITES, quota]
            quotas[THROTTLED, quota] += quotas[STANDS, quota]
            fields.leaves[WAIT_QUOTA, leaf] += quotas[STANDS, quota] / queues * fields.leaves[THREADS, leaf]
            if now - quotas[LAST_BITTEN, quota] > QUIET_SECONDS:
                quotas[ONSETS, quota] += 1.0
            quotas[LAST_BITTEN, quota] = now

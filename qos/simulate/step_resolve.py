"""One period in which leaves compete while they burn their quotas: who has burnt it when.

All run by their weights until each throttled leaf has burnt its quota; between two such moments rates stand
still. Only leaves that run are looked at, side by side in the scratch rows of their group, and each moment
begins at the water levels of the one before: where somebody stops, the others get no less, so levels only
rise and most of the search for them is done.
"""

from __future__ import annotations

import math
from typing import Any, Final

from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON
from qos.simulate.step_layout import (
    BURNING,
    GROUPS,
    LEAVES,
    LEFT,
    PART,
    QUOTA_OF,
    QUOTAS,
    RATE,
    WANT,
    WEIGHT,
    WIDTH,
)  # fmt: skip
from qos.simulate.step_share import (
    GROUP_ASKED,
    GROUP_CAPS,
    GROUP_GOT,
    GROUP_LEVEL,
    GROUP_LIMIT,
    GROUP_WANT,
    GROUP_WEIGHT,
    LEAF_FIRST,
    LEAF_LAST,
    RUNNING,
    SUB_FIRST,
    SUB_LAST,
)  # fmt: skip

# Rows of the quotas' numbers.
AMOUNT: Final = 0  # CPU-seconds a period
PERIOD: Final = 1
COUNT: Final = 2  # periods in a step
TIMER: Final = 3  # 1: the period timer runs at the beginning of the step
BITES: Final = 4  # periods of this step in which it is throttled
STANDS: Final = 5  # seconds of this step in which it is throttled, times run queues
NR_PERIODS: Final = 6
NR_THROTTLED: Final = 7
THROTTLED: Final = 8
LAST_BITTEN: Final = 9  # seconds
ONSETS: Final = 10
QUOTA_ROWS: Final = 11
_NEVER: Final = 1e300


@inner
def resolve_period(fields: Any, machine: int, got: Any) -> None:
    """Let one period pass until every throttled leaf has burnt its quota; the step's others are alike.

    Args:
        fields: quotas with BITES; gets their STANDS.
        machine: which.
        got: CPUs used in the step, of its leaves.
    """
    first, last = fields.machines[GROUPS, machine], fields.machines[GROUPS + 1, machine]
    active = gather(fields, machine, got)
    now = 0.0
    while active > 0:
        span = share_running(
            first, last, fields.places, fields.groups, fields.leaves, fields.supply[machine]
        )  # fmt: skip
        now += span
        active -= burn(fields, first, last, now, span)


@inner
def gather(fields: Any, machine: int, got: Any) -> int:
    """Put the leaves that run side by side; returns how many of them burn a quota."""
    leaves, groups, places = fields.leaves, fields.groups, fields.places
    base = fields.machines[LEAVES, machine]
    burning, left, part = leaves[BURNING], leaves[LEFT], leaves[PART]
    want, width, weight, quota_of = leaves[WANT], leaves[WIDTH], leaves[WEIGHT], fields.words[QUOTA_OF]
    for leaf in range(len(got)):
        starved = got[leaf] < want[base + leaf] - EPSILON
        burning[base + leaf] = width[base + leaf] if starved else got[leaf]
        left[base + leaf] = _NEVER
    active = 0
    bites, amounts = fields.quotas[BITES], fields.quotas[AMOUNT]
    for quota in range(fields.machines[QUOTAS, machine], fields.machines[QUOTAS + 1, machine]):
        if bites[quota] > 0.0:
            leaf = fields.quota_leaves[quota]
            burning[leaf], left[leaf], quota_of[leaf] = width[leaf], amounts[quota], quota
            active += 1
    for group in range(fields.machines[GROUPS, machine], fields.machines[GROUPS + 1, machine]):
        end, caps = places[LEAF_FIRST, group], 0.0
        for leaf in range(places[LEAF_FIRST, group], places[LEAF_LAST, group]):
            if burning[leaf] > 0.0:
                caps += burning[leaf]
                burning[end], left[end], part[end] = burning[leaf], left[leaf], weight[leaf]
                quota_of[end] = quota_of[leaf]
                end += 1
        places[RUNNING, group] = end
        groups[GROUP_CAPS, group], groups[GROUP_LEVEL, group] = caps, 0.0
    return active


@inner
def share_running(first: int, last: int, places: Any, groups: Any, leaves: Any, supply: float) -> float:
    """Rates of all that run; returns the time until the next has burnt its quota."""
    asked, wants, gots, levels = (
        groups[GROUP_ASKED],
        groups[GROUP_WANT],
        groups[GROUP_GOT],
        groups[GROUP_LEVEL],
    )
    for group in range(last - 1, first - 1, -1):
        total = groups[GROUP_CAPS, group]
        for sub in range(places[SUB_FIRST, group], places[SUB_LAST, group]):
            total += wants[sub]
        asked[group] = total
        wants[group] = min(total, groups[GROUP_LIMIT, group])
    gots[first] = min(supply, wants[first])
    caps, left, part, rate = leaves[BURNING], leaves[LEFT], leaves[PART], leaves[RATE]
    span = _NEVER
    for group in range(first, last):
        begin, end = places[LEAF_FIRST, group], places[RUNNING, group]
        if asked[group] > gots[group]:
            level = rise(
                caps, part, begin, end, wants, groups[GROUP_WEIGHT], places[SUB_FIRST, group],
                places[SUB_LAST, group], gots[group], levels[group],
            )  # fmt: skip
            levels[group] = level
            for place in range(begin, end):
                rate[place] = min(caps[place], part[place] * level)
        else:
            level = _NEVER
            for place in range(begin, end):
                rate[place] = caps[place]
        for child in range(places[SUB_FIRST, group], places[SUB_LAST, group]):
            gots[child] = min(wants[child], groups[GROUP_WEIGHT, child] * level)
        for place in range(begin, end):
            span = min(span, left[place] / rate[place])
    return span


@inner
def rise(
    want: Any, weight: Any, first: int, last: int, sub_want: Any, sub_weight: Any, sub: int, subs: int,
    supply: float, level: float,
) -> float:  # fmt: skip
    """As ``find_level``, from a level that is known to be too low or right."""
    served = -1
    while True:
        rest, weights, count = supply, 0.0, 0
        for index in range(first, last):
            full = want[index] <= weight[index] * level
            rest -= want[index] if full else 0.0
            weights += 0.0 if full else weight[index]
            count += 1 if full else 0
        for index in range(sub, subs):
            full = sub_want[index] <= sub_weight[index] * level
            rest -= sub_want[index] if full else 0.0
            weights += 0.0 if full else sub_weight[index]
            count += 1 if full else 0
        if count <= served or weights <= 0.0:
            return level
        level, served = rest / weights, count


@inner
def burn(fields: Any, first: int, last: int, now: float, span: float) -> int:
    """Burn quotas for ``span`` seconds up to ``now`` within a period; returns how many are burnt then."""
    leaves, groups, places, quotas = fields.leaves, fields.groups, fields.places, fields.quotas
    burning, left, part, rate = leaves[BURNING], leaves[LEFT], leaves[PART], leaves[RATE]
    quota_of = fields.words[QUOTA_OF]
    burnt = 0
    for group in range(first, last):
        end = places[LEAF_FIRST, group]
        for place in range(places[LEAF_FIRST, group], places[RUNNING, group]):
            rest = left[place] - rate[place] * span
            if rest > EPSILON:
                burning[end], left[end], part[end] = burning[place], rest, part[place]
                quota_of[end] = quota_of[place]
                end += 1
                continue
            quota = quota_of[place]
            queues = math.ceil(leaves[WIDTH, fields.quota_leaves[quota]] - EPSILON)
            stands = max(quotas[PERIOD, quota] - now, 0.0)
            quotas[STANDS, quota] = stands * quotas[BITES, quota] * queues
            burnt += 1
        if end < places[RUNNING, group]:
            places[RUNNING, group] = end
            caps = 0.0
            for place in range(places[LEAF_FIRST, group], end):
                caps += burning[place]
            groups[GROUP_CAPS, group] = caps
    return burnt

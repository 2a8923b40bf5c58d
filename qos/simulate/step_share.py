"""Weighted max-min in one step: what each leaf gets where not everybody can have what it wants.

The same rule as ``share``, over flat arrays: leaves of one group lie side by side, and so do its subgroups.
"""

from __future__ import annotations

from typing import Any, Final

from qos.simulate.jit import inner

LEAF_FIRST: Final = (
    0  # rows of the groups' places: children are leaves [first, last) and groups [first, last)
)
LEAF_LAST: Final = 1
SUB_FIRST: Final = 2
SUB_LAST: Final = 3
RUNNING: Final = 4  # scratch of quotas: its leaves that run are [first, here)
PLACE_ROWS: Final = 5

GROUP_WEIGHT: Final = 0  # rows of the groups' numbers
GROUP_LIMIT: Final = 1
GROUP_WANT: Final = 2
GROUP_GOT: Final = 3
GROUP_ASKED: Final = 4
GROUP_CAPS: Final = 5  # scratch of quotas: CPUs that its own leaves want
GROUP_LEVEL: Final = 6  # scratch of quotas: CPUs per weight, which only rise
GROUP_ROWS: Final = 7


@inner
def share_step(
    first: int, last: int, places: Any, groups: Any, want: Any, weight: Any, got: Any, supply: float
) -> None:
    """Share a machine's ``supply`` among the leaves below groups [first, last); the first is the root.

    Weights 100 and 300 that want 1 and 1 of one CPU get 0.25 and 0.75.
    """
    for group in range(last - 1, first - 1, -1):
        total = 0.0
        for leaf in range(places[LEAF_FIRST, group], places[LEAF_LAST, group]):
            total += want[leaf]
        for sub in range(places[SUB_FIRST, group], places[SUB_LAST, group]):
            total += groups[GROUP_WANT, sub]
        groups[GROUP_ASKED, group] = total
        groups[GROUP_WANT, group] = min(total, groups[GROUP_LIMIT, group])
    groups[GROUP_GOT, first] = min(supply, groups[GROUP_WANT, first])
    for group in range(first, last):
        leaf, leaves = places[LEAF_FIRST, group], places[LEAF_LAST, group]
        sub, subs = places[SUB_FIRST, group], places[SUB_LAST, group]
        level = 1e300
        if groups[GROUP_ASKED, group] > groups[GROUP_GOT, group]:
            level = find_level(
                want[leaf:leaves], weight[leaf:leaves], groups[GROUP_WANT, sub:subs],
                groups[GROUP_WEIGHT, sub:subs], groups[GROUP_GOT, group],
            )  # fmt: skip
        give(want[leaf:leaves], weight[leaf:leaves], got[leaf:leaves], level)
        give(groups[GROUP_WANT, sub:subs], groups[GROUP_WEIGHT, sub:subs], groups[GROUP_GOT, sub:subs], level)


@inner
def find_level(want: Any, weight: Any, sub_want: Any, sub_weight: Any, supply: float) -> float:
    """CPUs per weight at which ``supply`` is used up, where all of it is wanted.

    Newton's steps on a concave line of straight pieces: from below, each step serves in full who wants less
    than its part, and divides the rest; it ends where nobody more is served in full.
    """
    level, served = 0.0, -1
    while True:
        rest, weights, count = supply, 0.0, 0
        for index in range(len(want)):
            full = want[index] <= weight[index] * level
            rest -= want[index] if full else 0.0
            weights += 0.0 if full else weight[index]
            count += 1 if full else 0
        for index in range(len(sub_want)):
            full = sub_want[index] <= sub_weight[index] * level
            rest -= sub_want[index] if full else 0.0
            weights += 0.0 if full else sub_weight[index]
            count += 1 if full else 0
        if count == served or weights <= 0.0:
            return level
        level, served = rest / weights, count


@inner
def give(want: Any, weight: Any, got: Any, level: float) -> None:
    """What each gets at a level."""
    for index in range(len(want)):
        got[index] = min(want[index], weight[index] * level)

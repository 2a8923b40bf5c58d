"""How the stepped kernel lies in memory: arrays over the leaves, groups and machines of a whole fleet.

Leaves of one machine lie side by side, and within it those of one group; so do the subgroups of a group.
A chain of cgroups with one child each (a pod with one container) is one leaf.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

# Rows of the leaves' numbers (float64).
DEMAND: Final = 0  # CPUs wanted in this step
BACKLOG: Final = 1  # CPU-seconds submitted before and not yet served
LIMIT: Final = 2  # CPUs it can use on average: threads, CPUs, quota
WEIGHT: Final = 3
WANT: Final = 4  # CPUs it could use in this step
GOT: Final = 5
LOW: Final = 6  # random demand: low + span · draw
SPAN: Final = 7
WIDTH: Final = 8  # CPUs it can use at one time: threads, CPUs
KEPT: Final = 9  # 1: what is not served waits; 0: it is not wanted later (spin)
THREADS: Final = 10
BURNING: Final = 11  # scratch of quotas: CPUs it can use at one time while others burn their quotas
RATE: Final = 12  # scratch of quotas: CPUs it has meanwhile
USAGE: Final = 13  # counters: CPU-seconds
WAIT_CPU: Final = 14
WAIT_QUOTA: Final = 15
LEFT: Final = 16  # scratch of quotas: what is not yet burnt in the period that is resolved
PART: Final = 17  # scratch of quotas: weight
LEAF_ROWS: Final = 18

# Rows of the leaves' words (uint32).
KEY0: Final = 0
KEY1: Final = 1
ON: Final = 2
STAY: Final = 3
GO: Final = 4
QUOTA_OF: Final = 5  # scratch of quotas: the one that is burnt
WORD_ROWS: Final = 6

# Rows of the machines' places (int64): their leaves, groups, runs, changes and quotas are [first, last).
LEAVES: Final = 0
GROUPS: Final = 2
RUNS: Final = 4
CHANGES: Final = 6
NEXT_CHANGE: Final = 8
QUOTAS: Final = 9
CAPPED: Final = 11  # a group has a limit of its own: sums of leaves do not tell whether all fit
QUIET: Final = 12  # nothing waits and nothing changed: the step before says what this one does
MACHINE_ROWS: Final = 13

# Runs: leaves [first, last) whose demand is made in the same way.
RUN_FIRST: Final = 0
RUN_LAST: Final = 1
RUN_KIND: Final = 2
RUN_EVERY: Final = 3  # RANDOM: a draw holds for this many steps
RUN_ROWS: Final = 4
RANDOM: Final = 0
TABLE: Final = 1


class Fields(NamedTuple):
    """All arrays the stepped kernel works on."""

    leaves: Any  # (LEAF_ROWS, L)
    bits: Any  # (LEAF_ROWS, L) the same memory as whole numbers
    words: Any  # (WORD_ROWS, L)
    places: Any  # (PLACE_ROWS, G) of the groups
    groups: Any  # (GROUP_ROWS, G)
    machines: Any  # (MACHINE_ROWS, N)
    supply: Any  # (N,) CPUs
    runs: Any  # (RUN_ROWS, R)
    change_steps: Any  # changes of demand: step, leaf, CPUs from then on; of each machine in order of time
    change_leaves: Any
    change_values: Any
    table_starts: Any  # (L,) where a leaf's table lies, -1: none
    tables: Any  # CPUs a step
    quotas: Any  # (QUOTA_ROWS, Q)
    quota_leaves: Any  # (Q,)

"""How the simulated kernel lies in memory: one record a cgroup, one a workload, one row of counters a cgroup.

Times are seconds and CPU is CPU-seconds (float64) inside the engine; what is shown outside is converted
to the kernel's units in ``account.py``. Cgroup 0 is the root; a parent always stands before its children
and the children of a cgroup stand side by side, so a loop backwards goes up the tree and a loop forwards
goes down.
"""

from __future__ import annotations

from typing import Final

import numpy as np

EPSILON: Final = 1e-9
"""Less work or time than this (a nanosecond, the kernel's own unit) is none."""

UNLIMITED: Final = float("inf")

NODE: Final = np.dtype(
    [
        # tree
        ("parent", np.int64),
        ("first", np.int64),  # children are [first, last)
        ("last", np.int64),
        # shares
        ("weight", np.float64),
        ("cpus", np.float64),  # CPUs its tasks may run on
        ("frozen", np.int64),
        ("held", np.int64),  # FREE, or why nothing below can run: STARVED, FROZEN
        ("runnable", np.float64),  # threads below that want a CPU, throttled subtrees left out
        ("cap", np.float64),  # CPUs it can use now
        ("rate", np.float64),  # CPUs it gets now
        # new memory, in leaves
        ("touching", np.float64),  # CPUs wanted for putting pages in place
        ("touched", np.float64),  # CPUs it gets for that, of its rate
        ("touched_held", np.int64),
        ("touched_since", np.float64),  # both hold since this time
        ("touched_seconds", np.float64),  # CPU time that no memory was made of yet
        # cpu.max
        ("quota", np.float64),  # inf: none
        ("period", np.float64),
        ("phase", np.float64),  # a period ends at phase + n · period
        ("burst", np.float64),
        ("pool", np.float64),  # runtime left
        ("local", np.float64),  # runtime already handed to each run queue, above the cap; part of the pool
        ("grain", np.float64),  # an empty pool is noticed at multiples of this, the tick; 0: at once
        ("begins", np.int64),  # when a throttled wait does, AT_ONCE or one of those after it
        ("snapshot", np.float64),  # runtime right after the last refresh
        ("tick", np.float64),  # when the period ends, inf while the timer is off
        ("synced", np.float64),  # pool and tick are as of this time
        ("burn", np.float64),  # CPUs burned since then
        ("width", np.float64),  # run queues with its tasks since then; throttled: that were when it began
        ("next", np.float64),  # when the quota next changes what can run
        ("idle", np.int64),  # no runtime was taken in this period
        ("throttled", np.int64),
        ("last_throttled", np.float64),  # for events: tell the onset only
        ("waited", np.float64),  # throttled for so long in this period: counted when it ends
        ("throttled_at", np.float64),  # slices with a coarse clock: since when
        ("was_throttled", np.int64),
        # slices of one CPU: an entity on its parent's run queue
        ("queued", np.int64),
        ("woken", np.int64),  # a thread of it woke just now
        ("vruntime", np.float64),
        ("floor", np.float64),  # of its own run queue: min_vruntime, or the virtual time of EEVDF
        ("deadline", np.float64),
        ("lag", np.float64),
        ("ran", np.float64),  # since it was picked
        ("spent", np.int64),  # EEVDF: its slice is used up
        # cpu.pressure
        ("wanting", np.float64),  # threads below that want a CPU, throttled ones too
        ("some", np.float64),  # part of the time in which some of them, or all, wait
        ("full", np.float64),
        ("pressed", np.float64),  # `some` and `full` hold since this time
        # memory.pressure
        ("stalled", np.int64),  # tasks below that wait for memory, and whether nobody below runs meanwhile
        ("stalled_fully", np.int64),
        ("stalled_since", np.float64),
    ],
    align=True,
)

NODE_KEPT: Final = (
    "frozen", "quota", "period", "phase", "burst", "pool", "snapshot", "tick", "synced", "idle", "burn",
    "width", "throttled", "last_throttled", "stalled", "stalled_fully", "stalled_since", "waited",
    "touching", "touched", "touched_held", "touched_since", "touched_seconds",
    "local", "throttled_at", "was_throttled", "vruntime", "floor", "deadline", "lag", "ran",
)  # fmt: skip
"""What a cgroup that stays takes with it when the tree changes."""

ANEW: Final = -1.0
"""When a source next changes what it wants has to be found."""

AT_ONCE: Final = 0  # to Linux 6.5: when a group is throttled
QUEUED: Final = 1  # 6.6 to 6.17: when something is queued in it
LEFT: Final = 2  # from 6.18: when a task of it was taken off the run queue

FREE: Final = 0
STARVED: Final = 1  # it, or a cgroup above, has used up its quota
FROZEN: Final = 2

# What the processes of a leaf do with CPU; one record a workload.
RATE: Final = 0  # work comes in steadily, unserved work waits
SPIN: Final = 1  # always wants `demand` CPUs, nothing waits
WORK: Final = 2  # work comes in pieces, done by `threads` together
REQUESTS: Final = 3  # requests, each on one of at most `threads` threads
BATCH: Final = 4  # as WORK, and its end is a completion

SOURCE: Final = np.dtype(
    [
        ("node", np.int64),
        ("kind", np.int64),
        ("alive", np.int64),
        ("threads", np.float64),
        ("demand", np.float64),  # RATE and SPIN: CPUs wanted now
        ("backlog", np.float64),  # CPU-seconds submitted and not yet served (without requests in service)
        ("behind", np.int64),  # RATE: there is a backlog
        ("feed", np.int64),  # next entry of the feed
        ("feed_end", np.int64),
        ("queue", np.int64),  # REQUESTS: oldest entry of the feed that waits for a worker
        ("virtual", np.float64),  # REQUESTS: CPU time that every request in service has got since the start
        ("heap", np.int64),  # REQUESTS: where its heap starts
        ("in_service", np.int64),
        ("sliced", np.int64),  # REQUESTS: one of them runs at a time (slices), not all equally
        ("running", np.int64),  # which
        ("fresh", np.int64),  # whose turn it is has to be found
        ("credit", np.float64),  # a thread that wakes is so far ahead of the others
        ("began", np.float64),
        ("rate", np.float64),  # CPUs it got since `since`, threads that wanted one, why it was held
        ("runnable", np.float64),
        ("held", np.int64),
        ("since", np.float64),
    ],
    align=True,
)

EVENT: Final = np.dtype(
    [
        ("time", np.float64),
        ("kind", np.int64),
        ("node", np.int64),
        ("about", np.int64),  # another cgroup: whose limit it was
        ("a", np.float64),
        ("b", np.float64),
        ("c", np.float64),
        ("d", np.float64),
    ],
    align=True,
)
EVENT_THROTTLE: Final = 0
EVENT_OOM: Final = 1  # about: the cgroup whose limit it was; a: the limit, b: growth, c: anon, d: swap in use
EVENT_OOM_GLOBAL: Final = 2  # a: memory of the machine, b: growth, c: anon, d: score
EVENT_OOM_TOGETHER: Final = 3  # about: the victim that took it along (memory.oom.group)

# Memory of a cgroup; the same places as NODE.
GROUP: Final = np.dtype(
    [
        ("parent", np.int64),
        ("first", np.int64),
        ("last", np.int64),
        ("min", np.float64),
        ("low", np.float64),
        ("high", np.float64),
        ("max", np.float64),
        ("swap_high", np.float64),
        ("swap_max", np.float64),
        ("oom_group", np.int64),
        ("anon", np.float64),  # its own, without its children's
        ("file", np.float64),
        ("active", np.float64),  # part of the page cache that is used again and again
        ("swap", np.float64),  # with its children's, as the rest
        ("usage", np.float64),
        ("peak", np.float64),
        ("swap_peak", np.float64),
        ("emin", np.float64),  # effective protection in the reclaim under way
        ("elow", np.float64),
        ("min_used", np.float64),  # protection that children claim and use
        ("low_used", np.float64),
        ("inflow", np.float64),  # bytes a second that want to be charged below
    ],
    align=True,
)

# What the processes of a leaf do with memory; one record a workload.
HOLDER: Final = np.dtype(
    [
        ("node", np.int64),
        ("alive", np.int64),
        ("tasks", np.int64),
        ("adj", np.float64),  # oom_score_adj
        ("corner", np.int64),  # corner of the polygon of wanted anonymous memory that was passed last
        ("corner_end", np.int64),
        ("file_size", np.float64),
        ("read_rate", np.float64),
        ("file_start", np.float64),
        ("file_read", np.float64),  # bytes read in all
        ("file_left", np.float64),  # of the file in page cache when it was last looked at
        ("file_missing", np.float64),  # part of the file that the reader finds missing on this round
        ("synced", np.float64),
        ("stalled_until", np.float64),
        ("swap", np.float64),
        ("growth", np.float64),  # bytes a second wanted now
        ("first", np.float64),  # anonymous bytes that are there when it starts, until they are
    ],
    align=True,
)

# Counters, one column each in a float64 row a cgroup. Those before FIRST_LOCAL are counted in leaves and
# summed up the tree when read; the others belong to the cgroup itself.
USAGE: Final = 0
WAIT_QUOTA: Final = 1
WAIT_CPU: Final = 2
DEMAND: Final = 3
SUBMITTED: Final = 4
ARRIVED: Final = 5
COMPLETED: Final = 6
LOST: Final = 7
BOOKED: Final = 8  # usage as a clock that moves on ticks has it
FIRST_GAUGE: Final = 9  # from here to FIRST_LOCAL gauges, written when read
BACKLOG: Final = 9
ANON: Final = 10
FILE: Final = 11
INACTIVE_FILE: Final = 12
PIDS: Final = 13
FIRST_LOCAL: Final = 14
NR_PERIODS: Final = 14
NR_THROTTLED: Final = 15
THROTTLED: Final = 16
NR_BURSTS: Final = 17
BURST: Final = 18
PIDS_EVENTS_MAX: Final = 19
MEMORY: Final = 20  # gauge
PEAK: Final = 21  # gauge
SWAP: Final = 22  # gauge
SWAP_PEAK: Final = 23  # gauge
EVENTS: Final = 24  # memory.events, six of them: with those of the cgroups below
EVENTS_LOCAL: Final = 30  # memory.events.local
CPU_SOME: Final = 36
CPU_FULL: Final = 37
MEMORY_SOME: Final = 38
MEMORY_FULL: Final = 39
COUNTERS: Final = 40

LOW: Final = 0  # places in EVENTS and EVENTS_LOCAL
HIGH: Final = 1
MAX: Final = 2
OOM: Final = 3
OOM_KILL: Final = 4
OOM_GROUP_KILL: Final = 5

COMPLETION: Final = np.dtype(
    [("source", np.int64), ("arrival", np.float64), ("latency", np.float64)], align=True
)

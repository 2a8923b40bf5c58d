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
        # cpu.max
        ("quota", np.float64),  # inf: none
        ("period", np.float64),
        ("phase", np.float64),  # a period ends at phase + n · period
        ("burst", np.float64),
        ("pool", np.float64),  # runtime left
        ("snapshot", np.float64),  # runtime right after the last refresh
        ("tick", np.float64),  # when the period ends, inf while the timer is off
        ("synced", np.float64),  # pool and tick are as of this time
        ("idle", np.int64),  # no runtime was taken in this period
        ("throttled", np.int64),
        ("last_throttled", np.float64),  # for events: tell the onset only
    ],
    align=True,
)

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
        ("began", np.float64),
        ("held_until", np.float64),  # asleep (memory.high) until then
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

# Counters, one column each in a float64 row a cgroup. Those of leaves are summed up the tree when sampled.
USAGE: Final = 0
WAIT_QUOTA: Final = 1
WAIT_CPU: Final = 2
DEMAND: Final = 3
SUBMITTED: Final = 4
ARRIVED: Final = 5
COMPLETED: Final = 6
LOST: Final = 7
NR_PERIODS: Final = 8
NR_THROTTLED: Final = 9
THROTTLED: Final = 10
NR_BURSTS: Final = 11
BURST: Final = 12
BACKLOG: Final = 13
COUNTERS: Final = 14
FIRST_LOCAL: Final = NR_PERIODS  # counters of a cgroup's own, not summed up the tree

COMPLETION: Final = np.dtype(
    [("source", np.int64), ("arrival", np.float64), ("latency", np.float64)], align=True
)

"""Fleet: many machines at once, in steps, on all cores.

For demand that is given step by step (traces, random draws, curves, steady rates) and is asked about at no
finer grain. Within a step demand is constant, CPU is shared by what each can use in the whole step, and what
is not served waits for the next one. Single requests, jobs and bursts below a step need a SimKernel.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import PlanError
from qos.model.cgroup import CgroupName
from qos.model.fleet_run import BINS, BUSY_BINS
from qos.simulate.step_demand import Steps
from qos.simulate.step_draw import key_of
from qos.simulate.step_fields import Part, Tables, fields_of
from qos.simulate.step_frame import Frame, Machine, frame_of, reasons_against
from qos.simulate.step_layout import BACKLOG, USAGE, WAIT_CPU, WAIT_QUOTA
from qos.simulate.step_loop import run_steps
from qos.simulate.step_output import SUMS, Output
from qos.simulate.step_resolve import NR_PERIODS, NR_THROTTLED, ONSETS, THROTTLED

Floats = NDArray[np.float64]
Curves = NDArray[np.float32]

COUNTERS: Final[Mapping[str, int]] = {
    "usage_seconds": USAGE,
    "wait_cpu_seconds": WAIT_CPU,
    "wait_quota_seconds": WAIT_QUOTA,
    "backlog_seconds": BACKLOG,
}
QUOTA_COUNTERS: Final[Mapping[str, int]] = {
    "nr_periods": NR_PERIODS,
    "nr_throttled": NR_THROTTLED,
    "throttled_seconds": THROTTLED,
    "throttle_onsets": ONSETS,
}


class Watch:
    """What is summed up and counted of groups of leaves while a fleet runs.

    Args:
        groups: (L,) group of each leaf.
        pools: (N,) pool of each machine.
        every: steps between two readings of the groups' counters.
        count: how many groups there are, where some of the last ones have no leaf.

    Attributes:
        times: (S,) of the readings.
        sums: (S, SUMS, G) counters of ``step_output.SUMMED`` and ``SUMMED_QUOTA`` over all leaves of a group.
        use: (G, BINS) pod-steps by CPUs used.
        delay: (G, BINS) pod-steps by seconds that the backlog takes at the CPUs it gets; only those with one.
        busy: (P, BUSY_BINS) machine-steps by part of the machine in use, in half percents.
    """

    def __init__(
        self, groups: NDArray[np.int64], pools: NDArray[np.int64], every: int = 1, count: int = 0
    ) -> None:
        self.groups, self.pools, self.every = groups, pools, every
        self.count = max(count, int(groups.max(initial=-1)) + 1)
        self.times = np.zeros(0)
        self.sums = np.zeros((0, SUMS, self.count))
        self.use = np.zeros((self.count, BINS), dtype=np.int64)
        self.delay = np.zeros_like(self.use)
        self.busy = np.zeros((int(pools.max(initial=-1)) + 1, BUSY_BINS), dtype=np.int64)

    def add(self, outputs: Sequence[Output], begin: int, step_seconds: float) -> None:
        """Take what threads have counted from step ``begin`` on."""
        for output in outputs:
            self.use += output.use
            self.delay += output.delay
            self.busy += output.busy
        sums = np.sum([output.sums for output in outputs], axis=0)
        first = begin // self.every + 1
        times = (first + np.arange(len(sums))) * self.every * step_seconds
        self.times = np.concatenate([self.times, times])
        self.sums = np.concatenate([self.sums, sums])


def _output(
    watch: Watch | None, readings: int, curves: Curves, kept: NDArray[np.int64], kept_first: NDArray[np.int64]
) -> Output:
    """Room for what one thread counts."""
    none = np.zeros(0, dtype=np.int64)
    if watch is None:
        empty = np.zeros((0, 0), dtype=np.int64)
        return Output(curves, kept, kept_first, 1 << 62, none, np.zeros((0, 0, 0)), empty, empty, none, empty)
    return Output(
        curves, kept, kept_first, watch.every, watch.groups, np.zeros((readings, SUMS, watch.count)),
        np.zeros_like(watch.use), np.zeros_like(watch.delay), watch.pools, np.zeros_like(watch.busy),
    )  # fmt: skip


class Fleet:
    """Machines that are computed in steps.

    Args:
        machines: plans, what runs in their leaves, and CPUs.
        steps: how many there will be in all.
        step_seconds: how long each is.
        seed: of all that is random.

    Attributes:
        frames: the frame of each machine: its leaves and groups.
        first_leaf: (N + 1,) leaves of machine n are [first_leaf[n], first_leaf[n + 1]) of every array.

    Raises:
        PlanError: a machine cannot be computed in steps; the message says why.
    """

    def __init__(
        self, machines: Sequence[Machine], *, steps: int, step_seconds: float = 1.0, seed: int = 0
    ) -> None:
        self.steps, self.step_seconds, self.done = steps, step_seconds, 0
        known: dict[int, Steps] = {}
        parts: dict[tuple[int, int, int], Part] = {}
        self._tables = Tables()
        order: list[tuple[Part, int]] = []
        for machine in machines:
            key = (id(machine.plan), id(machine.workloads), machine.cpus)
            if key not in parts:
                if why := reasons_against(machine, step_seconds):
                    raise PlanError(
                        f"cannot be computed in steps of {step_seconds:g} s: {'; '.join(why[:3])}"
                    )
                parts[key] = Part(frame_of(machine, steps, step_seconds, known), step_seconds, self._tables)
            part = parts[key]
            if order and order[-1][0] is part:
                order[-1] = (part, order[-1][1] + 1)
            else:
                order.append((part, 1))
        self.frames: list[Frame] = [part.frame for part, count in order for _ in range(count)]
        sizes = [len(frame.cgroups) for frame in self.frames]
        self.first_leaf = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        quotas = [len(frame.quotas) for frame in self.frames]
        self.first_quota = np.concatenate([[0], np.cumsum(quotas)]).astype(np.int64)
        keys = np.fromiter(
            (
                0 if demand.random is None else key_of(seed, CgroupName(machine.names.get(name, name)), 0)
                for machine, frame in zip(machines, self.frames, strict=True)
                for name, demand in zip(frame.cgroups, frame.demands, strict=True)
            ),
            dtype=np.uint64,
        )
        self._fields = fields_of(order, keys, self._tables)

    @property
    def leaves(self) -> int:
        """How many leaves want CPU, in all machines."""
        return int(self.first_leaf[-1])

    def run(
        self,
        steps: int | None = None,
        *,
        curves: bool = False,
        keep: Sequence[int] | None = None,
        watch: Watch | None = None,
        threads: int | None = None,
    ) -> Curves:
        """Compute the next steps (all that are left).

        Args:
            steps: how many.
            curves: give the CPUs used in each step by each leaf.
            keep: only these leaves, in rising order.
            watch: groups of leaves to sum up and count; added to.
            threads: machines are divided among so many; all cores where left out. Results are the same.

        Returns:
            (steps, leaves kept), or (1, 0) without ``curves``.
        """
        count = self.steps - self.done if steps is None else min(steps, self.steps - self.done)
        kept = np.arange(self.leaves if curves else 0) if keep is None else np.asarray(keep, dtype=np.int64)
        wanted = np.empty((count, len(kept)) if len(kept) else (1, 0), dtype=np.float32)
        kept_first = np.searchsorted(kept, self.first_leaf)
        readings = 0 if watch is None else (self.done + count) // watch.every - self.done // watch.every
        parts = [
            (first, last, _output(watch, readings, wanted, kept, kept_first))
            for first, last in self._ranges(threads)
        ]
        begin, end, seconds = self.done, self.done + count, self.step_seconds
        if len(parts) == 1:
            run_steps(self._fields, 0, len(self.frames), begin, end, seconds, parts[0][2])
        else:
            run_steps(self._fields, 0, 0, begin, begin, seconds, parts[0][2])  # compiled once
            with ThreadPoolExecutor(len(parts)) as pool:
                jobs = [
                    pool.submit(run_steps, self._fields, first, last, begin, end, seconds, output)
                    for first, last, output in parts
                ]
                for job in jobs:
                    job.result()
        self.done = end
        if watch is not None:
            watch.add([output for _, _, output in parts], begin, seconds)
        return wanted

    def _ranges(self, threads: int | None) -> list[tuple[int, int]]:
        """Machines for each thread, with as many leaves."""
        workers = max(1, min(threads or os.cpu_count() or 1, len(self.frames)))
        edges = np.searchsorted(self.first_leaf, np.linspace(0, self.leaves, workers + 1))
        edges[0], edges[-1] = 0, len(self.frames)
        return [(int(a), int(b)) for a, b in pairwise(edges) if a < b] or [(0, 0)]

    def counters(self, machine: int | None = None) -> dict[str, Floats]:
        """Counter → value of each leaf of a machine, or of all; seconds, and numbers of periods.

        Those of quotas are NaN for leaves without one.
        """
        where = slice(None) if machine is None else slice(*self.first_leaf[machine : machine + 2])
        found = {name: self._fields.leaves[row, where].copy() for name, row in COUNTERS.items()}
        for name, row in QUOTA_COUNTERS.items():
            values = np.full(self.leaves, np.nan)
            values[self._fields.quota_leaves] = self._fields.quotas[row]
            found[name] = values[where]
        return found

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
from qos.simulate.step_demand import Steps
from qos.simulate.step_draw import key_of
from qos.simulate.step_fields import Part, Tables, fields_of
from qos.simulate.step_frame import Frame, Machine, frame_of, reasons_against
from qos.simulate.step_layout import BACKLOG, USAGE, WAIT_CPU, WAIT_QUOTA
from qos.simulate.step_loop import Output, run_steps
from qos.simulate.step_quota import NR_PERIODS, NR_THROTTLED, ONSETS, THROTTLED

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
                key_of(seed, CgroupName(machine.names.get(name, name)), 0)
                for machine, frame in zip(machines, self.frames, strict=True)
                for name in frame.cgroups
            ),
            dtype=np.uint64,
        )
        self._fields = fields_of(order, keys, self._tables)

    @property
    def leaves(self) -> int:
        """How many leaves want CPU, in all machines."""
        return int(self.first_leaf[-1])

    def run(self, steps: int | None = None, *, curves: bool = False, threads: int | None = None) -> Curves:
        """Compute the next steps (all that are left).

        Args:
            steps: how many.
            curves: give the CPUs used in each step by each leaf.
            threads: machines are divided among so many; all cores where left out. Results are the same.

        Returns:
            (steps, leaves), or (1, 0) without ``curves``.
        """
        count = self.steps - self.done if steps is None else min(steps, self.steps - self.done)
        wanted = np.empty((count, self.leaves) if curves else (1, 0), dtype=np.float32)
        none = np.zeros(0, dtype=np.int64)
        self._run(count, Output(wanted, np.zeros((0, 0, 0)), none, np.zeros((0, 3, 0)), 1), threads)
        return wanted

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

    def _run(self, count: int, output: Output, threads: int | None) -> None:
        begin, end = self.done, self.done + count
        seconds = self.step_seconds
        workers = max(1, min(threads or os.cpu_count() or 1, len(self.frames)))
        edges = np.searchsorted(self.first_leaf, np.linspace(0, self.leaves, workers + 1))
        edges[0], edges[-1] = 0, len(self.frames)
        ranges = [(int(a), int(b)) for a, b in pairwise(edges) if a < b]
        if len(ranges) == 1:
            run_steps(self._fields, 0, len(self.frames), begin, end, seconds, output)
        else:
            run_steps(self._fields, 0, 0, begin, begin, seconds, output)  # compiled before threads need it
            with ThreadPoolExecutor(len(ranges)) as pool:
                jobs = [
                    pool.submit(run_steps, self._fields, first, last, begin, end, seconds, output)
                    for first, last in ranges
                ]
                for job in jobs:
                    job.result()
        self.done = end

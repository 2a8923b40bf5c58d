"""Workloads that start while time runs (restarts): what getting ready costs is the laboratory's, not theirs.

A load is an interpreter and its processes, which need some 0.7 s of CPU in User Mode Linux before they begin.
Before the first start that is not counted; of a later one it is taken out of the pod's CPU time, and is then,
as all that measuring uses, beside the pods at its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from qos.model.cgroup import ROOT, CgroupName, ancestors, parent
from qos.model.sample import Samples

Start = tuple[float, CgroupName, float]
"""When a workload began, which, and the CPU seconds it got ready with."""
_USAGE: Final = "cpu_stat_usage_usec"
_LONGEST_SECONDS: Final = 5.0


def without_getting_ready(samples: Samples, starts: Sequence[Start]) -> Samples:
    """The readings as if getting ready had cost no CPU time, from each start on.

    A reading while it got ready is held at what follows.
    """
    if not starts or _USAGE not in samples.columns:
        return samples
    usage = samples.columns[_USAGE].copy()
    place = {name: at for at, name in enumerate(samples.cgroups)}
    for began, cgroup, seconds in starts:
        first = int(np.searchsorted(samples.times, began))
        for name in (*ancestors(cgroup), cgroup):
            if name not in place or first == len(samples.times):
                continue
            told = usage[:, place[name]]
            told[first:] -= seconds * 1e6
            row = first - 1
            while row >= 0 and samples.times[row] > began - _LONGEST_SECONDS and told[row] > told[first]:
                told[row] = told[first]
                row -= 1
    return Samples(samples.times, samples.cgroups, dict(samples.columns) | {_USAGE: usage}, samples.source)


def outside_over_time(samples: Samples, cpus: int, interval_seconds: float) -> list[tuple[float, float]]:
    """CPUs that pods could not have, from one planned reading to the next: (end in seconds, CPUs) each.

    Args:
        samples: with a row of ROOT that has ``proc_stat_idle_usec``.
        cpus: of the machine.
        interval_seconds: between two planned readings; those at events are left out.
    """
    from enforcer.procfs import IDLE_COLUMN

    if ROOT not in samples.cgroups or IDLE_COLUMN not in samples.columns:
        return []
    tops = [at for at, name in enumerate(samples.cgroups) if name != ROOT and parent(name) == ROOT]
    idle = samples.columns[IDLE_COLUMN][:, samples.cgroups.index(ROOT)]
    away = (idle + np.nansum(samples.columns[_USAGE][:, tops], axis=1)) / 1e6
    told: list[tuple[float, float]] = []
    last = 0
    for row in range(1, len(samples.times)):
        seconds = float(samples.times[row] - samples.times[last])
        if seconds >= 0.9 * interval_seconds:
            outside = max(0.0, cpus - float(away[row] - away[last]) / seconds)
            told.append((float(samples.times[row]), outside))
            last = row
    return told

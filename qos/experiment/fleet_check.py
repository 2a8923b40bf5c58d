"""A fleet's run as a Recording of one cgroup a group, so that promises and baselines are judged as ever."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.experiment.fleet_machines import SYSTEM
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.fleet_run import FleetGroup, FleetRun
from qos.model.sample import Completions, Recording, Samples

_MICROSECONDS: Final = 1e6
_COLUMNS: Final = {
    "cpu_stat_usage_usec": ("usage_seconds", _MICROSECONDS),
    "cpu_stat_nr_periods": ("nr_periods", 1.0),
    "cpu_stat_nr_throttled": ("nr_throttled", 1.0),
    "cpu_stat_throttled_usec": ("throttled_seconds", _MICROSECONDS),
    "sim_wait_quota_usec": ("wait_quota_seconds", _MICROSECONDS),
    "sim_wait_cpu_usec": ("wait_cpu_seconds", _MICROSECONDS),
    "sim_backlog_usec": ("backlog_seconds", _MICROSECONDS),
}


def as_recording(run: FleetRun) -> Recording:
    """The run with the cgroups ``POOL/CLASS/WORKLOAD``: sums over the containers of each.

    Promises of a ``workload:`` and of such a ``cgroup:`` can be judged by it; ``pod:`` matches nothing.
    """
    names = tuple(map(_cgroup, run.groups))
    columns: dict[str, NDArray[np.float64]] = {}
    for column, (counter, factor) in _COLUMNS.items():
        columns[column] = run.counters[counter] * factor
    columns["memory_current"] = run.memory
    columns["memory_peak"] = np.broadcast_to(run.memory_peaks, run.memory.shape).copy()
    return Recording(
        policy=run.policy,
        meta=run.meta,
        pods=tuple(_record(group, name) for group, name in zip(run.groups, names, strict=True)),
        files={name: {} for name in names},
        samples=Samples(run.times, names, columns, "simulated"),
        events=tuple(
            Event(event.time, event.kind, names[group], f"{event.cgroup}: {event.reason}")
            for event, group in zip(run.events, run.event_groups, strict=True)
        ),
        completions=Completions(),
    )


def _cgroup(group: FleetGroup) -> CgroupName:
    """``big/burstable/web``; what no name of a cgroup may hold is a dash."""
    parts = (group.pool, group.qos_class.lower(), group.workload)
    return CgroupName("/".join(re.sub(r"[^A-Za-z0-9_.@-]+", "-", part) or "-" for part in parts))


def _record(group: FleetGroup, name: CgroupName) -> dict[str, Any]:
    return {
        "namespace": "", "pod": "", "container": "", "type": "regular",
        "qosClass": "" if group.qos_class == SYSTEM else group.qos_class,
        "cgroup": name, "podCgroup": name, "workload": group.workload, "shape": None,
        "cpuRequest": None, "cpuLimit": None, "memoryRequest": None, "memoryLimit": None,
    }  # fmt: skip

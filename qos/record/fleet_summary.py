"""A fleet's run as figures: of workloads, classes, pools, or of any groups together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from qos.model.fleet_run import BUSY_BINS, Counts, FleetRun, percentile_of

Figures = Mapping[str, float | int | None]
PERCENTS: Final = (50, 90, 99)


def figures(run: FleetRun, groups: Counts) -> dict[str, float | int | None]:
    """What the containers of some groups got, together.

    ``cpu_p99_cpus`` is a percentile over containers and steps of the CPUs one used; ``delay_p99_seconds`` of
    how long what waits for one would take at the CPUs it gets, 0 where nothing waits. Percentiles are those
    of the histograms, at most 3 % off. ``waited_for_cpu`` is a part of the time that was wanted.
    """
    last = {
        name: float(values[-1, groups].sum()) if len(values) else 0.0 for name, values in run.counters.items()
    }
    containers = sum(run.groups[group].containers for group in groups.tolist())
    use, delay = run.use[groups].sum(axis=0), run.delay[groups].sum(axis=0)
    # Container-steps in which nothing waits were not counted: their delay is 0.
    delay[0] += use.sum() - delay.sum()
    wanted = last["usage_seconds"] + last["wait_cpu_seconds"] + last["wait_quota_seconds"]
    seconds = float(run.times[-1]) if len(run.times) else 0.0
    found: dict[str, float | int | None] = {
        "containers": containers,
        "cpu_seconds": last["usage_seconds"],
        "cpu_mean_cpus": _part(last["usage_seconds"], containers * seconds),
        **{f"cpu_p{percent}_cpus": _known(percentile_of(use, percent / 100)) for percent in PERCENTS},
        **{f"delay_p{percent}_seconds": _known(percentile_of(delay, percent / 100)) for percent in PERCENTS},
        "backlog_seconds": last["backlog_seconds"],
        "throttled_ratio": _part(last["nr_throttled"], last["nr_periods"]),
        "nr_periods": round(last["nr_periods"]),
        "nr_throttled": round(last["nr_throttled"]),
        "throttled_seconds": last["throttled_seconds"],
        "throttle_onsets": round(last["throttle_onsets"]),
        "waited_for_quota": _part(last["wait_quota_seconds"], wanted),
        "waited_for_cpu": _part(last["wait_cpu_seconds"], wanted),
        "memory_bytes": float(run.memory[:, groups].sum(axis=1).max(initial=0.0)) or None,
        "memory_peak_bytes": float(run.memory_peaks[groups].max(initial=0.0)) or None,
        "oom_kills": int(run.kills[groups].sum()),
    }
    return found


def workloads(run: FleetRun) -> dict[str, dict[str, float | int | None]]:
    """Workload → its figures over all pools and classes."""
    names = dict.fromkeys(group.workload for group in run.groups)
    return {name: figures(run, run.where(workload=name)) for name in names}


def classes(run: FleetRun) -> dict[str, dict[str, float | int | None]]:
    """QoS class → the figures of its containers."""
    names = dict.fromkeys(group.qos_class for group in run.groups)
    return {name: figures(run, run.where(qos_class=name)) for name in names}


def class_of(run: FleetRun, workload: str) -> str:
    """The class of a workload's containers, "mixed" where they differ."""
    found = {group.qos_class for group in run.groups if group.workload == workload}
    return found.pop() if len(found) == 1 else "mixed"


def pools(run: FleetRun) -> dict[str, dict[str, float | int | None]]:
    """Pool → figures of its containers, how many machines it has and how busy they are."""
    found = {}
    for number, (name, machines) in enumerate(run.pools.items()):
        busy = run.busy[number]
        found[name] = {
            "machines": machines,
            "busy_mean": _part(
                float((busy * np.arange(BUSY_BINS)).sum()) / (BUSY_BINS - 1), float(busy.sum())
            ),
            **{f"busy_p{percent}": busy_percentile(busy, percent / 100) for percent in PERCENTS},
            **figures(run, run.where(pool=name)),
        }
    return found


def busy_percentile(busy: Counts, part: float) -> float | None:
    """The part of a machine in use under which ``part`` of machines and steps lie; in half percents."""
    if not busy.sum():
        return None
    return int(np.searchsorted(np.cumsum(busy), part * busy.sum())) / (BUSY_BINS - 1)


def to_json(run: FleetRun) -> dict[str, Any]:
    """The stable machine form of one run."""
    return {
        "policy": run.policy,
        "seed": run.seed,
        "workloads": {
            name: {"qosClass": class_of(run, name), **found} for name, found in workloads(run).items()
        },
        "classes": classes(run),
        "pools": pools(run),
        "groups": [
            {
                "pool": group.pool, "qosClass": group.qos_class, "workload": group.workload,
                **figures(run, np.array([number])),
            }
            for number, group in enumerate(run.groups)
        ],
        "unplaced": dict(run.unplaced),
        "events": len(run.events),
    }  # fmt: skip


def _part(top: float, bottom: float) -> float | None:
    return top / bottom if bottom > 0 else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None

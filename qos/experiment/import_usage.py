"""`qos import usage`: measured CPU use as pods that use as much, each a trace workload."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from qos.errors import InputError
from qos.scenario.usage_tables import UsageSeries, read_usage

_REQUEST_PERCENTILE: Final = 90
_MOST_SERIES: Final = 1000


@dataclass(frozen=True, slots=True)
class ImportedUsage:
    """A scenario made of series, and the CSV file of each: file name → text.

    Attributes:
        dropped: rows that could not be used.
    """

    scenario: dict[str, Any]
    files: dict[str, str]
    dropped: int


def import_usage(
    files: Sequence[str], *, name: str, scale: float = 1.0, duration: str | None = None
) -> ImportedUsage:
    """A scenario with a pod a series, on one node that holds what they request.

    Requests are the table's own where it has them, else the 90th percentile of the use. Each series begins
    at time 0, as if all had been measured at once.

    Args:
        files: tables, see :mod:`qos.scenario.usage_tables`.
        name: of the scenario.
        scale: CPUs for one of the tables' unit.
        duration: of the scenario; None: of the longest series.

    Raises:
        InputError: a table is unreadable, two series have one name, or there are too many.
    """
    series = [each for file in files for each in read_usage(file, scale)]
    if len(series) > _MOST_SERIES:
        raise InputError(f"{len(series)} series", expected=f"at most {_MOST_SERIES}, a pod each")
    names = [each.name for each in series]
    for own in names:
        if names.count(own) > 1:
            raise InputError("two series have one name", value=own, expected="files of different names")
    requests = [_request(each) for each in series]
    cpus = max(1, math.ceil(sum(requests) / 0.9))
    longest = max(each.times_seconds[-1] - each.times_seconds[0] for each in series)
    step = max(1.0, min(_step(each) for each in series))
    spec = {
        "question": f"Who waits for CPU when {len(series)} measured workloads share a node of {cpus} CPUs?",
        "duration": duration or f"{math.ceil(longest)}s",
        "sampleInterval": f"{step:g}s",
        "nodes": [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"},
             "status": {"capacity": {"cpu": str(cpus), "memory": f"{max(4, 2 * cpus)}Gi", "pods": "1000"}},
             "kubelet": {"maxPods": 1000}},
        ],
        "pods": [_pod(each, request) for each, request in zip(series, requests, strict=True)],
        "workloads": [_workload(each) for each in series],
        "policies": ["kubelet"],
        "agents": [],
    }  # fmt: skip
    return ImportedUsage(
        {"apiVersion": "qos.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": name}, "spec": spec},
        {f"{each.name}.csv": _csv(each) for each in series},
        sum(each.dropped for each in series),
    )


def _request(series: UsageSeries) -> float:
    asked = series.request_cpus
    if asked is None:
        asked = float(np.percentile(series.cpus, _REQUEST_PERCENTILE))
    return max(0.01, math.ceil(asked * 1000) / 1000)


def _step(series: UsageSeries) -> float:
    """The usual distance of two readings in seconds."""
    return float(np.median(np.diff(series.times_seconds)))


def _pod(series: UsageSeries, request: float) -> dict[str, Any]:
    resources: dict[str, Any] = {"requests": {"cpu": f"{round(request * 1000)}m"}}
    if series.limit_cpus is not None and series.limit_cpus >= request:
        resources["limits"] = {"cpu": f"{round(series.limit_cpus * 1000)}m"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": series.name, "labels": {"series": series.name}},
        "spec": {"containers": [{"name": "main", "image": "trace", "resources": resources}]},
    }


def _workload(series: UsageSeries) -> dict[str, Any]:
    cpu = {
        "shape": "trace",
        "file": f"{series.name}.csv",
        "threads": min(4096, max(1, math.ceil(max(series.cpus)))),
        # Work comes every second: all of a reading's minutes at once would wait for itself.
        "period": "1s",
    }
    return {"name": series.name, "selector": f"series={series.name}", "cpu": cpu}


def _csv(series: UsageSeries) -> str:
    first = series.times_seconds[0]
    lines = (
        f"{time - first:.10g},{value:.10g}"
        for time, value in zip(series.times_seconds, series.cpus, strict=True)
    )
    return "time_seconds,cpus\n" + "\n".join(lines) + "\n"

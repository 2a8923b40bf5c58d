"""A recording as plain data, and back: how one leaves a guest without tables and their libraries.

Importing those takes longer in an emulated machine than many a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from qos.errors import RecordingError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.sample import Completions, Recording, Samples


def to_plain(recording: Recording) -> dict[str, Any]:
    """What :func:`from_plain` makes an equal recording of; JSON keeps it, NaN as Python writes it."""
    samples, done = recording.samples, recording.completions
    return {
        "policy": recording.policy,
        "meta": dict(recording.meta),
        "pods": [dict(pod) for pod in recording.pods],
        "files": {name: dict(files) for name, files in recording.files.items()},
        "source": samples.source,
        "times": samples.times.tolist(),
        "cgroups": list(samples.cgroups),
        "columns": {name: values.tolist() for name, values in samples.columns.items()},
        "events": [asdict(event) for event in recording.events],
        "completed": list(done.cgroups),
        "completions": [done.cgroup.tolist(), done.arrival_seconds.tolist(), done.latency_seconds.tolist()],
    }


def from_plain(told: Mapping[str, Any]) -> Recording:
    """The recording that :func:`to_plain` was given.

    Raises:
        RecordingError: something is missing, or of another shape.
    """
    try:
        names = tuple(CgroupName(name) for name in told["cgroups"])
        times = np.array(told["times"], dtype=np.float64)
        columns = {
            str(name): np.array(values, dtype=np.float64).reshape(len(times), len(names))
            for name, values in told["columns"].items()
        }
        cgroup, arrivals, latencies = told["completions"]
        return Recording(
            policy=str(told["policy"]),
            meta=told["meta"],
            pods=tuple(told["pods"]),
            files={CgroupName(name): files for name, files in told["files"].items()},
            samples=Samples(times, names, columns, told["source"]),
            events=tuple(Event(**event) for event in told["events"]),
            completions=Completions(
                tuple(CgroupName(name) for name in told["completed"]),
                np.array(cgroup, dtype=np.int32),
                np.array(arrivals, dtype=np.float64),
                np.array(latencies, dtype=np.float64),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"a recording of another shape: {error}") from error

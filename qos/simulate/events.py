"""Events of the engine in words a human can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Plan


def describe(entry: Any, names: Sequence[CgroupName], plan: Plan) -> Event:
    """One record of ``layout.EVENT`` as an Event."""
    cgroup = names[entry["node"]]
    return Event(float(entry["time"]), "throttle", cgroup, _throttle(entry, plan.cgroups[cgroup].cpu_max))


def _throttle(entry: Any, limit: Any) -> str:
    threads = float(entry["a"])
    busy = f"{threads:g} thread{'s' if threads != 1 else ''}"
    return (
        f"throttled by its own cpu.max: {busy} used up {limit.quota_usec / 1000:g} ms "
        f"before the period of {limit.period_usec / 1000:g} ms was over"
    )

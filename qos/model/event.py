"""Event: something that happened to a cgroup. Apart from Samples, because agents need no arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qos.model.cgroup import CgroupName

EventKind = Literal[
    "oom_kill", "global_oom_kill", "evict", "restart", "backoff", "throttle", "resize", "exit", "frozen",
    "thawed", "killed", "pids_max", "admit_reject", "suppress", "node_pressure",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened: when (seconds), what, to which cgroup, and why in words a human can act on.

    ``exit_code`` is that of a process that ended (kind "exit"); None there means 0.
    """

    time: float
    kind: EventKind
    cgroup: CgroupName
    reason: str
    exit_code: int | None = None

"""What an agent may ask for. The driver carries it out on whichever kernel runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qos.model.cgroup import CgroupName
from qos.model.plan import Change

WriteKind = Literal["resize", "suppress"]
NoteKind = Literal["node_pressure", "admit_reject", "resize"]


@dataclass(frozen=True, slots=True)
class Evict:
    """Kill a pod for good; it is not restarted on this node. ``grace_seconds`` lie between TERM and KILL."""

    pod_cgroup: CgroupName
    reason: str
    grace_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Start a container's workload again, ``after_seconds`` of back-off from now."""

    cgroup: CgroupName
    after_seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Write:
    """Change values in force, in this order; ``kind`` is the event it is written down as."""

    changes: tuple[Change, ...]
    reason: str
    kind: WriteKind = "resize"


@dataclass(frozen=True, slots=True)
class Note:
    """Nothing to be done, but something to be written down: a node's pressure condition came or went."""

    kind: NoteKind
    cgroup: CgroupName
    reason: str


Action = Evict | Restart | Write | Note

"""One stream of bytes of a workload: what it wants, what it gets, how far it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from qos.model.cgroup import CgroupName

Direction = Literal["read", "write", "receive", "send"]
_MADE_UP_SECONDS: Final = 1.0
"""What a stream of a wanted rate could not move in time it makes up for, so many seconds of it at most."""
_ROUNDING_BYTES: Final = 1e-3


@dataclass(slots=True)
class Stream:
    """A task that moves bytes, one block after another.

    Attributes:
        cgroup: its leaf.
        direction: where to.
        device: of a disk, as its cgroup files have it; "" for the network.
        block: bytes of one operation.
        wanted: bytes a second; inf: as fast as it can.
        start: when it begins, in seconds of the kernel's time.
        stop: when it wants no more; inf: never.
        total: bytes after which it is done; inf: never.
        frozen: stands still.
        rate: bytes a second it gets now.
        waits: part of the time now in which it waits for the device.
        moved: bytes so far.
        backlog: bytes that were due and could not be moved.
    """

    cgroup: CgroupName
    direction: Direction
    device: str
    block: float
    wanted: float
    start: float
    stop: float = math.inf
    total: float = math.inf
    frozen: bool = False
    rate: float = 0.0
    waits: float = 0.0
    moved: float = 0.0
    backlog: float = 0.0

    def can_use(self, now: float) -> float:
        """Bytes a second it could use now; inf where it would take anything."""
        if self.frozen or self.is_done or not self.start <= now < self.stop:
            return 0.0
        return math.inf if self.backlog > _ROUNDING_BYTES else self.wanted

    @property
    def is_done(self) -> bool:
        """Whether all of a finite transfer was moved."""
        return self.moved >= self.total - _ROUNDING_BYTES

    def next_change(self, now: float) -> float:
        """When it next wants something else, at its rate of now."""
        if now < self.start:
            return self.start
        then = self.stop if self.stop > now else math.inf
        if self.rate > 0.0 and not self.is_done:
            if self.total < math.inf:
                then = min(then, now + (self.total - self.moved) / self.rate)
            if self.backlog > _ROUNDING_BYTES and self.rate > self.wanted:
                then = min(then, now + self.backlog / (self.rate - self.wanted))
        return then

    def pass_time(self, seconds: float, *, running: bool) -> float:
        """Let time pass at the rate of now; returns the bytes moved.

        Args:
            seconds: how long.
            running: whether it is between its start and its stop.
        """
        moved = self.rate * seconds
        self.moved += moved
        if running and not self.frozen and self.wanted < math.inf and not self.is_done:
            late = self.backlog + (self.wanted - self.rate) * seconds
            self.backlog = min(max(late, 0.0), self.wanted * _MADE_UP_SECONDS)
            if self.backlog <= _ROUNDING_BYTES:
                self.backlog = 0.0
        return moved

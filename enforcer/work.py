"""What the real kernel needs of processes that carry out a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.workload import Workload


class Work(Protocol):
    """Processes of one leaf cgroup: a :class:`enforcer.load.LoadProcess` or a command.

    Attributes:
        dies_whole: the kill of one of its processes ends all of it, whatever ``memory.oom.group`` says.
    """

    dies_whole: bool

    def wait_ready(self, timeout_seconds: float = 60.0) -> None:
        """Wait until they can begin."""

    def go(self, start: float | None = None) -> object:
        """Begin at a moment of the monotonic clock."""

    def feed_until(self, seconds: float) -> None:
        """Hand them what they shall do before so many seconds after their start."""

    def results(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arrivals and latencies, in seconds after the start, completed since the last call."""

    def poll(self) -> int | None:
        """Their exit code, None while they run."""

    def terminate(self) -> None:
        """Ask it to end by itself (SIGTERM)."""

    def words(self) -> str:
        """Why it ended, where there is more to say than its exit code; else empty."""

    def close(self) -> None:
        """Release what is held of them."""


Starter = Callable[[CgroupName, str, Workload, int], Work]
"""Puts a workload into a cgroup (name, path) with an oom_score_adj; it waits for ``go``."""

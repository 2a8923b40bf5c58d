"""What the real kernel needs of processes that carry out a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.workload import Workload


class Work(Protocol):
    """Processes of one leaf cgroup; :class:`enforcer.load.LoadProcess` is one."""

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

    def close(self) -> None:
        """Release what is held of them."""


Starter = Callable[[CgroupName, str, Workload, int], Work]
"""Puts a workload into a cgroup (name, path) with an oom_score_adj; it waits for ``go``."""

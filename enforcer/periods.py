"""When the periods of cpu.max end: seen from outside, where the kernel draws it and tells nobody.

Since Linux 6.4 each cgroup's period timer has a random offset (init_cfs_bandwidth, so that timers do not all
fire at once); before, periods ended at multiples of the period on CLOCK_MONOTONIC. Where a pod and its
container have one quota, the offset decides which of the two is throttled, and for how long.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from qos.model.cgroup import CgroupName

_PERIODS: Final = 3.5
"""So many periods of each are watched: three ends, of which the one seen soonest after it counts."""
_POLL_SECONDS: Final = 0.0005


@dataclass(slots=True)
class _Seen:
    period: float
    count: int = -1
    ends: list[float] = field(default_factory=list)


def observe_phases(
    fs: CgroupFS, periods: Mapping[CgroupName, float], clock: Callable[[], float]
) -> dict[CgroupName, float]:
    """Watch nr_periods of cgroups that use CPU now.

    Args:
        fs: the tree; a cgroup's name is its path.
        periods: the period of each, in seconds.
        clock: seconds since the beginning of what the phases are of.

    Returns:
        The first end of a period after 0, in (0, period]; nothing of a cgroup whose timer does not run.

    Raises:
        qos.errors.CgroupError: not permitted, or gone.
    """
    seen = {name: _Seen(period) for name, period in periods.items()}
    begun = clock()
    while watched := {name: each for name, each in seen.items() if clock() - begun < _PERIODS * each.period}:
        for name, each in watched.items():
            now = clock()
            count = parse_flat_keyed(fs.read(name, "cpu.stat")).get("nr_periods", 0)
            if each.count >= 0 and count > each.count:
                each.ends.append(now)
            each.count = count
        time.sleep(_POLL_SECONDS)
    return {name: phase_of(each.ends, each.period) for name, each in seen.items() if each.ends}


@contextmanager
def kept_busy(fs: CgroupFS, leaves: Sequence[CgroupName]) -> Iterator[None]:
    """A process that wants a CPU in each of some leaves: timers of periods run only where runtime is used.

    Args:
        fs: the tree.
        leaves: cgroups without children.

    Raises:
        qos.errors.CgroupError: not permitted, or gone.
    """
    spinners = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in leaves]
    try:
        for leaf, spinner in zip(leaves, spinners, strict=True):
            fs.write(leaf, "cgroup.procs", str(spinner.pid))
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def phase_of(ends: Sequence[float], period: float) -> float:
    """The first end of a period after 0, in (0, period], from moments at or a little after ends.

    >>> round(phase_of([2.034, 2.131, 2.233], 0.1), 6)
    0.031
    """
    first = ends[0]
    lateness = [math.remainder(end - first, period) for end in ends]
    return period - (-(first + min(lateness)) % period)

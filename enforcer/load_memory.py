"""Holding anonymous memory as a workload says. Standard library only.

It runs in a process of its own, in the load's cgroup, from ``start`` (monotonic clock) until it is ended.
"""

from __future__ import annotations

import contextlib
import mmap
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

_STEP_SECONDS: Final = 0.017
"""Growth is caught up with as often; no multiple of a tick, at which User Mode Linux books CPU time: steps
of 10 ms were booked as nothing, or as a whole tick each."""
_TOUCH_SECONDS: Final = 1.0
_PAGE: Final = mmap.PAGESIZE
_AT_ONCE: Final = 64 * _PAGE
"""Memory is charged 64 pages at a time (MEMCG_CHARGE_BATCH), and memory.high lets wait after as many."""
WITHOUT_PAGE_TABLES: Final = 512 / 513
"""A page of page table for each 512 pages is charged, too."""
_POPULATE_READ: Final = 22  # madvise(2), since Linux 5.14; Python 3.11 has no names for them
_POPULATE_WRITE: Final = 23
_MAP_NORESERVE: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Python has the name since 3.13
"""Growth without a limit reserves more than any machine has, which mmap(2) else refuses at once."""


def polygon_at(points: Sequence[Sequence[float]], at: float) -> float:
    """The value of straight lines between points (time, value); the last value holds after them.

    >>> polygon_at([[0.0, 10.0], [2.0, 20.0]], 1.0)
    15.0
    """
    before = points[0]
    for point in points:
        if point[0] > at:
            width = point[0] - before[0]
            share = (at - before[0]) / width if width > 0.0 else 0.0
            return max(before[1], 0.0) if at < before[0] else before[1] + share * (point[1] - before[1])
        before = point
    return before[1]


@cache
def fault_bytes_per_second(sample_bytes: int = 32 << 20) -> float:
    """How much new memory this machine puts in place in a second of a CPU's time: the best of three.

    Args:
        sample_bytes: put in place each time, and given back.
    """
    times = []
    for _ in range(3):
        memory = Anonymous({"points": [[0.0, 0.0]], "hot": 0.0, "most": sample_bytes})
        began = time.monotonic()
        memory.hold(sample_bytes)
        times.append(time.monotonic() - began)
        memory.hold(0)
    return sample_bytes / max(min(times), 1e-6)


class Anonymous:
    """Anonymous memory along a polygon; what the load's processes hold anyway counts as part of it.

    The kernel is asked to put the pages in place (MADV_POPULATE_WRITE): a fault for each costs 60 to 200 us
    under User Mode Linux, where a load grew by 20 to 60 MiB/s at most, whatever was asked of it.

    Args:
        spec: ``points`` (seconds after the start, bytes), ``hot`` fraction that is touched again and again,
            ``most`` bytes ever.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self._points, self._hot = spec["points"], spec["hot"]
        self._most = max(_PAGE, int(spec["most"]))
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        self._region = mmap.mmap(-1, self._most + _PAGE, flags=flags)
        with contextlib.suppress(OSError):  # a kernel without huge pages has nothing to be told
            self._region.madvise(mmap.MADV_NOHUGEPAGE)
        self._held = 0
        self.hold(_PAGE)

    def hold(self, wanted_bytes: float) -> None:
        """Hold so many bytes, in whole pages, from now on."""
        pages = min(max(0, int(wanted_bytes)), self._most) // _PAGE
        if pages > self._held:
            self._populate(self._held * _PAGE, pages * _PAGE)
        elif pages < self._held:
            self._region.madvise(mmap.MADV_DONTNEED, pages * _PAGE, (self._held - pages) * _PAGE)
        self._held = pages

    def touch(self) -> int:
        """Use each hot page, which marks it used and brings it back from swap; returns how many."""
        pages = int(self._held * self._hot)
        try:
            if pages:
                self._region.madvise(_POPULATE_READ, 0, pages * _PAGE)
        except OSError:
            len(self._region[0 : pages * _PAGE : _PAGE])
        return pages

    def _populate(self, first: int, last: int) -> None:
        for at in range(first, last, _AT_ONCE):
            end = min(at + _AT_ONCE, last)
            try:
                self._region.madvise(_POPULATE_WRITE, at, end - at)
            except OSError:  # a kernel without it, or no memory: then the OOM killer comes
                self._region[at:end:_PAGE] = b"\1" * len(range(at, end, _PAGE))

    def follow(self, start: float, already_bytes: int) -> None:
        """Follow the polygon for ever.

        Args:
            start: on the monotonic clock.
            already_bytes: charged to the cgroup before the start, the processes' own.
        """
        last = self._points[-1][0]
        touch_at = start + _TOUCH_SECONDS
        time.sleep(max(0.0, start - time.monotonic()))
        while True:
            now = time.monotonic()
            middle = now - start + _STEP_SECONDS / 2.0  # of the step to come: neither early nor late
            self.hold((polygon_at(self._points, middle) - already_bytes) * WITHOUT_PAGE_TABLES)
            if now >= touch_at:
                self.touch()
                touch_at += _TOUCH_SECONDS
            settled = now - start > last
            time.sleep(max(0.0, touch_at - time.monotonic()) if settled else _STEP_SECONDS)

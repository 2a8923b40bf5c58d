"""Using memory and disk as a workload says: the processes of a load that are not CPU. Standard library only.

Each function runs in a process of its own, in the load's cgroup, from ``start`` on the monotonic clock
until it is ended. Files come as descriptors: nothing is opened here.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

_TICK_SECONDS: Final = 0.01
_TOUCH_SECONDS: Final = 1.0
_BLOCK_BYTES: Final = 131072
_PAGE: Final = mmap.PAGESIZE
_MAP_NORESERVE: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Python has the name since 3.13
"""Growth without a limit reserves more than any machine has, which mmap(2) else refuses at once."""

_LATE_SECONDS: Final = 1.0


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


class Anonymous:
    """Anonymous memory along a polygon; what the load's processes hold anyway counts as part of it.

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
            self._region[self._held * _PAGE : pages * _PAGE : _PAGE] = b"\1" * (pages - self._held)
        elif pages < self._held:
            self._region.madvise(mmap.MADV_DONTNEED, pages * _PAGE, (self._held - pages) * _PAGE)
        self._held = pages

    def touch(self) -> int:
        """Read a byte of each hot page, which marks it used; returns how many."""
        return len(self._region[0 : int(self._held * self._hot) * _PAGE : _PAGE])

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
            self.hold(polygon_at(self._points, now - start) - already_bytes)
            if now >= touch_at:
                self.touch()
                touch_at += _TOUCH_SECONDS
            settled = now - start > last
            time.sleep(max(0.0, touch_at - time.monotonic()) if settled else _TICK_SECONDS)


class Pace:
    """A steady rate: how much is due now, and waiting until something is.

    Args:
        per_second: units a second.
        start: on the monotonic clock.
        stop: no more is due after this; None: for ever.
    """

    def __init__(self, per_second: float, start: float, stop: float | None = None) -> None:
        self._rate = per_second
        self._start = start
        self._stop = stop
        self._done = 0.0

    def wait(self, unit: float) -> bool:
        """Wait until ``unit`` more is due, count it as done; False when the stop was reached.

        What could not be done in time is made up for a second long, then forgotten: a rate is wanted, not
        a total.
        """
        now = time.monotonic()
        if self._stop is not None and now >= self._stop:
            return False
        due = self._start + (self._done + unit) / self._rate
        if due > now:
            time.sleep(due - now)
        elif now - due > _LATE_SECONDS:
            self._done = (now - _LATE_SECONDS - self._start) * self._rate
        self._done += unit
        return True


def use_page_cache(spec: dict[str, Any], start: float) -> None:
    """Read a file through the page cache, all of it once, then its active part round and round.

    Args:
        spec: ``fd``, ``bytes``, ``read_per_second``, ``active`` fraction, ``start`` seconds.
        start: on the monotonic clock.
    """
    size = int(spec["bytes"])
    again = max(_BLOCK_BYTES, int(size * spec["active"]))
    buffer = bytearray(_BLOCK_BYTES)
    _round_and_round(
        spec["read_per_second"],
        start + spec["start"],
        None,
        _BLOCK_BYTES,
        lambda at: os.preadv(spec["fd"], [buffer], at),
        (size, again),
    )


def write_page_cache(spec: dict[str, Any], start: float) -> None:
    """Write a file through the page cache, round and round, at ``write_per_second``."""
    size = int(spec["bytes"])
    block = b"\2" * _BLOCK_BYTES
    _round_and_round(
        spec["write_per_second"],
        start + spec["start"],
        None,
        _BLOCK_BYTES,
        lambda at: os.pwrite(spec["fd"], block, at),
        (size, size),
    )


def use_disk(spec: dict[str, Any], start: float) -> None:
    """Read or write a file in blocks, past the page cache where its descriptor is O_DIRECT.

    Args:
        spec: ``fd``, ``bytes``, ``block``, ``per_second`` bytes, ``write`` or not, ``start``, ``stop``.
        start: on the monotonic clock.
    """
    size, block = int(spec["bytes"]), int(spec["block"])
    buffer = memoryview(mmap.mmap(-1, max(block, _PAGE)))[:block]  # O_DIRECT wants aligned memory
    move: Callable[[int], int] = (
        (lambda at: os.pwritev(spec["fd"], [buffer], at))
        if spec["write"]
        else (lambda at: os.preadv(spec["fd"], [buffer], at))
    )
    stop = None if spec["stop"] is None else start + spec["stop"]
    _round_and_round(spec["per_second"], start + spec["start"], stop, block, move, (size, size))


def _round_and_round(
    per_second: float,
    start: float,
    stop: float | None,
    block: int,
    move: Callable[[int], int],
    sizes: tuple[int, int],
) -> None:
    time.sleep(max(0.0, start - time.monotonic()))
    pace = Pace(per_second, start, stop)
    at, size = 0, sizes[0]
    while pace.wait(block):
        if at + block > size:
            at, size = 0, sizes[1]
        move(at)
        at += block


def send(spec: dict[str, Any], start: float) -> None:
    """Send bytes to a peer over TCP at ``bits_per_second``; the peer counts what arrives.

    Args:
        spec: ``host``, ``port``, ``bits_per_second``, ``start``, ``stop``.
        start: on the monotonic clock.
    """
    block = b"\3" * 16384
    time.sleep(max(0.0, start + spec["start"] - time.monotonic()))
    stop = None if spec["stop"] is None else start + spec["stop"]
    pace = Pace(spec["bits_per_second"] / 8.0, start + spec["start"], stop)
    with socket.create_connection((spec["host"], spec["port"]), timeout=10.0) as peer:
        peer.settimeout(None)
        while pace.wait(len(block)):
            try:
                peer.sendall(block)
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.ECONNRESET):
                    return
                raise


def receive(spec: dict[str, Any], start: float) -> None:
    """Take what a peer sends to ``port``, as fast as it comes."""
    del start
    with socket.create_server((spec["host"], spec["port"])) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                while peer.recv(65536):
                    pass

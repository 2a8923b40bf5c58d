"""Using page cache and disk as a workload says. Standard library only.

Each function runs in a process of its own, in the load's cgroup, from ``start`` on the monotonic clock
until it is ended. Files come as descriptors: nothing is opened here.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from typing import Any, Final

from enforcer.load_pace import Pace, tell_done

_BLOCK_BYTES: Final = 131072
_PAGE: Final = mmap.PAGESIZE


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
        Pace(spec["read_per_second"], start + spec["start"]),
        start + spec["start"],
        _BLOCK_BYTES,
        lambda at: os.preadv(spec["fd"], [buffer], at),
        (size, again),
    )


def write_page_cache(spec: dict[str, Any], start: float) -> None:
    """Write a file through the page cache, round and round, at ``write_per_second``."""
    size = int(spec["bytes"])
    block = b"\2" * _BLOCK_BYTES
    _round_and_round(
        Pace(spec["write_per_second"], start + spec["start"]),
        start + spec["start"],
        _BLOCK_BYTES,
        lambda at: os.pwrite(spec["fd"], block, at),
        (size, size),
    )


def use_disk(spec: dict[str, Any], start: float) -> None:
    """Read or write a file in blocks, past the page cache where its descriptor is O_DIRECT.

    Args:
        spec: ``fd``, ``bytes``, ``block``, ``per_second`` bytes (None: as fast as it goes), ``total`` bytes
            after which it is done (None: never), ``write`` or not, ``start``, ``stop``, ``results``.
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
    pace = Pace(spec["per_second"], start + spec["start"], stop, spec["total"])
    _round_and_round(pace, start + spec["start"], block, move, (size, size))
    if spec["total"] is not None:
        tell_done(spec["results"], start, spec["start"])


def _round_and_round(
    pace: Pace,
    start: float,
    block: int,
    move: Callable[[int], int],
    sizes: tuple[int, int],
) -> None:
    time.sleep(max(0.0, start - time.monotonic()))
    at, size = 0, sizes[0]
    while pace.wait(block):
        if at + block > size:
            at, size = 0, sizes[1]
        move(at)
        at += block

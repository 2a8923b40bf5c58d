"""Freezing, thawing and killing whole cgroups, each confirmed by the kernel before the call returns.

``cgroup.events`` is polled (POLLPRI), not slept on: the kernel wakes the waiter when ``frozen`` or
``populated`` changes.

Source: cgroup-v2.rst, cgroup.freeze, cgroup.kill (Linux 5.14), cgroup.events.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

from enforcer.beneath import read_all
from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from qos.errors import CgroupError, HostError

PATIENCE_SECONDS: Final = 10.0
_RECHECK_SECONDS: Final = (
    0.25  # a task in an uninterruptible wait freezes late; also a net under a lost wake-up
)


def freeze(fs: CgroupFS, cgroup: str, timeout_seconds: float = PATIENCE_SECONDS) -> float:
    """Stop every task in a cgroup and below; they keep their memory and use no CPU.

    Returns:
        Seconds until the kernel said ``frozen 1``.

    Raises:
        CgroupError: no such cgroup, or not permitted.
        HostError: not confirmed in time, as with a task in an uninterruptible wait.
    """
    return _write_and_wait(fs, cgroup, ("cgroup.freeze", "1"), ("frozen", 1), timeout_seconds)


def thaw(fs: CgroupFS, cgroup: str, timeout_seconds: float = PATIENCE_SECONDS) -> float:
    """Undo :func:`freeze`.

    Returns:
        Seconds until the kernel said ``frozen 0``.

    Raises:
        CgroupError: no such cgroup, or not permitted.
        HostError: not confirmed in time, as while a cgroup above is frozen.
    """
    return _write_and_wait(fs, cgroup, ("cgroup.freeze", "0"), ("frozen", 0), timeout_seconds)


def kill(fs: CgroupFS, cgroup: str, timeout_seconds: float = PATIENCE_SECONDS) -> float:
    """Kill every process in a cgroup and below, frozen ones too, forks in flight included.

    Zombies do not count: a killed process is confirmed gone when the cgroup is unpopulated.

    Returns:
        Seconds until the kernel said ``populated 0``.

    Raises:
        CgroupError: no such cgroup, or not permitted.
        HostError: not confirmed in time.
    """
    if fs.exists(cgroup, "cgroup.kill"):
        return _write_and_wait(fs, cgroup, ("cgroup.kill", "1"), ("populated", 0), timeout_seconds)
    return _kill_one_by_one(fs, cgroup, timeout_seconds)


def kill_at_once(fs: CgroupFS, cgroups: Sequence[str]) -> None:
    """Begin to kill what is in several cgroups, before each is killed and waited for with :func:`kill`.

    One of a tiny weight would die too slowly beside siblings that still run.
    """
    for cgroup in cgroups:
        with contextlib.suppress(CgroupError):  # gone, or a kernel before 5.14
            fs.write(cgroup, "cgroup.kill", "1")


def terminate(fs: CgroupFS, cgroup: str) -> int:
    """Send SIGTERM to every process in a cgroup and below; they may take their time, or ignore it.

    Returns:
        How many were sent one; 0 where the cgroup is gone.

    Raises:
        CgroupError: not permitted.
    """
    return _signal(fs, cgroup, signal.SIGTERM) if fs.exists(cgroup) else 0


def wait_for(fs: CgroupFS, cgroup: str, key: str, value: int, timeout_seconds: float) -> bool:
    """Wait until ``cgroup.events`` of a cgroup has ``key value``.

    Returns:
        True when it has, or the cgroup is gone and ``populated 0`` was waited for; False at the time-out.

    Raises:
        CgroupError: no such cgroup at the start, or not permitted.
    """
    with _events_of(fs, cgroup) as fd:
        return _wait(fd, (key, value), time.monotonic() + timeout_seconds)


def is_frozen(fs: CgroupFS, cgroup: str) -> bool:
    """Whether a cgroup is frozen, by itself or by one above.

    Raises:
        CgroupError: no such cgroup, or not permitted.
    """
    return parse_flat_keyed(fs.read(cgroup, "cgroup.events")).get("frozen") == 1


def _write_and_wait(
    fs: CgroupFS, cgroup: str, written: tuple[str, str], awaited: tuple[str, int], timeout_seconds: float
) -> float:
    began = time.monotonic()
    with _events_of(fs, cgroup) as fd:
        fs.write(cgroup, *written)
        if not _wait(fd, awaited, began + timeout_seconds):
            raise HostError(_not_confirmed(fs, cgroup, awaited, timeout_seconds))
    return time.monotonic() - began


@contextlib.contextmanager
def _events_of(fs: CgroupFS, cgroup: str) -> Iterator[int]:
    fd = fs.open_file(cgroup, "cgroup.events")
    try:
        yield fd
    finally:
        os.close(fd)


def _wait(fd: int, awaited: tuple[str, int], deadline: float) -> bool:
    key, value = awaited
    poller = select.poll()
    poller.register(fd, select.POLLPRI)
    while True:
        try:
            # reading arms the notification anew: a change after this read wakes the poll below
            if parse_flat_keyed(read_all(fd).decode()).get(key) == value:
                return True
        except OSError as error:
            if error.errno == errno.ENODEV:
                return awaited == ("populated", 0)
            raise
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        poller.poll(min(left, _RECHECK_SECONDS) * 1000)


def _kill_one_by_one(fs: CgroupFS, cgroup: str, timeout_seconds: float) -> float:
    """Before Linux 5.14: frozen first, so that nothing forks away from the signals."""
    began = time.monotonic()
    with _events_of(fs, cgroup) as fd:
        with contextlib.suppress(HostError):
            freeze(fs, cgroup, min(1.0, timeout_seconds))
        _signal(fs, cgroup, signal.SIGKILL)
        fs.write(cgroup, "cgroup.freeze", "0")
        if not _wait(fd, ("populated", 0), began + timeout_seconds):
            raise HostError(_not_confirmed(fs, cgroup, ("populated", 0), timeout_seconds))
    return time.monotonic() - began


def _signal(fs: CgroupFS, cgroup: str, number: signal.Signals) -> int:
    sent = 0
    for name in list(fs.walk(cgroup)):
        for pid in fs.procs(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                sent += 1
    return sent


def _not_confirmed(fs: CgroupFS, cgroup: str, awaited: tuple[str, int], timeout_seconds: float) -> str:
    key, value = awaited
    likely = {
        ("frozen", 1): "a task is in an uninterruptible wait (state D), as for a disk",
        ("frozen", 0): "a cgroup above it is frozen",
        ("populated", 0): "a task is in an uninterruptible wait (state D), as for a disk",
    }[awaited]
    try:
        alive = sum(len(fs.procs(name)) for name in fs.walk(cgroup))
    except CgroupError:
        alive = 0
    return (
        f"{fs.root / cgroup}: the kernel did not say '{key} {value}' within {timeout_seconds:g} s, "
        f"{alive} processes are left; likely {likely}"
    )

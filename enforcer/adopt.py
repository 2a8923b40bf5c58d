"""Taking processes that already run into a cgroup: by number, systemd unit, cgroup or command line.

Finding and moving are two steps, so that what would be moved can be shown first. A process moves with
all its threads; its memory stays charged where it was used (cgroup-v2.rst, "Memory Ownership").
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from enforcer.cgroupfs import CgroupFS
from enforcer.procfs import ProcFS
from qos.errors import CgroupError, HostError, InputError

Way = Literal["pid", "unit", "cgroup", "command"]
_PIDS_MAX: Final = 4194304


@dataclass(frozen=True, slots=True)
class Adopted:
    """One process that was moved, and what to give back: its cgroup and oom_score_adj before (None: kept)."""

    pid: int
    from_cgroup: str
    oom_score_adj: int | None = None


def find(fs: CgroupFS, proc: ProcFS, way: Way, what: str) -> tuple[int, ...]:
    """The processes that are meant.

    Args:
        fs: the tree, for units and cgroups.
        proc: the host's processes.
        way: one of :data:`WAYS`.
        what: a number; a systemd unit (``nginx.service``); a cgroup; a regular expression that is
            searched for in the arguments joined by spaces.

    Raises:
        InputError: not a number, not an expression, or nothing found.
        CgroupError: no such cgroup.
    """
    pids = WAYS[way](fs, proc, what)
    if not pids:
        raise InputError("no such process", field=way, value=what, expected="something that runs")
    return pids


def adopt(
    fs: CgroupFS, proc: ProcFS, cgroup: str, pids: Sequence[int], oom_score_adj: int | None = None
) -> tuple[Adopted, ...]:
    """Move processes into a leaf cgroup; one that exits meanwhile is left out.

    Returns:
        What was moved, for :func:`release`.

    Raises:
        CgroupError: no such cgroup, not a leaf, not permitted, or a kernel thread bound to its place;
            what was moved before is moved back.
        HostError: oom_score_adj may not be lowered; what was moved is moved back.
    """
    moved: list[Adopted] = []
    try:
        for pid in pids:
            before = proc.cgroup(pid)
            if before is None:
                continue
            if not _move(fs, cgroup, pid):
                continue
            moved.append(Adopted(pid, before))
            if oom_score_adj is not None:
                was = proc.read(pid, "oom_score_adj")
                proc.write(pid, "oom_score_adj", str(oom_score_adj))
                moved[-1] = Adopted(pid, before, int(was) if was is not None else None)
    except HostError:
        release(fs, proc, moved)
        raise
    return tuple(moved)


def release(fs: CgroupFS, proc: ProcFS, moved: Iterable[Adopted]) -> tuple[Adopted, ...]:
    """Move processes back to where they were; those that exited are forgotten.

    Returns:
        What could not go back, as its cgroup is no longer there.

    Raises:
        CgroupError: not permitted.
    """
    stranded = []
    for one in moved:
        if proc.cgroup(one.pid) is None:
            continue
        if one.oom_score_adj is not None:
            proc.write(one.pid, "oom_score_adj", str(one.oom_score_adj))
        if one.from_cgroup.startswith("..") or not fs.exists(one.from_cgroup):
            stranded.append(one)
        else:
            _move(fs, one.from_cgroup, one.pid)
    return tuple(stranded)


def _move(fs: CgroupFS, cgroup: str, pid: int) -> bool:
    try:
        fs.write(cgroup, "cgroup.procs", str(pid))
    except CgroupError as error:
        if error.errno == errno.ESRCH:
            return False
        raise
    return True


def _by_pid(_fs: CgroupFS, proc: ProcFS, what: str) -> tuple[int, ...]:
    if not (what.isascii() and what.isdecimal() and 0 < int(what) <= _PIDS_MAX):
        raise InputError("not a process number", field="pid", value=what, expected=f"1 to {_PIDS_MAX}")
    return (int(what),) if proc.exists(int(what)) else ()


def _by_unit(fs: CgroupFS, _proc: ProcFS, what: str) -> tuple[int, ...]:
    if "/" in what or not what.endswith((".service", ".scope", ".slice")):
        raise InputError(
            "not a unit that holds processes",
            field="unit",
            value=what,
            expected="a name ending in .service, .scope or .slice",
        )
    return tuple(
        pid
        for cgroup in fs.walk()
        if cgroup.rpartition("/")[2] == what
        for below in fs.walk(cgroup)
        for pid in fs.procs(below)
    )


def _by_cgroup(fs: CgroupFS, _proc: ProcFS, what: str) -> tuple[int, ...]:
    return tuple(pid for below in fs.walk(what.strip("/")) for pid in fs.procs(below))


def _by_command(_fs: CgroupFS, proc: ProcFS, what: str) -> tuple[int, ...]:
    try:
        pattern = re.compile(what)
    except re.error as error:
        raise InputError(
            f"not a regular expression: {error}",
            field="command",
            value=what,
            expected="such as 'nginx: worker'",
        ) from error
    found = []
    for pid in proc.pids():
        arguments = proc.command_line(pid)
        if arguments and pid != os.getpid() and pattern.search(" ".join(arguments)):
            found.append(pid)
    return tuple(found)


WAYS: Final[dict[Way, Callable[[CgroupFS, ProcFS, str], tuple[int, ...]]]] = {
    "pid": _by_pid,
    "unit": _by_unit,
    "cgroup": _by_cgroup,
    "command": _by_command,
}

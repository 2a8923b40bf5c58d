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
    """One process that was moved, and what to give back.

    Attributes:
        pid: its number.
        from_cgroup: where it was, below the root of the tree.
        oom_score_adj: what it was; None: it was left as it is.
        start_ticks: when it started: another process of this number is not it.
    """

    pid: int
    from_cgroup: str
    oom_score_adj: int | None = None
    start_ticks: int = 0


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
    fs: CgroupFS,
    proc: ProcFS,
    cgroup: str,
    pids: Sequence[int],
    oom_score_adj: int | None = None,
    keep: Callable[[Sequence[Adopted]], None] | None = None,
) -> tuple[Adopted, ...]:
    """Move processes into a leaf cgroup; one that exits meanwhile is left out.

    Args:
        fs: the tree.
        proc: the host's processes.
        cgroup: the leaf.
        pids: which.
        oom_score_adj: what they get; None: as they are.
        keep: told all of them before the first is moved, so that none is forgotten whatever happens.

    Returns:
        What was moved, for :func:`release`.

    Raises:
        CgroupError: no such cgroup, not a leaf, not permitted, or a kernel thread bound to its place;
            what was moved before is moved back.
        HostError: oom_score_adj may not be lowered; what was moved is moved back.
    """
    known = [one for pid in pids if (one := _as_it_is(proc, pid, with_adj=oom_score_adj is not None))]
    if keep is not None:
        keep(known)
    moved: list[Adopted] = []
    try:
        for one in known:
            if not _move(fs, cgroup, one.pid):
                continue
            moved.append(one)
            if oom_score_adj is not None:
                proc.write(one.pid, "oom_score_adj", str(oom_score_adj))
    except HostError:
        release(fs, proc, moved)
        raise
    return tuple(moved)


def release(
    fs: CgroupFS, proc: ProcFS, moved: Iterable[Adopted], refuge: str | None = None
) -> tuple[Adopted, ...]:
    """Move processes back to where they were; those that exited are forgotten.

    Args:
        fs: the tree.
        proc: the host's processes.
        moved: what :func:`adopt` moved.
        refuge: where those go whose cgroup is no longer there; None: they stay.

    Returns:
        What could not go back, as its cgroup is no longer there.

    Raises:
        CgroupError: not permitted.
    """
    stranded = []
    for one in moved:
        if _is_gone(proc, one):
            continue
        if one.oom_score_adj is not None:
            proc.write(one.pid, "oom_score_adj", str(one.oom_score_adj))
        if one.from_cgroup.startswith("..") or not fs.exists(one.from_cgroup):
            stranded.append(one)
            if refuge is not None:
                _move(fs, refuge, one.pid)
        else:
            _move(fs, one.from_cgroup, one.pid)
    return tuple(stranded)


def offspring(proc: ProcFS, pids: Iterable[int], adopted: Sequence[Adopted]) -> tuple[Adopted, ...]:
    """Processes that were not moved themselves, as if they had been with the parent that was.

    Args:
        proc: the host's processes.
        pids: those found in the cgroup.
        adopted: those that were moved there; not empty.

    Returns:
        Each with where its nearest adopted forebear was; where that exited, with where the first one was.
    """
    by_pid = {one.pid: one for one in adopted}
    found = []
    for pid in pids:
        if pid in by_pid:
            continue
        above: int | None = pid
        while above and above not in by_pid:
            stat = proc.parent_and_start(above)
            above = stat[0] if stat else None
        one = by_pid[above] if above else adopted[0]
        stat = proc.parent_and_start(pid)
        if stat:
            found.append(Adopted(pid, one.from_cgroup, one.oom_score_adj, stat[1]))
    return tuple(found)


def _as_it_is(proc: ProcFS, pid: int, *, with_adj: bool) -> Adopted | None:
    cgroup, stat = proc.cgroup(pid), proc.parent_and_start(pid)
    if cgroup is None or stat is None:
        return None
    adj = proc.read(pid, "oom_score_adj") if with_adj else None
    return Adopted(pid, cgroup, int(adj) if adj is not None else None, stat[1])


def _is_gone(proc: ProcFS, one: Adopted) -> bool:
    stat = proc.parent_and_start(one.pid)
    return stat is None or (one.start_ticks != 0 and stat[1] != one.start_ticks)


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

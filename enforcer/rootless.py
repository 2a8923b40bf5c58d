"""What an ordinary user can do in a cgroup that is delegated to him, and what not.

Source: user_namespaces(7); cgroup-v2.rst, "Delegation" and "No Internal Process Constraint";
proc(5), oom_score_adj.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from enforcer.cgroupfs import CgroupFS
from enforcer.procfs import ProcFS
from qos.errors import CgroupError

ASIDE: Final = "qos-aside"
"""Where processes of the delegated cgroup itself go: one that hands on controllers may hold none."""

_GATES: Final = (
    ("user/max_user_namespaces", "0", "10000"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
)
"""Switch, its value that closes it, one that opens it. The second is Debian's, the third Ubuntu's."""


def map_user(pid: int, proc: ProcFS) -> None:
    """Make the caller's user and group 0 in the new user namespace of a process; there is no other id.

    Raises:
        HostError: the kernel refuses.
    """
    proc.write(pid, "setgroups", "deny")
    proc.write(pid, "uid_map", f"0 {os.geteuid()} 1")
    proc.write(pid, "gid_map", f"0 {os.getegid()} 1")


def reachable(oom_score_adj: int | None, proc: ProcFS | None = None) -> int | None:
    """The nearest oom_score_adj this user may give to a process: without root it can only be raised."""
    if oom_score_adj is None or os.geteuid() == 0:
        return oom_score_adj
    own = (proc or ProcFS()).read(os.getpid(), "oom_score_adj")
    return max(oom_score_adj, int(own or b"0"))


def closed_gates(proc: ProcFS) -> tuple[tuple[str, str], ...]:
    """Switches of this kernel that keep ordinary users from user namespaces: (as it is, remedy)."""
    closed = []
    for path, shut, opened in _GATES:
        name = path.replace("/", ".")
        if proc.sysctl(path) == shut:
            closed.append((f"{name} is {shut}", f"sysctl {name}={opened}"))
    return tuple(closed)


def step_aside(fs: CgroupFS) -> tuple[int, ...]:
    """Move the processes of the tree's own root into a leaf, so that it can hand on controllers.

    systemd starts a delegated scope with the user's processes right in it, this one among them. The true
    root of the hierarchy is exempt and left alone.

    Returns:
        What was moved.

    Raises:
        CgroupError: not permitted.
    """
    if not fs.exists("", "cgroup.type"):
        return ()
    pids = tuple(pid for pid in fs.procs("") if pid)
    if os.getpid() not in pids:
        return ()
    fs.create(ASIDE)
    return tuple(pid for pid in pids if _moved(fs, ASIDE, pid))


def step_back(fs: CgroupFS) -> tuple[int, ...]:
    """Undo :func:`step_aside` once nothing is handed on any more.

    Returns:
        What was moved back.

    Raises:
        CgroupError: not permitted.
    """
    if not fs.exists(ASIDE) or fs.read("", "cgroup.subtree_control").strip():
        return ()
    moved = tuple(pid for pid in fs.procs(ASIDE) if _moved(fs, "", pid))
    fs.remove(ASIDE)
    return moved


def _moved(fs: CgroupFS, cgroup: str, pid: int) -> bool:
    try:
        return fs.write(cgroup, "cgroup.procs", str(pid))
    except CgroupError as error:
        if error.errno == errno.ESRCH:
            return False
        raise

"""Which cgroup tree of this machine may be written, and what the machine has.

Source: cgroup-v2.rst, "Delegation"; systemd's user manager delegates ``user@UID.service``.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Final

from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.procfs import ProcFS
from qos.errors import CgroupError, HostError

REMEDY: Final = (
    "qos doctor says what this host lacks and how to get it; qos lab -- COMMAND tries it in a guest"
)


def writable_root(mount: Path = Path(CGROUP_MOUNT), proc: ProcFS | None = None) -> Path:
    """The outermost cgroup that may be written: the whole tree for root, else what is delegated to the user.

    Args:
        mount: where cgroup v2 is mounted.
        proc: tells this process's own cgroup.

    Raises:
        HostError: nothing is delegated to this user, or this process is in no cgroup v2.
    """
    if os.geteuid() == 0:
        return mount
    own = (proc or ProcFS()).cgroup(os.getpid())
    if own is None:
        raise HostError(f"this process is in no cgroup v2; {REMEDY}")
    path = mount
    for part in PurePosixPath(own).parts:
        path /= part
        if os.access(path, os.W_OK) and os.access(path / "cgroup.subtree_control", os.W_OK):
            return path
    raise HostError(
        "no cgroup is delegated to this user: run as root, or in a scope that is "
        f"(systemd-run --user --scope -p Delegate=yes …); {REMEDY}"
    )


def open_tree(root: Path) -> CgroupFS:
    """The cgroup tree at ``root``.

    Raises:
        HostError: no cgroup v2 there; the message names the remedy.
    """
    try:
        return CgroupFS(root)
    except CgroupError as error:
        raise HostError(f"{error.path}: {error.reason}; {REMEDY}") from error


def cpu_count() -> int:
    """CPUs that are online."""
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory the machine has, as its kernel counts it."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

"""Why the kernel refused: an error number on a cgroup file, in words with the remedy.

Source: Documentation/admin-guide/cgroup-v2.rst ("No Internal Process Constraint", "Delegation",
"Threads") and kernel/cgroup/cgroup.c for which call returns which number.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Doing = Literal["read", "write", "create", "remove", "open"]

_NOT_DELEGATED: Final = (
    "not permitted: this cgroup is not delegated to the current user; run as root, or in a delegated "
    "scope (systemd-run --user --scope -p Delegate=yes …)"
)

_BY_FILE: Final[Mapping[tuple[Doing, str, int], str]] = MappingProxyType(
    {
        ("write", "cgroup.subtree_control", errno.EBUSY): (
            "the cgroup holds processes itself, and such a cgroup cannot hand controllers to its children "
            "(no internal process rule); move its processes to a leaf first"
        ),
        ("write", "cgroup.procs", errno.EBUSY): (
            "the cgroup hands controllers to its children, so it cannot hold processes itself "
            "(no internal process rule); use a leaf below it"
        ),
        ("write", "cgroup.subtree_control", errno.ENOENT): (
            "the parent does not offer this controller; it must be on in every cgroup above, and not "
            "be in use by a cgroup v1 mount"
        ),
        ("write", "cgroup.procs", errno.ESRCH): "no such process",
        (
            "write",
            "cgroup.procs",
            errno.EOPNOTSUPP,
        ): "the cgroup is threaded; it takes threads, not processes",
        ("write", "cgroup.kill", errno.EOPNOTSUPP): "the cgroup is threaded; kill its domain cgroup instead",
        ("write", "io.max", errno.ENODEV): "no such block device, or it has no request queue",
        ("write", "io.weight", errno.ENODEV): "no such block device, or it has no request queue",
        ("write", "io.latency", errno.ENODEV): "no such block device, or it has no request queue",
        ("write", "io.weight", errno.EOPNOTSUPP): "no weight policy is active on this device (io.cost, bfq)",
    }
)

_BY_NUMBER: Final[Mapping[tuple[Doing, int], str]] = MappingProxyType(
    {
        ("write", errno.EINVAL): "the kernel does not take this value for this file",
        ("write", errno.ERANGE): "the value is out of the range the kernel takes for this file",
        ("write", errno.EBUSY): "in use: the kernel cannot change this while it is",
        (
            "write",
            errno.ENOSPC,
        ): "the kernel has no room left for it (cpuset: the CPUs are taken by a sibling)",
        ("write", errno.ENODEV): "the cgroup was removed meanwhile",
        ("read", errno.ENODEV): "the cgroup was removed meanwhile",
        ("read", errno.EOPNOTSUPP): "the kernel has this switched off (pressure: boot with psi=1)",
        ("write", errno.EOPNOTSUPP): "the kernel does not support this here",
        ("create", errno.EAGAIN): "cgroup.max.depth or cgroup.max.descendants of a cgroup above is reached",
        ("create", errno.ENOENT): "the cgroup above it does not exist",
        ("remove", errno.EBUSY): "still holds processes or child cgroups; kill or move them first",
        ("remove", errno.ENOENT): "no such cgroup",
    }
)

_ALWAYS: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EACCES: _NOT_DELEGATED,
        errno.EPERM: _NOT_DELEGATED,
        errno.EROFS: "mounted read-only; a container needs a writable cgroup namespace",
        errno.ELOOP: "a symlink is on the way; only real directories of the tree are followed",
        errno.EXDEV: "the path leaves the cgroup tree",
        errno.ENOTDIR: "not a cgroup but a file",
        errno.EISDIR: "not a file but a cgroup",
        errno.EMFILE: "too many open files (RLIMIT_NOFILE); raise it with ulimit -n",
        errno.ENOMEM: "the kernel is out of memory",
        errno.ENAMETOOLONG: "the name is longer than 255 bytes",
    }
)


def why(number: int, doing: Doing, file: str = "") -> str:
    """The reason in words.

    >>> why(errno.EBUSY, "remove")
    'still holds processes or child cgroups; kill or move them first'

    Args:
        number: the system's error number.
        doing: what was tried.
        file: the cgroup file's name, ``""`` for the cgroup itself.
    """
    return (
        _BY_FILE.get((doing, file, number))
        or _BY_NUMBER.get((doing, number))
        or _ALWAYS.get(number)
        or os.strerror(number)
    )


def missing_file(file: str, controllers: frozenset[str]) -> str:
    """Why a file is not there although its cgroup is.

    >>> missing_file("memory.max", frozenset({"cpu", "pids"}))
    'the memory controller is off here; it must be in cgroup.subtree_control of every cgroup above'

    Args:
        file: the missing file's name.
        controllers: what ``cgroup.controllers`` of its cgroup names.
    """
    controller = file.partition(".")[0]
    if controller != "cgroup" and controller not in controllers:
        return (
            f"the {controller} controller is off here; "
            "it must be in cgroup.subtree_control of every cgroup above"
        )
    if file.startswith(("memory.swap.", "memory.zswap.")):
        return "this kernel has no swap accounting (CONFIG_SWAP, CONFIG_ZSWAP)"
    if file.endswith(".pressure"):
        return "this kernel has no pressure accounting (CONFIG_PSI, psi=1)"
    return "this kernel has no such file; it is too old, or built without the option"

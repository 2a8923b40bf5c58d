"""What a container's process does in its own namespaces before it becomes the command.

Everything here runs in the child, between clone3 and exec. A step that fails raises OSError; the
parent is told which (see :mod:`enforcer.launch`).

Source: namespaces(7), pid_namespaces(7), mount_namespaces(7), cgroup_namespaces(7).
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Mapping
from typing import Final

from enforcer import syscalls
from enforcer.procfs import ProcFS
from enforcer.security import CAPABILITIES, Credentials

NAMESPACES: Final[Mapping[str, int]] = {
    "user": syscalls.CLONE_NEWUSER,
    "pid": syscalls.CLONE_NEWPID,
    "mnt": syscalls.CLONE_NEWNS,
    "net": syscalls.CLONE_NEWNET,
    "uts": syscalls.CLONE_NEWUTS,
    "ipc": syscalls.CLONE_NEWIPC,
    "cgroup": syscalls.CLONE_NEWCGROUP,
}
"""By the name in /proc/PID/ns."""

OF_A_CONTAINER: Final = frozenset({"pid", "mnt", "cgroup"})
OF_A_POD: Final = frozenset({"net", "uts", "ipc"})
"""Shared by the containers of one pod, as its sandbox has them."""

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_LOOPBACK: Final = 0x1 | 0x8 | 0x40
_CGROUP_MOUNT: Final = "/sys/fs/cgroup"


def flags_of(names: frozenset[str]) -> int:
    """The ``CLONE_NEW*`` flags for clone3.

    A new cgroup namespace is left out: clone3 would root it at the parent's cgroup, so the child makes
    it itself (:func:`enter`), once it is in its own.

    >>> flags_of(frozenset({"pid", "cgroup"})) == syscalls.CLONE_NEWPID
    True
    """
    return sum(NAMESPACES[name] for name in names if name != "cgroup")


def enter(new: frozenset[str], joined: Mapping[str, int], hostname: str) -> None:
    """Set up the new namespaces and enter the pod's.

    Args:
        new: names of the namespaces that are this process's own.
        joined: name → descriptor of those to enter.
        hostname: what the UTS namespace is called; "" leaves it.

    Raises:
        OSError: the kernel refuses.
    """
    for name, fd in joined.items():
        if name != "user":  # it was born there
            syscalls.setns(fd, NAMESPACES[name])
    if "cgroup" in new:
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    if "mnt" in new:
        syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        hidden = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        if "pid" in new:
            syscalls.mount("proc", "/proc", "proc", hidden)
        if "cgroup" in new and os.path.exists(f"{_CGROUP_MOUNT}/cgroup.procs"):  # noqa: PTH110 — after clone3, as little of Python as can be
            # one cgroup2 is not mounted right over another (EBUSY): an empty layer goes between
            syscalls.mount("none", _CGROUP_MOUNT, "tmpfs", hidden)
            syscalls.mount("cgroup2", _CGROUP_MOUNT, "cgroup2", hidden | syscalls.MS_RDONLY)
    if "net" in new:
        bring_loopback_up()
    if "uts" in new and hostname:
        syscalls.sethostname(hostname[:63])


def become(who: Credentials, *, rootless: bool = False) -> None:
    """Give up what the container's securityContext does not grant; nothing of it can be gained again.

    Args:
        who: what it grants.
        rootless: this process is in a user namespace where 0 is the user, and the only id there is; any
            other that is wanted is one more namespace, in which the user goes by that number.

    Raises:
        OSError: not permitted, as without root for another user.
        HostError: the maps of another number are refused.
    """
    if who.read_only_root:
        syscalls.make_mounts_read_only("/")
    if rootless and (who.uid or who.gid):
        if who.read_only_root:
            syscalls.make_writable("/proc")
        _go_by(who.uid or 0, who.gid or 0)
        return
    privileged = os.geteuid() == 0
    if privileged:
        for number, name in enumerate(CAPABILITIES):
            if name not in who.capabilities:
                _drop(number)
    uid = os.getuid() if who.uid is None else who.uid
    gid = (os.getgid() if who.uid is None else 0) if who.gid is None else who.gid
    if (uid, gid) != (os.getuid(), os.getgid()):
        os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if privileged and uid == 0:
        syscalls.set_capabilities(who.mask() & _known_to_kernel())


def _go_by(uid: int, gid: int) -> None:
    """The user under another number, without capabilities from the exec to come on."""
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    proc = ProcFS()
    proc.write(os.getpid(), "uid_map", f"{uid} 0 1")
    proc.write(os.getpid(), "gid_map", f"{gid} 0 1")


def _drop(capability: int) -> None:
    try:
        syscalls.drop_from_bounding_set(capability)
    except OSError as error:
        if error.errno != errno.EINVAL:  # newer than this kernel: nobody has it
            raise


def _known_to_kernel() -> int:
    mask = 0
    for number in range(len(CAPABILITIES)):
        if syscalls.is_in_bounding_set(number):
            mask |= 1 << number
    return mask


def bring_loopback_up() -> None:
    """``ip link set lo up``; a kernel without IPv4 is left alone.

    Raises:
        OSError: not permitted.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
            fcntl.ioctl(query, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_LOOPBACK))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.ENODEV):
            raise


def reap_until_exit(child: int) -> int:
    """As PID 1 of a container: pass signals on to the one child, bury every orphan, until it exits.

    Returns:
        The exit code to leave with, 128 + n where signal n ended the child.
    """
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code

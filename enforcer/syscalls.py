"""The few system calls that Python's os module lacks, each as one function that raises OSError.

Calls go through a :class:`ctypes.PyDLL`: it keeps the interpreter's lock, so that the child of a raw
clone3 wakes up as the thread that holds it.

Source: clone(2), setns(2), mount(2), mount_setattr(2), capabilities(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_PARENT: Final = 0x00008000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
_CLONE_PIDFD: Final = 0x00001000
_CLONE_INTO_CGROUP: Final = 0x200000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18

_NS_GET_USERNS: Final = 0xB701
_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24

_SYS_CLONE3: Final = 435  # the same number on every architecture
_SYS_MOUNT_SETATTR: Final = 442
_MOUNT_ATTR_RDONLY: Final = 1
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_CAPABILITY_VERSION_3: Final = 0x20080522

_libc = ctypes.PyDLL(None, use_errno=True)


class _CloneArgs(ctypes.Structure):
    """``struct clone_args`` of clone3, version 2 (Linux 5.7, with cgroup)."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
                     "set_tid", "set_tid_size", "cgroup")
    )  # fmt: skip


class _MountAttr(ctypes.Structure):
    """``struct mount_attr`` of mount_setattr."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def fork_into(cgroup_fd: int | None, namespaces: int = 0) -> tuple[int, int]:
    """Fork a child that begins its life inside a cgroup, and in new namespaces.

    As :func:`os.fork`, the call returns twice, with (0, -1) in the child. There is no moment at which the
    child exists outside the cgroup: its first charge is the cgroup's.

    Args:
        cgroup_fd: descriptor of the cgroup's directory; None: that of the caller.
        namespaces: any of the ``CLONE_NEW*`` flags, and ``CLONE_PARENT``: the child is the caller's sibling.

    Returns:
        The child's process id and a pidfd of it (the caller's to close), in the parent.

    Raises:
        OSError: EBUSY where the cgroup is not a leaf, EAGAIN at pids.max, ENOSYS before Linux 5.7, EPERM.
    """
    pidfd = ctypes.c_int(-1)
    args = _CloneArgs(
        flags=_CLONE_PIDFD | namespaces | (0 if cgroup_fd is None else _CLONE_INTO_CGROUP),
        pidfd=ctypes.addressof(pidfd),
        exit_signal=0 if namespaces & CLONE_PARENT else signal.SIGCHLD,  # with CLONE_PARENT it is inherited
        cgroup=cgroup_fd or 0,
    )
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _libc.syscall(_SYS_CLONE3, ctypes.byref(args), ctypes.sizeof(args))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0, -1
    number = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, os.strerror(number), "clone3")
    os.set_inheritable(pidfd.value, False)
    return int(pid), int(pidfd.value)


def fork_through(user_fd: int, cgroup_fd: int | None, namespaces: int = 0) -> tuple[int, int]:
    """As :func:`fork_into`, the child being born in a user namespace that is there already.

    Only a process in it may make the other namespaces there: one is forked, enters, forks the child as
    the caller's own (``CLONE_PARENT``), and is gone.

    Raises:
        OSError: as :func:`fork_into`, or the namespace may not be entered.
    """
    told, telling = os.pipe()
    between = os.fork()
    if between == 0:
        _be_between(user_fd, cgroup_fd, namespaces, telling)
        os.close(telling)
        os.close(told)
        return 0, -1
    try:
        os.close(telling)
        answer = os.read(told, 32)
        os.waitpid(between, 0)
    finally:
        os.close(told)
    kind, _, number = answer.decode().partition(" ")
    if kind != "pid":
        failed = int(number or errno.ECHILD)
        raise OSError(failed, os.strerror(failed), "clone3 in the pod's user namespace")
    return int(number), os.pidfd_open(int(number))


def _be_between(user_fd: int, cgroup_fd: int | None, namespaces: int, telling: int) -> None:
    """Returns in the child only."""
    try:
        setns(user_fd, CLONE_NEWUSER)
        pid, _ = fork_into(cgroup_fd, namespaces | CLONE_PARENT)
        if pid == 0:
            return
        os.write(telling, f"pid {pid}".encode())
    except OSError as error:
        os.write(telling, f"errno {error.errno or 0}".encode())
    os._exit(0)


def user_namespace_of(fd: int) -> int:
    """A descriptor of the user namespace that owns a namespace (ioctl_ns(2)).

    Raises:
        OSError: it is outside of what the caller may see.
    """
    return fcntl.ioctl(fd, _NS_GET_USERNS)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(namespaces: int) -> None:
    """Move the calling process into new namespaces.

    Raises:
        OSError: as unshare(2).
    """
    _check(_libc.unshare(namespaces), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace of a descriptor; ``kind`` is its ``CLONE_NEW*`` flag.

    Raises:
        OSError: as setns(2).
    """
    _check(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """Attach a file system to the tree, without options of its own (mount(2)).

    Raises:
        OSError: as mount(2).
    """
    _check(
        _libc.mount(
            source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), None
        ),
        f"mount {target}",
    )


def make_mounts_read_only(target: str) -> None:
    """Make a mount and all below it read-only in this mount namespace (Linux 5.12).

    Raises:
        OSError: as mount_setattr(2).
    """
    attributes = _MountAttr(attr_set=_MOUNT_ATTR_RDONLY)
    _check(
        _libc.syscall(
            _SYS_MOUNT_SETATTR,
            _AT_FDCWD,
            target.encode(),
            _AT_RECURSIVE,
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        ),
        f"mount_setattr {target}",
    )


def make_writable(target: str) -> None:
    """Make one mount writable again.

    Raises:
        OSError: as mount_setattr(2).
    """
    attributes = _MountAttr(attr_clr=_MOUNT_ATTR_RDONLY)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    number = ctypes.c_long(_SYS_MOUNT_SETATTR)
    _check(
        _libc.syscall(number, _AT_FDCWD, target.encode(), 0, ctypes.byref(attributes), size),
        f"mount_setattr {target}",
    )


def sethostname(name: str) -> None:
    """Name this UTS namespace.

    Raises:
        OSError: as sethostname(2).
    """
    raw = name.encode()
    _check(_libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")


def drop_from_bounding_set(capability: int) -> None:
    """Never again gain a capability, by any exec.

    Raises:
        OSError: EINVAL for a number this kernel does not know, EPERM without CAP_SETPCAP.
    """
    _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl PR_CAPBSET_DROP")


def is_in_bounding_set(capability: int) -> bool:
    """Whether an exec may still gain a capability; False for one this kernel does not know."""
    return bool(_libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1)


def set_capabilities(mask: int) -> None:
    """Make ``mask`` (bit n: capability n) the effective, permitted and inheritable set of this process.

    Raises:
        OSError: as capset(2).
    """
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_libc.capset(header, data), "capset")


def die_with_parent() -> None:
    """Have this process killed when the thread that forked it ends.

    Raises:
        OSError: as prctl(2).
    """
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl PR_SET_PDEATHSIG")

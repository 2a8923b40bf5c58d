"""Opening files strictly beneath a directory: no ``..``, no symlink, no mount point on the way.

``openat2`` (Linux 5.6) lets the kernel itself refuse an escape; where it is missing, or a seccomp
profile hides it, the path is walked component by component with ``O_NOFOLLOW`` instead, which gives
the same promise at one more system call a component.

Source: openat2(2), statfs(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import Final

CGROUP2_SUPER_MAGIC: Final = 0x63677270
_SYS_OPENAT2: Final = 437  # the same on every architecture that has 64-bit tables
_RESOLVE_NO_XDEV: Final = 0x01
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_RESOLVE: Final = _RESOLVE_NO_XDEV | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH
_READ_BYTES: Final = 16384
_STATFS_BYTES: Final = 256  # struct statfs is 120 on 64-bit machines; f_type is its first long
_MISSING: Final = frozenset({errno.ENOSYS, errno.EPERM})  # EPERM: older container seccomp profiles

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open ``path`` beneath the directory of a file descriptor.

    Args:
        directory: descriptor of the directory that may not be left.
        path: relative, ``/``-separated; ``""`` or ``"."`` is the directory itself.
        flags: as for :func:`os.open`; ``O_CLOEXEC`` is added.

    Returns:
        A new file descriptor, the caller's to close.

    Raises:
        OSError: EXDEV or ELOOP where the path would leave the tree, else as open(2).
    """
    try:
        return openat2(directory, path, flags)
    except OSError as error:
        if error.errno not in _MISSING:
            raise
    return open_by_walking(directory, path, flags)


def openat2(directory: int, path: str, flags: int) -> int:
    """:func:`open_beneath` by the system call alone.

    Raises:
        OSError: ENOSYS where the kernel lacks the call, else as :func:`open_beneath`.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE)
    fd = _libc.syscall(
        _SYS_OPENAT2, directory, os.fsencode(path or "."), ctypes.byref(how), ctypes.sizeof(how)
    )
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(fd)


def open_by_walking(directory: int, path: str, flags: int) -> int:
    """:func:`open_beneath` without openat2: one ``O_NOFOLLOW`` open a component.

    Raises:
        OSError: as :func:`open_beneath`.
    """
    device = os.fstat(directory).st_dev
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    current = os.open(".", os.O_PATH | os.O_DIRECTORY, dir_fd=directory)
    try:
        for part in parts[:-1]:
            below = _open_component(current, part, os.O_PATH | os.O_DIRECTORY, device, path)
            os.close(current)
            current = below
        return _open_component(current, parts[-1] if parts else ".", flags, device, path)
    finally:
        os.close(current)


def _open_component(directory: int, part: str, flags: int, device: int, path: str) -> int:
    """Open one component; a link is ELOOP and another device EXDEV, as openat2 says them."""
    found = os.stat(part, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    # The component may be swapped for a link after the look: O_NOFOLLOW, and a look at what was opened.
    fd = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    opened = os.fstat(fd)
    if opened.st_dev != device or stat.S_ISLNK(opened.st_mode):
        os.close(fd)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    return fd


def file_system_magic(fd: int) -> int:
    """``f_type`` of the file system a descriptor lies on; :data:`CGROUP2_SUPER_MAGIC` for cgroup v2.

    Raises:
        OSError: as fstatfs(2).
    """
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.fstatfs(fd, buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def read_all(fd: int) -> bytes:
    """Everything a cgroup file holds, from its start; works again and again on a kept descriptor.

    Raises:
        OSError: ENODEV once the cgroup is gone.
    """
    text = os.pread(fd, _READ_BYTES, 0)
    size = len(text)
    if size == 0:
        return text
    chunks = [text]
    while text := os.pread(fd, _READ_BYTES, size):
        chunks.append(text)
        size += len(text)
    return b"".join(chunks)

"""The door to the files a load reads and writes: scratch files in a directory that is told, never elsewhere.

A scratch file is opened and unlinked at once: it is gone when the load is, whatever happens.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from qos.errors import HostError

_FILL_BYTES: Final = 1 << 20


def scratch_file(directory: Path, size_bytes: int, *, direct: bool = False) -> int:
    """A file of real, written blocks that is not in the page cache, already unlinked.

    It is written by the caller's process: its pages are never charged to the load's cgroup.

    Args:
        directory: on the disk that is meant.
        size_bytes: its size.
        direct: open past the page cache (O_DIRECT).

    Returns:
        A descriptor, the caller's to close.

    Raises:
        HostError: no such directory, no room, or a file system without O_DIRECT (tmpfs).
    """
    path = directory / f".qos-load-{secrets.token_hex(8)}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = -1
    try:
        fd = os.open(path, flags, 0o600)
        try:
            _fill(fd, size_bytes)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if direct:
                os.close(fd)
                fd = -1
                fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        what = "file system without O_DIRECT" if direct and fd < 0 and error.errno == 22 else error.strerror
        raise HostError(f"{directory}: scratch file of {size_bytes} bytes: {what}") from error
    return fd


def _fill(fd: int, size_bytes: int) -> None:
    block = secrets.token_bytes(_FILL_BYTES)
    left = size_bytes
    while left > 0:
        left -= os.write(fd, block[: min(left, _FILL_BYTES)])
    os.fsync(fd)

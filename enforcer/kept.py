"""Reading the same cgroup files again and again with descriptors kept open.

A kept descriptor is one system call a reading instead of three. Where ``RLIMIT_NOFILE`` is too short
for all of them, the rest are opened, read and closed each time: slower, never wrong.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterable
from typing import Final, Self

from enforcer.beneath import read_all
from enforcer.cgroupfs import CgroupFS
from qos.errors import CgroupError

_RESERVED_FDS: Final = 128
"""Left for everything else the program opens: sockets, logs, children's pipes."""

_AT_ONCE_BYTES: Final = 8192
_GONE: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})


def raise_fd_limit() -> int:
    """Raise the soft RLIMIT_NOFILE to the hard one, as any user may; returns the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class KeptFiles:
    """Readings of files of one :class:`CgroupFS`, with as many kept descriptors as the limit allows.

    Args:
        fs: the tree.
        most_kept: descriptors to keep at most; None takes the soft RLIMIT_NOFILE less a reserve.
    """

    def __init__(self, fs: CgroupFS, most_kept: int | None = None) -> None:
        self._fs = fs
        self._fds: dict[tuple[str, str], int] = {}
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = max(0, soft - _RESERVED_FDS) if most_kept is None else most_kept

    def __len__(self) -> int:
        return len(self._fds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self, cgroup: str, file: str) -> bytes | None:
        """What the file holds now (not lists, as cgroup.procs); None where cgroup or file is not there.

        A cgroup removed and made again under the same name is read anew: the old descriptor says
        ENODEV and is dropped.

        Raises:
            CgroupError: not permitted, or the kernel refuses.
        """
        key = (cgroup, file)
        fd = self._fds.get(key)
        if fd is not None:
            try:
                text = os.pread(fd, _AT_ONCE_BYTES, 0)
                # one record, as of every file that counts: a short answer is all of it (kernfs, seq_file)
                return text if len(text) < _AT_ONCE_BYTES else read_all(fd)
            except OSError as error:
                self._drop(key)
                if error.errno not in _GONE:
                    raise CgroupError(f"{cgroup}/{file}", None, os.strerror(error.errno or 0)) from error
        return self._read_anew(key)

    def forget(self, cgroups: Iterable[str]) -> None:
        """Close what is kept of cgroups that are not read any more."""
        gone = set(cgroups)
        for key in [key for key in self._fds if key[0] in gone]:
            self._drop(key)

    def close(self) -> None:
        """Close every kept descriptor."""
        for key in list(self._fds):
            self._drop(key)

    def _read_anew(self, key: tuple[str, str]) -> bytes | None:
        try:
            fd = self._fs.open_file(*key)
        except CgroupError as error:
            if error.errno in _GONE:
                return None
            raise
        keep = len(self._fds) < self._most
        try:
            text = read_all(fd)
        except OSError as error:
            keep = False
            if error.errno in _GONE | {errno.EOPNOTSUPP}:
                return None
            raise CgroupError("/".join(key), None, os.strerror(error.errno or 0)) from error
        finally:
            if keep:
                self._fds[key] = fd
            else:
                os.close(fd)
        return text

    def _drop(self, key: tuple[str, str]) -> None:
        os.close(self._fds.pop(key))

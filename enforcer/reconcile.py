"""Whether everything still is as applied, cheaply: one pread a file through descriptors that stay open.

This is what ``qos apply --watch`` does every few seconds; only what differs costs a real look.

Source: cgroup files can be read again and again through one descriptor; ENODEV says the cgroup is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, Self

from enforcer.cgroupfs import CgroupFS
from enforcer.kept import raise_fd_limit
from enforcer.ownership import Record
from qos.errors import CgroupError

_RESERVED_FDS: Final = 128
_READ_BYTES: Final = 4096
"""More than any value of a plan is long: kernfs hands it out in one piece."""


class Reconciler:
    """Compares files with what was read back when they were written.

    Args:
        fs: the tree.
        record: what qos wrote; files it only kept the value of are left out.
        most_kept: descriptors to keep at most; None takes RLIMIT_NOFILE less a reserve. Files beyond it
            are opened each time: slower, never wrong.
    """

    def __init__(self, fs: CgroupFS, record: Record, most_kept: int | None = None) -> None:
        self._fs = fs
        room = max(0, raise_fd_limit() - _RESERVED_FDS) if most_kept is None else most_kept
        self._kept: list[tuple[int, bytes, str, str]] = []
        self._opened: list[tuple[bytes, str, str]] = []
        self._missing: list[tuple[str, str]] = []
        for cgroup, file, value in record.values():
            if value.written is None:
                continue
            text = f"{value.written}\n".encode() if value.written else b"\n"
            if len(self._kept) >= room:
                self._opened.append((text, cgroup, file))
                continue
            try:
                self._kept.append((fs.open_file(cgroup, file), text, cgroup, file))
            except CgroupError:
                self._missing.append((cgroup, file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._kept) + len(self._opened) + len(self._missing)

    def differing(self) -> list[tuple[str, str]]:
        """(cgroup, file) of every value that is not as applied, or not there any more."""
        found = list(self._missing)
        pread = os.pread
        for fd, text, cgroup, file in self._kept:
            try:
                if pread(fd, _READ_BYTES, 0) != text:
                    found.append((cgroup, file))
            except OSError:
                found.append((cgroup, file))
        found += self._differing_opened(self._opened)
        return found

    def _differing_opened(self, files: Iterable[tuple[bytes, str, str]]) -> list[tuple[str, str]]:
        return [
            (cgroup, file)
            for text, cgroup, file in files
            if self._fs.read_or_none(cgroup, file) != text.decode()
        ]

    def close(self) -> None:
        """Close every kept descriptor."""
        for fd, *_ in self._kept:
            os.close(fd)
        self._kept = []

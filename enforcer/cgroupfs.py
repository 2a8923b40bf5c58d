"""The one door to the cgroup v2 file system: every cgroup file is opened here and nowhere else.

A :class:`CgroupFS` holds one directory open and reaches nothing outside it: paths are resolved
beneath that descriptor (see :mod:`enforcer.beneath`), and what is not cgroup v2 is refused. Cgroups
are named as in a driver's spelling, relative to the root: ``kubepods/burstable/pod-a``; ``""`` is the
root itself.

Source: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from enforcer.beneath import CGROUP2_SUPER_MAGIC, file_system_magic, open_beneath, read_all
from enforcer.cgroup_text import parse_pids, parse_words
from enforcer.component import ComponentError, component
from enforcer.reasons import Doing, missing_file, why
from qos.errors import CgroupError

CGROUP_MOUNT: Final = "/sys/fs/cgroup"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
_PATH: Final = os.O_PATH | os.O_DIRECTORY


class CgroupFS:
    """A cgroup v2 tree, or a recorded dump of one (:meth:`open_dump`).

    Usable as a context manager; :meth:`close` releases the root's descriptor.

    Args:
        root: a directory of a mounted cgroup2 file system, not necessarily its top.
        dump: take a plain directory of recorded files instead, read only; see :meth:`open_dump`.

    Raises:
        CgroupError: no such directory, not permitted, or not cgroup v2.
    """

    def __init__(self, root: str | os.PathLike[str] = CGROUP_MOUNT, *, dump: bool = False) -> None:
        self._root_fd = -1
        self.root = Path(root)
        self.writable = not dump
        try:
            self._root_fd = os.open(self.root, _DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._error(error, "open", "", "") from error
        if not dump and file_system_magic(self._root_fd) != CGROUP2_SUPER_MAGIC:
            self.close()
            reason = (
                "not a cgroup v2 file system; boot with systemd.unified_cgroup_hierarchy=1, or use qos lab"
            )
            raise CgroupError(str(self.root), None, reason)

    @classmethod
    def open_dump(cls, path: str | os.PathLike[str]) -> CgroupFS:
        """A plain directory of recorded cgroup files, read only.

        Raises:
            CgroupError: no such directory, or not permitted.
        """
        return cls(path, dump=True)

    def close(self) -> None:
        """Release the root's descriptor; harmless when repeated."""
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def exists(self, cgroup: str, file: str | None = None) -> bool:
        """Whether the cgroup, or one file of it, is there.

        Raises:
            CgroupError: a name is not one of a cgroup, or the path leaves the tree.
        """
        flags = _PATH if file is None else os.O_PATH
        try:
            os.close(self._open(cgroup, file, flags))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return False
            raise self._error(error, "open", cgroup, file or "") from error
        return True

    def children(self, cgroup: str = "") -> tuple[str, ...]:
        """The names of the cgroups directly below, sorted.

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        return self._entries(cgroup, directories=True)

    def files(self, cgroup: str = "") -> tuple[str, ...]:
        """The names of the cgroup's files, sorted.

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        return self._entries(cgroup, directories=False)

    def walk(self, cgroup: str = "") -> Iterator[str]:
        """Every cgroup below, parents before children, itself first; one that vanishes meanwhile is left out.

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        yield cgroup
        for child in self.children(cgroup):
            below = f"{cgroup}/{child}" if cgroup else child
            if self.exists(below):
                yield from self.walk(below)

    def identity(self, cgroup: str) -> int:
        """The inode of the cgroup's directory: another number means removed and made again.

        Raises:
            CgroupError: no such cgroup.
        """
        try:
            fd = self._open(cgroup, None, _PATH)
        except OSError as error:
            raise self._error(error, "open", cgroup, "") from error
        try:
            return os.fstat(fd).st_ino
        finally:
            os.close(fd)

    def controllers(self, cgroup: str = "") -> frozenset[str]:
        """The controllers whose files the cgroup has (``cgroup.controllers``).

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        return frozenset(parse_words(self.read(cgroup, "cgroup.controllers")))

    def procs(self, cgroup: str) -> tuple[int, ...]:
        """The processes of the cgroup itself, not of those below it.

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        return parse_pids(self.read(cgroup, "cgroup.procs"))

    def is_populated(self, cgroup: str) -> bool:
        """Whether a process lives in the cgroup or below (``cgroup.events``).

        Raises:
            CgroupError: no such cgroup, the root (it has no such file), or not permitted.
        """
        return "populated 1" in self.read(cgroup, "cgroup.events")

    def open_file(self, cgroup: str, file: str, *, write: bool = False) -> int:
        """A descriptor of one file, the caller's to close.

        Raises:
            CgroupError: no such cgroup or file, not permitted, or a write to a recorded dump.
        """
        try:
            if write:
                self._must_be_writable()
            return self._open(cgroup, file, os.O_RDWR if write else os.O_RDONLY)
        except OSError as error:
            raise self._error(error, "write" if write else "read", cgroup, file) from error

    def open_directory(self, cgroup: str) -> int:
        """A descriptor of the cgroup's directory, for clone3's ``CLONE_INTO_CGROUP``.

        Raises:
            CgroupError: no such cgroup, or not permitted.
        """
        try:
            return self._open(cgroup, None, _DIRECTORY)
        except OSError as error:
            raise self._error(error, "open", cgroup, "") from error

    def read(self, cgroup: str, file: str) -> str:
        """The whole text of one file, as the kernel printed it.

        Raises:
            CgroupError: no such cgroup or file, not permitted, or not text.
        """
        try:
            fd = self._open(cgroup, file, os.O_RDONLY)
            try:
                return read_all(fd).decode()
            finally:
                os.close(fd)
        except UnicodeDecodeError as error:
            raise CgroupError(self._shown(cgroup, file), None, "not text") from error
        except OSError as error:
            raise self._error(error, "read", cgroup, file) from error

    def read_or_none(self, cgroup: str, file: str) -> str | None:
        """The text of one file, None where the cgroup or the file is not there.

        Raises:
            CgroupError: not permitted, or the path leaves the tree.
        """
        try:
            return self.read(cgroup, file)
        except CgroupError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
                return None
            raise

    def write(self, cgroup: str, file: str, value: str) -> bool:
        r"""Write one file; of a keyed value (lines), each line by a call of its own, as the kernel wants.

        Returns:
            True if written; False for ``max`` to a swap file that a kernel without swap accounting
            lacks: there is then nothing to be unlimited.

        Raises:
            CgroupError: no such cgroup or file, or the kernel refuses; the reason is in words.
        """
        try:
            self._must_be_writable()
            fd = self._open(cgroup, file, os.O_WRONLY)
            try:
                for line in value.splitlines() or [""]:
                    os.write(fd, line.encode() or b"\n")
            finally:
                os.close(fd)
        except OSError as error:
            no_swap = error.errno == errno.ENOENT and file.startswith(("memory.swap.", "memory.zswap."))
            if no_swap and value == "max" and self.exists(cgroup):
                return False
            raise self._error(error, "write", cgroup, file, value) from error
        return True

    def create(self, cgroup: str) -> bool:
        """Make one cgroup; the one above it must exist.

        Returns:
            True if made, False if it was there.

        Raises:
            CgroupError: no parent, not permitted, a limit on cgroups, or no name of a cgroup.
        """
        above, _, name = cgroup.rpartition("/")
        if not (name.isascii() and name.isprintable()):
            raise CgroupError(self._shown(cgroup), None, "a new cgroup's name is printable ASCII, not empty")
        try:
            self._must_be_writable()
            directory = self._open(above, None, _PATH)
            try:
                os.mkdir(component(name), dir_fd=directory)
            finally:
                os.close(directory)
        except FileExistsError as error:
            if self.exists(cgroup):
                return False
            raise CgroupError(
                self._shown(cgroup), None, "a file of the cgroup above has this name"
            ) from error
        except OSError as error:
            raise self._error(error, "create", cgroup, "") from error
        return True

    def remove(self, cgroup: str) -> bool:
        """Remove one cgroup without processes and children.

        Returns:
            True if removed, False if it was not there.

        Raises:
            CgroupError: it holds processes or cgroups, or not permitted.
        """
        above, _, name = cgroup.rpartition("/")
        try:
            self._must_be_writable()
            directory = self._open(above, None, _PATH)
            try:
                os.rmdir(component(name), dir_fd=directory)
            finally:
                os.close(directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._error(error, "remove", cgroup, "") from error
        return True

    def _open(self, cgroup: str, file: str | None, flags: int) -> int:
        parts = [component(part) for part in cgroup.split("/")] if cgroup else []
        if file is not None:
            parts.append(component(file))
        return open_beneath(self._root_fd, "/".join(parts), flags)

    def _must_be_writable(self) -> None:
        if not self.writable:
            raise OSError(errno.EROFS, "a recorded dump is read only")

    def _entries(self, cgroup: str, *, directories: bool) -> tuple[str, ...]:
        try:
            fd = self._open(cgroup, None, _DIRECTORY)
            try:
                with os.scandir(fd) as entries:
                    return tuple(
                        sorted(
                            entry.name
                            for entry in entries
                            if entry.is_dir(follow_symlinks=False) == directories and not entry.is_symlink()
                        )
                    )
            finally:
                os.close(fd)
        except OSError as error:
            raise self._error(error, "read", cgroup, "") from error

    def _shown(self, cgroup: str, file: str = "") -> str:
        return (
            "/".join(part for part in (str(self.root), cgroup, file) if part)
            .encode("utf-8", "replace")
            .decode()
        )

    def _error(
        self, error: OSError, doing: Doing, cgroup: str, file: str, value: str | None = None
    ) -> CgroupError:
        reason = self._reason(error, doing, cgroup, file)
        return CgroupError(self._shown(cgroup, file), value, reason, error.errno or 0)

    def _reason(self, error: OSError, doing: Doing, cgroup: str, file: str) -> str:
        if isinstance(error, ComponentError):
            return error.reason
        if not self.writable and error.errno == errno.EROFS:
            return "a recorded dump is read only"
        if self._root_fd < 0:
            return why(error.errno or 0, doing, file)
        if error.errno == errno.ENOENT and doing in ("read", "write", "open") and file:
            known = why(errno.ENOENT, doing, file)
            if known != os.strerror(errno.ENOENT) and self.exists(cgroup, file):
                return known
            if file == "cgroup.controllers" or not self.exists(cgroup):
                return "no such cgroup, or not one of cgroup v2"
            offered = self.read_or_none(cgroup, "cgroup.controllers")
            return missing_file(file, frozenset(parse_words(offered or "")))
        return why(error.errno or 0, doing, file)

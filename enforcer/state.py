"""The ownership record on disk: one file, replaced as a whole, and a lock beside it.

Whoever can write the state directory could make qos restore any value he likes, so a directory or
file that others can write, or that another user owns, is refused. Nothing here outlives a reboot:
the default directory is on the volatile ``/run``, and the record carries the boot's id.

Source: rename(2), fsync(2), flock(2); proc_sys_kernel(5) for ``random/boot_id``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

from enforcer.ownership import Record
from qos.errors import HostError

_RECORD: Final = "record.json"
_NEW: Final = "record.json.new"
_LOCK: Final = "lock"
_OTHERS_WRITE: Final = 0o022
_OTHERS_ANY: Final = 0o077
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_POLL_SECONDS: Final = 0.02


def default_directory(environment: Mapping[str, str]) -> Path:
    """Where the record lies: ``/run/qos`` for root, else ``$XDG_RUNTIME_DIR/qos``.

    Raises:
        HostError: not root, and no XDG_RUNTIME_DIR.
    """
    if os.geteuid() == 0:
        return Path("/run/qos")
    runtime = environment.get("XDG_RUNTIME_DIR")
    if not runtime:
        raise HostError("no place for qos's record: XDG_RUNTIME_DIR is not set; set it, or give --state-dir")
    return Path(runtime) / "qos"


def boot_id() -> str:
    """The id of this boot of the machine.

    Raises:
        HostError: no /proc.
    """
    try:
        fd = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"/proc/sys/kernel/random/boot_id: {error.strerror}; is /proc mounted?") from error
    try:
        return os.read(fd, 64).decode().strip()
    finally:
        os.close(fd)


class StateFiles:
    """The few system calls the record is written with, one method each: the fault matrix fails any."""

    def create(self, directory: int, name: str) -> int:
        """A new, empty file of mode 0600 that only its owner can read, open for writing."""
        return os.open(name, _NEW_FILE, 0o600, dir_fd=directory)

    def write(self, fd: int, data: bytes) -> None:
        """All of the data."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def sync(self, fd: int) -> None:
        """To the disk."""
        os.fsync(fd)

    def replace(self, directory: int, old: str, new: str) -> None:
        """Rename over what is there."""
        os.replace(old, new, src_dir_fd=directory, dst_dir_fd=directory)

    def unlink(self, directory: int, name: str) -> None:
        """Remove; harmless where there is nothing."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)


class StateStore:
    """The record of one state directory, which is made (0700) if it is not there.

    Raises:
        HostError: the directory is another user's, or others can write it, or it cannot be made.
    """

    def __init__(self, directory: Path, files: StateFiles | None = None) -> None:
        self.directory = directory
        self._files = files or StateFiles()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(directory, flags)
        except OSError as error:
            raise HostError(f"state directory {directory}: {error.strerror}") from error
        try:
            _refuse_others(os.fstat(self._fd), f"state directory {directory}", _OTHERS_WRITE)
        except HostError:
            self.close()
            raise

    def close(self) -> None:
        """Release the directory; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @contextmanager
    def locked(self, timeout_seconds: float = 10.0) -> Iterator[None]:
        """Hold the one lock of this state: a second run waits, then gives up.

        The lock is the kernel's (flock) and goes with the process, so a killed run leaves none.

        Raises:
            HostError: another run holds it all the time; its process id is named.
        """
        try:
            fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        except OSError as error:
            raise HostError(f"{self.directory / _LOCK}: {error.strerror}") from error
        try:
            self._wait_for(fd, time.monotonic() + timeout_seconds)
            with suppress(OSError):  # the number is for the other's message; a full disk may keep it
                os.ftruncate(fd, 0)
                os.pwrite(fd, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(fd)

    def _wait_for(self, fd: int, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                    raise HostError(f"{self.directory / _LOCK}: {error.strerror}") from error
            else:
                return
            if time.monotonic() >= deadline:
                holder = os.pread(fd, 32, 0).decode(errors="replace") or "unknown"
                raise HostError(
                    f"another qos (process {holder}) is changing this host; {self.directory / _LOCK}"
                )
            time.sleep(_POLL_SECONDS)

    def load(self) -> Record | None:
        """The record, None where there is none.

        Raises:
            HostError: it is another user's, others can reach it, or it is damaged.
        """
        path = self.directory / _RECORD
        try:
            fd = os.open(_RECORD, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostError(f"{path}: {error.strerror}") from error
        try:
            status = os.fstat(fd)
            _refuse_others(status, str(path), _OTHERS_ANY)
            text = b""
            while chunk := os.read(fd, max(status.st_size, 4096)):
                text += chunk
        except OSError as error:
            raise HostError(f"{path}: {error.strerror}") from error
        finally:
            os.close(fd)
        return Record.from_data(_parsed(text, path))

    def save(self, record: Record) -> None:
        """Replace the record by this one, on disk before this returns: all of it or nothing.

        Raises:
            HostError: the disk is full, or refuses; the old record is still there.
        """
        if record.is_empty:
            self._clear()
            return
        data = orjson.dumps(record.to_data())
        try:
            fd = self._files.create(self._fd, _NEW)
            try:
                self._files.write(fd, data)
                self._files.sync(fd)
            finally:
                os.close(fd)
            self._files.replace(self._fd, _NEW, _RECORD)
            self._files.sync(self._fd)
        except OSError as error:
            with suppress(OSError):
                self._files.unlink(self._fd, _NEW)
            raise HostError(f"{self.directory / _RECORD}: {error.strerror}; no record was written") from error

    def _clear(self) -> None:
        try:
            for name in (_NEW, _RECORD):
                self._files.unlink(self._fd, name)
            self._files.sync(self._fd)
        except OSError as error:
            raise HostError(f"{self.directory / _RECORD}: {error.strerror}") from error


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HostError(f"{path}: damaged ({error}); move it away to start without a record") from error
    if not isinstance(data, dict):
        raise HostError(f"{path}: damaged (not an object); move it away to start without a record")
    return data


def _refuse_others(status: os.stat_result, what: str, bits: int) -> None:
    if status.st_uid != os.geteuid():
        raise HostError(f"{what}: belongs to user {status.st_uid}, not to {os.geteuid()} who runs qos")
    if status.st_mode & bits:
        mode = stat.filemode(status.st_mode)
        raise HostError(f"{what}: others can reach it ({mode}); chmod go-rwx it, or give --state-dir")

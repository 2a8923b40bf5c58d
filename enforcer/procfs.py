"""The one door to ``/proc``: what runs, in which cgroup, and the few files of a process that qos writes.

A process may go away between any two calls; readers then say None, writers raise.

Source: proc(5), proc_pid_cgroup(5), user_namespaces(7).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from qos.errors import HostError

_READ_BYTES: Final = 65536
_GONE: Final = frozenset({errno.ENOENT, errno.ESRCH})


IDLE_COLUMN: Final = "proc_stat_idle_usec"


class Memory(NamedTuple):
    """Bytes of a machine: all, what new processes can have without swapping, and its swap."""

    total: int
    available: int
    swap: int


class ProcFS:
    """A mounted proc file system.

    Args:
        root: where it is mounted.
    """

    def __init__(self, root: str | os.PathLike[str] = "/proc") -> None:
        self.root = Path(root)

    def pids(self) -> Iterator[int]:
        """Every process there is now, by number.

        Raises:
            HostError: the directory cannot be read.
        """
        try:
            names = [entry.name for entry in self.root.iterdir()]
        except OSError as error:
            raise HostError(f"{self.root}: {error.strerror}; is proc mounted there?") from error
        yield from sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def read(self, pid: int, file: str) -> bytes | None:
        """One file of a process; None once the process is gone.

        Raises:
            HostError: not permitted, or no such file.
        """
        path = self.root / str(pid) / file
        try:
            return _read(path)
        except OSError as error:
            if error.errno in _GONE and not self.exists(pid):
                return None
            raise HostError(f"{path}: {error.strerror}") from error

    def node_columns(self) -> dict[str, float]:
        """The whole machine as a row of Samples, as the kubelet counts it: memory in use, idle cache, tasks.

        MemTotal less MemFree, Inactive(file), and the tasks of loadavg; empty where proc has them not.
        """
        try:
            lines = _read(self.root / "meminfo").decode().splitlines()
            tasks = _read(self.root / "loadavg").decode().split()[3].partition("/")[2]
            bytes_of = {line.partition(":")[0]: 1024.0 * int(line.split()[1]) for line in lines}
            return {
                "memory_current": bytes_of["MemTotal"] - bytes_of["MemFree"],
                "memory_stat_inactive_file": bytes_of["Inactive(file)"],
                "pids_current": float(tasks),
            }
        except (OSError, ValueError, IndexError, KeyError):
            return {}

    def memory(self) -> Memory | None:
        """The machine's memory, as meminfo has it; None where it is not told."""
        try:
            lines = _read(self.root / "meminfo").decode().splitlines()
            told = {line.partition(":")[0]: 1024 * int(line.split()[1]) for line in lines}
            return Memory(told["MemTotal"], told["MemAvailable"], told["SwapTotal"])
        except (OSError, ValueError, IndexError, KeyError):
            return None

    def has_swap(self) -> bool:
        """Whether the machine has swap; True where that is not told."""
        memory = self.memory()
        return memory is None or memory.swap > 0

    def idle_columns(self) -> dict[str, float]:
        """How long the machine's CPUs had nothing to do, as a row of Samples: idle, iowait and steal of all.

        Source: proc_stat(5); it counts in ticks of USER_HZ. Empty where proc has it not.
        """
        try:
            words = _read(self.root / "stat").decode().split("\n", 1)[0].split()
            ticks = sum(int(words[at]) for at in (4, 5, 8))
        except (OSError, ValueError, IndexError):
            return {}
        return {IDLE_COLUMN: ticks * 1e6 / os.sysconf("SC_CLK_TCK")}

    def sysctl(self, name: str) -> str | None:
        """A kernel parameter (``user/max_user_namespaces``); None where this kernel has none of the name."""
        try:
            return _read(self.root / "sys" / name).decode().strip()
        except OSError:
            return None

    def exists(self, pid: int) -> bool:
        """Whether the process is there (a zombie is)."""
        return (self.root / str(pid)).is_dir()

    def write(self, pid: int, file: str, value: str) -> None:
        """Write one file of a process in one call, as its maps want.

        Raises:
            HostError: the process is gone, or the kernel refuses.
        """
        path = self.root / str(pid) / file
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise HostError(f"{path}: write {value!r}: {_why_not(file, error)}") from error

    def parent_and_start(self, pid: int) -> tuple[int, int] | None:
        """The number of a process's parent and when it started, in clock ticks after boot; None once gone.

        Number and start together name one process for good: numbers are used again.

        Raises:
            HostError: not permitted.
        """
        text = self.read(pid, "stat")
        if text is None:
            return None
        fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold anything
        return int(fields[1]), int(fields[19])

    def command_line(self, pid: int) -> tuple[str, ...] | None:
        """A process's arguments; empty for a kernel thread or a zombie, None once it is gone.

        Raises:
            HostError: not permitted.
        """
        text = self.read(pid, "cmdline")
        if text is None:
            return None
        return tuple(
            part.decode(errors="surrogateescape") for part in text.removesuffix(b"\0").split(b"\0") if text
        )

    def cgroup(self, pid: int) -> str | None:
        """A process's cgroup v2 as seen from the reader's cgroup namespace, without the leading ``/``.

        ``""`` is the root; a path that starts with ``..`` lies outside the reader's namespace. None once
        the process is gone, or where the host has no unified hierarchy.

        Raises:
            HostError: not permitted.
        """
        text = self.read(pid, "cgroup")
        for line in (text or b"").decode(errors="surrogateescape").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0" and not controllers:
                return path.removesuffix(" (deleted)").removeprefix("/")
        return None

    def open_namespace(self, pid: int, name: str) -> int:
        """A descriptor of a process's namespace (``net``, ``uts``, ``ipc``, …), which keeps it alive.

        Raises:
            HostError: the process is gone, or not permitted.
        """
        path = self.root / str(pid) / "ns" / name
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(f"{path}: {error.strerror}") from error

    def reopen(self, fd: int, flags: int) -> int:
        """Open what one of the caller's own descriptors refers to once more, with a position of its own.

        A memfd opened so has an atomic position, which the descriptor of memfd_create has not: processes
        that share it never read the same piece twice.

        Raises:
            HostError: /proc is not that of the caller's PID namespace.
        """
        path = self.root / "self" / "fd" / str(fd)
        try:
            return os.open(path, flags | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(
                f"{path}: {error.strerror}; is proc of this PID namespace mounted there?"
            ) from error


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(fd, _READ_BYTES):
            chunks.append(chunk)
    finally:
        os.close(fd)
    return b"".join(chunks)


def _why_not(file: str, error: OSError) -> str:
    words = error.strerror or "refused"
    if file == "oom_score_adj" and error.errno in (errno.EACCES, errno.EPERM):
        return f"{words}; lowering it below what was inherited needs root (CAP_SYS_RESOURCE)"
    if file in ("uid_map", "gid_map") and error.errno == errno.EPERM:
        return f"{words}; only the user's own id may be mapped without root"
    return words

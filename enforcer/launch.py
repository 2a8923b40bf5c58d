"""Starting a command straight inside its cgroup, in namespaces of its own, as its securityContext has it.

The child is forked into the cgroup by clone3 (``CLONE_INTO_CGROUP``): nothing of it ever runs, or is
charged, outside. It waits until the parent has written what only the parent may (its user's map, its
oom_score_adj), sets up its namespaces, gives up privileges, and becomes the command by exec; no shell is
involved. What fails on the way is reported to the parent through a pipe that exec closes.

Source: clone(2), execve(2), pidfd_open(2); Documentation/filesystems/proc.rst (oom_score_adj).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self

from enforcer import namespaces
from enforcer.cgroupfs import CgroupFS
from enforcer.procfs import ProcFS
from enforcer.rootless import map_user
from enforcer.security import Credentials
from enforcer.syscalls import fork_into, fork_through
from qos.errors import HostError

_P_PIDFD: Final = 3
_REPORT_BYTES: Final = 4096
_HELLO: Final = b"h"
_GO: Final = b"g"
_RESTORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""Ignored by the Python interpreter, and exec would hand that on."""

Body = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One program to start.

    Attributes:
        argv: the program, found on ``env``'s PATH unless it has a ``/``, and its arguments.
        env: its whole environment.
        working_dir: where it starts; None: where the launcher is.
        who: user, group, capabilities, read-only root.
        new_namespaces: names of the namespaces it gets of its own, see :data:`namespaces.NAMESPACES`.
        joined: name → descriptor of namespaces to enter, those of its pod.
        hostname: of a new UTS namespace.
        oom_score_adj: set before the program starts; None leaves the launcher's.
        init: keep a small PID 1 in front that buries orphans and passes signals on.
        body: run this function in the child instead of a program; ``argv`` is then only its name.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    working_dir: str | None = None
    who: Credentials = field(default_factory=Credentials)
    new_namespaces: frozenset[str] = namespaces.OF_A_CONTAINER | namespaces.OF_A_POD
    joined: Mapping[str, int] = field(default_factory=dict)
    hostname: str = ""
    oom_score_adj: int | None = None
    init: bool = False
    body: Body | None = None

    def __post_init__(self) -> None:
        if self.who.read_only_root and "mnt" not in self.new_namespaces:
            raise HostError(
                f"{self.argv[0]}: a read-only root file system needs a mount namespace of its own"
            )


class Child:
    """A process that was launched: waiting for it, signalling it, without races by its pidfd.

    Attributes:
        pid: its number in the launcher's PID namespace.
        pidfd: descriptor of it; readable once it has exited.
    """

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self._exit_code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def poll(self) -> int | None:
        """Its exit code (128 + n: ended by signal n), None while it runs.

        Raises:
            HostError: it is not a child of this process any more.
        """
        if self._exit_code is None:
            try:
                result = os.waitid(_P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
            except ChildProcessError as error:
                raise HostError(f"process {self.pid} was waited for by somebody else") from error
            if result is not None:
                ended = result.si_code == os.CLD_EXITED
                self._exit_code = result.si_status if ended else 128 + result.si_status
        return self._exit_code

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for its end.

        Returns:
            Its exit code, 128 + n where signal n ended it.

        Raises:
            HostError: it still runs after ``timeout_seconds``.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while (code := self.poll()) is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.pidfd], [], [], left)
            if not ready and self.poll() is None:
                raise HostError(f"process {self.pid} still runs after {timeout_seconds} s")
        return code

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False if it has exited."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            return False
        return True

    def close(self) -> None:
        """Release the pidfd; the process goes on. Harmless when repeated."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def launch(
    fs: CgroupFS,
    cgroup: str,
    command: Command,
    *,
    stdout: int = 1,
    stderr: int = 2,
    proc: ProcFS | None = None,
) -> Child:
    """Start a command inside a cgroup.

    Args:
        fs: the tree.
        cgroup: a leaf of it.
        command: what to start.
        stdout: descriptor that becomes its standard output; standard input is empty.
        stderr: descriptor that becomes its standard error.
        proc: where the launcher's /proc is.

    Raises:
        CgroupError: no such cgroup.
        HostError: not a leaf, pids.max reached, the kernel lacks clone3, or a later step failed; the
            message names it, and nothing is left running.
    """
    proc = proc or ProcFS()
    stdio = (stdout, stderr)
    child = _start(fs, cgroup, command, stdio, proc, into=True)
    if child is None:
        child = _start(fs, cgroup, command, stdio, proc, into=False)
    if child is None:
        raise HostError(f"{command.argv[0]}: killed before it could start")
    return child


def _start(
    fs: CgroupFS, cgroup: str, command: Command, stdio: tuple[int, int], proc: ProcFS, *, into: bool
) -> Child | None:
    """One attempt; None if the child was killed at birth.

    Kernels that have the fix "cgroup: fix race between fork and cgroup.kill" (6.14 and the stable series
    of February 2025 on) compare the kill count of the parent's cgroup with that of the one cloned into:
    where ``cgroup.kill`` was ever used, every child cloned into it is killed at birth. There the child is
    forked outside, and moved inside while it still waits: of the command nothing ever runs outside.
    """
    directory = fs.open_directory(cgroup)
    go_read, go_write = os.pipe()
    report_read, report_write = os.pipe()
    stdin_read, stdin_write = os.pipe()
    ours = [directory, go_read, go_write, report_read, report_write, stdin_read, stdin_write]
    try:
        try:
            pid, pidfd = _fork(command, directory if into else None)
        except OSError as error:
            reason = _NO_CHILD.get(error.errno or 0) or os.strerror(error.errno or 0)
            raise HostError(f"{fs.root / cgroup}: start {command.argv[0]}: {reason}") from error
        if pid == 0:
            os.close(go_write)
            os.close(report_read)
            os.close(stdin_write)
            _in_child(command, (stdin_read, *stdio), go_read, report_write)
        os.close(report_write)
        ours.remove(report_write)
        with ExitStack() as undo:
            child = Child(pid, pidfd)
            undo.callback(_bury, child)
            if os.read(report_read, 1) != _HELLO:
                return None
            if not into:
                fs.write(cgroup, "cgroup.procs", str(pid))
            _from_outside(proc, pid, command)
            os.write(go_write, _GO)
            _must_have_started(report_read, command)
            undo.pop_all()
        return child
    finally:
        for fd in ours:
            os.close(fd)


def _fork(command: Command, directory: int | None) -> tuple[int, int]:
    flags = namespaces.flags_of(command.new_namespaces)
    if "user" in command.joined:
        return fork_through(command.joined["user"], directory, flags)
    return fork_into(directory, flags)


def _bury(child: Child) -> None:
    child.send(signal.SIGKILL)
    child.wait()
    child.close()


def _from_outside(proc: ProcFS, pid: int, command: Command) -> None:
    if "user" in command.new_namespaces:
        map_user(pid, proc)
    if command.oom_score_adj is not None:
        proc.write(pid, "oom_score_adj", str(command.oom_score_adj))


def _must_have_started(report: int, command: Command) -> None:
    text = b""
    while chunk := os.read(report, _REPORT_BYTES):
        text += chunk
    if text:
        stage, _, number = text.decode(errors="replace").partition("\0")
        words = os.strerror(int(number)) if number.isdecimal() else number
        raise HostError(f"{command.argv[0]}: {stage}: {words}")


_NO_CHILD: Final = {
    errno.ENOSYS: "clone3 into a cgroup needs Linux 5.7 or newer (or a seccomp profile that allows clone3)",
    errno.EACCES: "the cgroup is not delegated to this user, or qos itself runs outside of what is: start it "
    "in there (systemd-run --user --scope -p Delegate=yes -- qos …)",
    errno.ENOSPC: "no more user namespaces: user.max_user_namespaces is reached, or 0",
    errno.EPERM: "new namespaces need root, or a user namespace that this host allows",
    errno.EAGAIN: "no more tasks: pids.max of this cgroup or of one above is reached (or RLIMIT_NPROC)",
    errno.EBUSY: "it hands controllers on to cgroups below it and takes no process itself; launch in a leaf",
    errno.EOPNOTSUPP: "it is threaded, or in the middle of becoming so: it takes no new process",
    errno.ENODEV: "the cgroup was removed meanwhile",
}


def _in_child(command: Command, stdio: tuple[int, int, int], go: int, report: int) -> NoReturn:
    """Never returns, whatever happens: two processes must not go on with the launcher's work."""
    stage = "start"
    try:
        os.write(report, _HELLO)
        if os.read(go, 1) != _GO:
            os._exit(127)
        stage = "namespaces"
        namespaces.enter(command.new_namespaces, command.joined, command.hostname)
        if command.working_dir is not None:
            stage = "working directory"
            os.chdir(command.working_dir)
        stage = "securityContext"
        namespaces.become(command.who, rootless="user" in {*command.new_namespaces, *command.joined})
        stage = "standard input and output"
        _arrange(stdio)
        if command.init and (below := fork_into(None)[0]) != 0:
            os.close(report)
            os._exit(namespaces.reap_until_exit(below))
        stage = "exec"
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        if command.body is not None:
            os.close(report)
            os._exit(command.body())
        os.execvpe(command.argv[0], list(command.argv), dict(command.env))  # noqa: S606 — no shell, on purpose
    except OSError as error:
        where = "" if error.filename is None or stage == "exec" else f" ({os.fsdecode(error.filename)})"
        with contextlib.suppress(OSError):
            os.write(report, f"{stage}{where}\0{error.errno}".encode())
    except HostError as error:
        with contextlib.suppress(OSError):
            os.write(report, f"{stage}\0{error}".encode()[:_REPORT_BYTES])
    except BaseException as error:  # noqa: BLE001 — the fork must end here
        with contextlib.suppress(OSError):
            os.write(report, f"{stage}\0{error!r}".encode()[:_REPORT_BYTES])
    os._exit(127)


def _arrange(stdio: tuple[int, int, int]) -> None:
    """Make three descriptors 0, 1 and 2, whatever numbers they have: first out of the way, then in place."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in stdio]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=True)

"""What the containers of one pod share: network, host name and IPC, held open while nothing runs in them.

The kubelet keeps a pod's sandbox alive by a pause process. Here the namespaces are made by a child that
is gone again, and held by descriptors: a container that ends and comes back finds its network as it was.

Source: namespaces(7), "The /proc/[pid]/ns/ directory": an open descriptor keeps a namespace alive.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self

from enforcer import namespaces
from enforcer.procfs import ProcFS
from enforcer.rootless import map_user
from enforcer.syscalls import die_with_parent, fork_into, user_namespace_of
from qos.errors import HostError

_GO: Final = b"g"
_REPORT_BYTES: Final = 4096


@dataclass(slots=True)
class Sandbox:
    """Descriptors of a pod's namespaces, by name (``net``, ``uts``, ``ipc``); closed by :meth:`close`."""

    fds: dict[str, int] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        names: Collection[str],
        hostname: str,
        *,
        configure: Callable[[int], object] | None = None,
        proc: ProcFS | None = None,
    ) -> Self:
        """New namespaces, the loopback device up.

        Args:
            names: which.
            hostname: of a new ``uts``.
            configure: called with the number of a process in them, as to give the pod its devices.
            proc: where /proc is.

        Raises:
            HostError: the kernel refuses, or ``configure`` does.
        """
        go_read, go_write = os.pipe()
        report_read, report_write = os.pipe()
        try:
            pid, pidfd = fork_into(None, namespaces.flags_of(frozenset(names)))
        except OSError as error:
            for fd in (go_read, go_write, report_read, report_write):
                os.close(fd)
            likely = (
                "; is unprivileged use of user namespaces allowed? see qos doctor" if "user" in names else ""
            )
            raise HostError(f"namespaces of pod {hostname}: {error.strerror}{likely}") from error
        if pid == 0:
            _hold(frozenset(names), hostname, go_read, report_write)
        try:
            os.close(report_write)
            if report := os.read(report_read, _REPORT_BYTES).removeprefix(_GO).decode(errors="replace"):
                raise HostError(f"namespaces of pod {hostname}: {report}")
            if "user" in names:
                map_user(pid, proc or ProcFS())
            if configure is not None:
                configure(pid)
            return cls.of_process(pid, names, proc)
        finally:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitpid(pid, 0)
            for fd in (go_read, go_write, report_read, pidfd):
                os.close(fd)

    @classmethod
    def of_process(cls, pid: int, names: Collection[str], proc: ProcFS | None = None) -> Self:
        """The namespaces that a running process is in.

        Raises:
            HostError: it is gone, or not permitted.
        """
        held = cls()
        try:
            for name in sorted(set(names) - {"user"}):
                held.fds[name] = (proc or ProcFS()).open_namespace(pid, name)
            if "user" in names:  # its own may be one below the pod's
                held.fds["user"] = user_namespace_of(next(iter(held.fds.values())))
        except HostError:
            held.close()
            raise
        except OSError as error:
            held.close()
            raise HostError(f"user namespace of process {pid}: {error.strerror}") from error
        return held

    def close(self) -> None:
        """Let them go; they live on while a process is in them. Harmless when repeated."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


def _hold(names: frozenset[str], hostname: str, go: int, report: int) -> NoReturn:
    """The child: sets the namespaces up, says so, and waits to be killed."""
    try:
        die_with_parent()
        namespaces.enter(names, {}, hostname)
        os.write(report, _GO)
        os.close(report)
        os.read(go, 1)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(report, str(error).encode()[:_REPORT_BYTES])
    os._exit(0)

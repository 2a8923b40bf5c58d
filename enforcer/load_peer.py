"""The host's side of a pod's traffic: processes outside of all pods that take and send bytes.

They are forked, not executed, as a load's are (:mod:`enforcer.load_child`).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn, Self

from enforcer import load_net
from enforcer.syscalls import die_with_parent, fork_into
from qos.errors import HostError

_START: Final = struct.Struct("=d")


class Peer:
    """A process on the host, made by :meth:`take` or :meth:`give`; it ends with :meth:`close`."""

    def __init__(self, pid: int, pidfd: int, go: int) -> None:
        self._pid, self._pidfd, self._go = pid, pidfd, go

    @classmethod
    def take(cls, address: str, port: int) -> Self:
        """Take what is sent to an address of the host.

        Raises:
            HostError: it cannot be listened at.
        """
        try:
            server = socket.create_server((address, port))
        except OSError as error:
            raise HostError(f"{address}:{port}: cannot be listened at: {error.strerror}") from error
        with server:
            return cls._forked(lambda start: load_net.take(server, {}, start))

    @classmethod
    def give(cls, spec: dict[str, Any]) -> Self:
        """Send what a workload receives; ``spec`` as :func:`enforcer.load_net.send` has it."""
        return cls._forked(lambda start: load_net.send(spec, start))

    def go(self, start: float) -> None:
        """Begin at a moment of the monotonic clock."""
        os.write(self._go, _START.pack(start))

    def close(self) -> None:
        """End it. Harmless when repeated."""
        if self._pidfd < 0:
            return
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._pidfd)
        os.close(self._go)
        self._pidfd = -1

    @classmethod
    def _forked(cls, part: Callable[[float], None]) -> Self:
        go_read, go_write = os.pipe()
        pid, pidfd = fork_into(None)
        if pid == 0:
            os.close(go_write)
            _be(part, go_read)
        os.close(go_read)
        return cls(pid, pidfd, go_write)


def _be(part: Callable[[float], None], go: int) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        said = os.read(go, _START.size)
        if said:
            part(_START.unpack(said)[0])
        code = 0
    except BaseException as error:  # noqa: BLE001 - the fork must end here, and say why
        os.write(2, f"peer: {error!r}\n".encode())
    finally:
        os._exit(code)

"""Sending and receiving over TCP as a workload says. Standard library only.

Each function runs in a process of its own: a workload's in the load's cgroup and network namespace, its
peer's on the host.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from enforcer.load_pace import Pace, tell_done

BLOCK_BYTES: Final = 16384
_SEND_BUFFER_BYTES: Final = 262144
"""Enough for the queues of both ways' buckets: with 64 KiB a stream beside one the other way lost 9 %."""
_GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT})


def send(spec: dict[str, Any], start: float) -> None:
    """Send bytes to a peer over TCP; the peer takes what arrives.

    Args:
        spec: ``host``, ``port``, ``bits_per_second`` (None: as fast as it goes), ``total`` bytes (None: no
            end), ``start``, ``stop``, and ``results`` where a finite transfer is told once all has arrived.
        start: on the monotonic clock.
    """
    block = b"\3" * BLOCK_BYTES
    stop = None if spec["stop"] is None else start + spec["stop"]
    rate = None if spec["bits_per_second"] is None else spec["bits_per_second"] / 8.0
    pace = Pace(rate, start + spec["start"], stop, spec["total"])
    with socket.create_connection((spec["host"], spec["port"]), timeout=10.0) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        peer.settimeout(None)
        time.sleep(max(0.0, start + spec["start"] - time.monotonic()))
        try:
            while pace.wait(len(block)):
                peer.sendall(block)
            if spec["total"] is None:  # stopped: what still waits in the socket is not wanted any more
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)  # the peer closes when it has all
        except OSError as error:
            if error.errno in _GONE:
                return
            raise
    if spec.get("results") is not None:
        tell_done(spec["results"], start, spec["start"])


def receiver(spec: dict[str, Any]) -> Callable[[float], None]:
    """Listen at ``port`` from now on; what is returned takes what a peer sends, as fast as it comes.

    Args:
        spec: ``port``, ``total`` bytes after which a finite transfer is told to ``results`` (None: never),
            ``start``.
    """
    server = socket.create_server(("", spec["port"]))
    return lambda start: take(server, spec, start)


def take(server: socket.socket, spec: dict[str, Any], start: float) -> None:
    """Take what comes to a socket that listens, one sender after another."""
    wanted, came = spec.get("total"), 0
    while True:
        peer, _ = server.accept()
        with peer, contextlib.suppress(ConnectionResetError):
            while said := peer.recv(65536):
                came += len(said)
        if wanted is not None and came >= wanted:
            tell_done(spec["results"], start, spec["start"])
            return

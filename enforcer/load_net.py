"""Sending and receiving over TCP as a workload says. Standard library only.

Each function runs in a process of its own, in the load's cgroup and network namespace.
"""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from enforcer.load_pace import Pace


def send(spec: dict[str, Any], start: float) -> None:
    """Send bytes to a peer over TCP at ``bits_per_second``; the peer counts what arrives.

    Args:
        spec: ``host``, ``port``, ``bits_per_second``, ``start``, ``stop``.
        start: on the monotonic clock.
    """
    block = b"\3" * 16384
    time.sleep(max(0.0, start + spec["start"] - time.monotonic()))
    stop = None if spec["stop"] is None else start + spec["stop"]
    pace = Pace(spec["bits_per_second"] / 8.0, start + spec["start"], stop)
    with socket.create_connection((spec["host"], spec["port"]), timeout=10.0) as peer:
        peer.settimeout(None)
        while pace.wait(len(block)):
            try:
                peer.sendall(block)
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.ECONNRESET):
                    return
                raise


def receive(spec: dict[str, Any], start: float) -> None:
    """Take what a peer sends to ``port``, as fast as it comes."""
    del start
    with socket.create_server((spec["host"], spec["port"])) as server:
        while True:
            peer, _ = server.accept()
            with peer:
                while peer.recv(65536):
                    pass

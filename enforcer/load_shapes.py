"""Memory, disk and network shapes of a Workload as plain specifications for the load's processes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from enforcer.load_files import scratch_file
from enforcer.load_memory import polygon_at
from qos.errors import HostError
from qos.model.quantity import Quantity
from qos.model.workload import Anon, Cache, IoShape, NetworkShape, Workload

_BLOCK_BYTES: Final = 131072
_DISK_FILE_BYTES: Final = 64 << 20
_NO_LIMIT_BYTES: Final = 1 << 38
"""More than loads can hold, and less than the smallest address space: User Mode Linux has 39 bits."""

_FAR_SECONDS: Final = 1e9
_Given = TypeVar("_Given")


@dataclass(slots=True)
class Shapes:
    """One plain specification a process, and the descriptors they name."""

    shapes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)

    @property
    def first_bytes(self) -> int | None:
        """Anonymous memory that is held at the start; None where there is no such shape."""
        found = [shape for name, shape in self.shapes if name == "anon"]
        return int(polygon_at(found[0]["points"], 0.0)) if found else None

    @property
    def transfers(self) -> int:
        """How many of the shapes are finite transfers."""
        return sum(shape.get("total") is not None for _, shape in self.shapes)


def other_shapes(
    workload: Workload,
    scratch: Path | None,
    peer: tuple[str, int] | None,
    undo: ExitStack,
    threads: int = 0,
    *,
    swap: bool = True,
) -> Shapes:
    """All shapes of a workload that are not CPU, and processes that do nothing, up to its ``tasks``.

    Args:
        workload: what is wanted.
        scratch: where files are made.
        peer: where network traffic goes to or comes from.
        undo: gets a callback for each descriptor that is opened.
        threads: processes that its CPU shape has.
        swap: the machine has some; without, nothing takes idle anonymous memory, and it is not touched again.

    Raises:
        HostError: a shape needs ``scratch`` or ``peer``, or a file cannot be made.
    """
    found = Shapes()
    memory = workload.memory
    if memory and memory.anon:
        found.shapes.append(("anon", anon_spec(memory.anon) | ({} if swap else {"hot": 0.0})))
    if memory and memory.cache:
        _cache(memory.cache, _must(scratch, "memory.cache"), found, undo, alone=memory.anon is None)
    if workload.io:
        _disk(workload.io, _must(scratch, "io"), found, undo)
    if workload.network:
        _network(workload.network, peer, found)
    idle = (workload.tasks or 0) - 1 - threads - len(found.shapes)  # the load's parent is one
    if idle > 0:
        found.shapes.append(("idle", {"tasks": idle}))
    return found


def anon_spec(anon: Anon) -> dict[str, Any]:
    """Anonymous memory as a polygon of (seconds, bytes).

    >>> from qos.model.quantity import Quantity
    >>> grows = Anon(start="1Mi", grow_per_second="1Mi", limit="3Mi")
    >>> anon_spec(grows)["points"]
    [[0.0, 1048576.0], [0.0, 1048576.0], [2.0, 3145728.0]]
    """
    if anon.points is not None:
        points = [[point.at, _number(point.value)] for point in anon.points]
    else:
        first = _number(anon.start) if anon.start is not None else 0.0
        points = [[0.0, first], [anon.grow_at, first]]
        if anon.grow_per_second is not None and _number(anon.grow_per_second) > 0.0:
            rate = _number(anon.grow_per_second)
            top = _number(anon.limit) if anon.limit is not None else _NO_LIMIT_BYTES
            seconds = min(_FAR_SECONDS, max(0.0, top - first) / rate)
            points.append([anon.grow_at + seconds, first + rate * seconds])
    most = max(value for _, value in points)
    return {"points": points, "hot": anon.hot, "most": int(most)}


def _cache(cache: Cache, scratch: Path, found: Shapes, undo: ExitStack, *, alone: bool) -> None:
    """What the load's processes hold counts as part of the memory wanted: of the cache where it is alone."""
    size = int(_number(cache.file))
    fd = _opened(scratch_file(scratch, size), found, undo)
    shared = {"fd": fd, "bytes": size, "active": cache.active, "start": cache.start, "alone": alone}
    if _number(cache.read_per_second) > 0.0:
        found.shapes.append(("cache_read", shared | {"read_per_second": _number(cache.read_per_second)}))
    if cache.write_per_second is not None and _number(cache.write_per_second) > 0.0:
        found.shapes.append(("cache_write", shared | {"write_per_second": _number(cache.write_per_second)}))


def _disk(io: IoShape, scratch: Path, found: Shapes, undo: ExitStack) -> None:
    block = int(_number(io.block)) if io.block is not None else _BLOCK_BYTES
    size = max(_DISK_FILE_BYTES // block, 1) * block
    for rate, write in ((io.read_per_second, False), (io.write_per_second, True)):
        if rate is None:
            continue
        fd = _opened(scratch_file(scratch, size, direct=io.direct), found, undo)
        per_second = None if rate == "max" else _number(rate)
        spec = {"fd": fd, "bytes": size, "block": block, "per_second": per_second, "write": write}
        spec["total"] = None if io.total is None else _number(io.total)
        found.shapes.append(("disk", spec | {"start": io.start, "stop": io.stop}))


def _network(network: NetworkShape, peer: tuple[str, int] | None, found: Shapes) -> None:
    host, port = _must(peer, "network")
    sent = _traffic(network, network.egress_bits_per_second, host, port)
    if sent is not None:
        found.shapes.append(("send", sent))
    received = _traffic(network, network.ingress_bits_per_second, host, port + 1)
    if received is not None:
        found.shapes.append(("receive", received))


def given_to(workload: Workload, host: str, port: int) -> dict[str, Any] | None:
    """What the peer of a workload sends to it, for :func:`enforcer.load_net.send`; None if nothing.

    Args:
        workload: what is wanted.
        host: the pod's address.
        port: as ``peer`` of the load has it.
    """
    network = workload.network
    rate = None if network is None else network.ingress_bits_per_second
    return None if network is None else _traffic(network, rate, host, port + 1)


def _traffic(
    network: NetworkShape, rate: Quantity | Literal["max"] | None, host: str, port: int
) -> dict[str, Any] | None:
    if rate is None:
        return None
    return {
        "host": host,
        "port": port,
        "bits_per_second": None if rate == "max" else _number(rate),
        "total": None if network.total is None else _number(network.total),
        "start": network.start,
        "stop": network.stop,
    }


def _opened(fd: int, found: Shapes, undo: ExitStack) -> int:
    undo.callback(os.close, fd)
    found.fds.append(fd)
    return fd


def _must(given: _Given | None, shape: str) -> _Given:
    if given is None:
        raise HostError(f"workload.{shape} needs a scratch directory, or for network a peer, on this host")
    return given


def _number(quantity: Quantity) -> float:
    return quantity.nano / 1e9

"""Disk and network traffic over time: streams at constant rates between events, counted up the tree.

Nothing here costs anything while no workload has a disk or network shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import PlanError
from qos.model.cgroup import ROOT, CgroupName, ancestors
from qos.model.event import Event
from qos.model.network import NodeNetwork
from qos.model.node import Disk
from qos.model.plan import Plan
from qos.model.quantity import Quantity
from qos.model.workload import IoShape, NetworkShape, Workload
from qos.simulate.demand import number
from qos.simulate.disk import share_disk
from qos.simulate.layout import COMPLETION
from qos.simulate.link import BLOCK_BYTES, Link, on_the_wire
from qos.simulate.stream import Direction, Stream

Floats = NDArray[np.float64]

IO_COLUMNS: Final = (
    "io_stat_rbytes",
    "io_stat_wbytes",
    "io_stat_rios",
    "io_stat_wios",
    "io_pressure_some_total",
    "io_pressure_full_total",
)
NET_COLUMNS: Final = ("net_rx_bytes", "net_tx_bytes")
TRAFFIC_COLUMNS: Final = (*IO_COLUMNS, *NET_COLUMNS)
_BYTES: Final[Mapping[Direction, int]] = {"read": 0, "write": 1, "receive": 6, "send": 7}
_OPERATIONS: Final[Mapping[Direction, int]] = {"read": 2, "write": 3}
_SOME: Final = 4
_FULL: Final = 5
_USEC: Final = 1e6
_BLOCK_BYTES: Final = 131072.0
_LARGEST_BIO_BYTES: Final = 1048576.0
"""BIO_MAX_VECS pages: a larger block is several operations."""
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Transfer:
    """A finite transfer that was done: all streams of a leaf."""

    cgroup: CgroupName
    start: float
    seconds: float


@dataclass(slots=True)
class Flows:
    """All streams of a machine.

    Attributes:
        disks: of the machine.
        network: limits of pods, and the link they share.
        now: time up to which all is counted.
        streams: of all leaves.
        done: transfers that were finished and not yet taken.
    """

    disks: Sequence[Disk]
    network: NodeNetwork = field(default_factory=NodeNetwork)
    now: float = 0.0
    streams: list[Stream] = field(default_factory=list)
    done: list[Transfer] = field(default_factory=list)
    _plan: Plan = field(default_factory=lambda: Plan.of({}))
    _counters: dict[CgroupName, Floats] = field(default_factory=dict)
    _waits: dict[CgroupName, float] = field(default_factory=dict)
    _columns: set[str] = field(default_factory=set)
    _link: Link = field(default_factory=Link)
    _stale: bool = True

    def __post_init__(self) -> None:
        self._link = Link(self.network)

    def place(self, plan: Plan) -> None:
        """Go by another plan from now on."""
        self._plan = plan
        self._stale = True

    def start(self, cgroup: CgroupName, workload: Workload, now: float) -> None:
        """Start a leaf's streams; those of an earlier start end.

        Raises:
            PlanError: its device is not one of the machine's disks.
        """
        self.stop(cgroup)
        if workload.io is not None:
            self.streams += _disk_streams(cgroup, workload.io, self._device(cgroup, workload.io), now)
            self._columns.update(IO_COLUMNS)
        if workload.network is not None:
            self.streams += _network_streams(cgroup, workload.network, now)
            self._columns.update(NET_COLUMNS)
        for name in (ROOT, *ancestors(cgroup), cgroup) if self.streams else ():
            self._counters.setdefault(name, np.zeros(len(TRAFFIC_COLUMNS)))
        self._stale = True

    def stop(self, cgroup: CgroupName) -> None:
        """End a leaf's streams, of whatever is below."""
        kept = [each for each in self.streams if not _is_at(each.cgroup, cgroup)]
        if len(kept) < len(self.streams):
            self.streams = kept
            self._stale = True

    def end_at(self, cgroup: CgroupName, time: float) -> None:
        """End a leaf's streams at a time that is not counted yet: it was killed then."""
        for stream in self.streams:
            if stream.cgroup == cgroup:
                stream.stop = min(stream.stop, time)
                self._stale = True

    def freeze(self, cgroup: CgroupName, *, frozen: bool) -> None:
        """Let the streams at or below a cgroup stand still, or go on."""
        for stream in self.streams:
            if _is_at(stream.cgroup, cgroup):
                stream.frozen = frozen
        self._stale = True

    def advance(self, until: float) -> None:
        """Count up to ``until``."""
        while self.streams and self.now < until - _ROUNDING:
            if self._stale:
                self._share()
            then = min((stream.next_change(self.now) for stream in self.streams), default=math.inf)
            then = max(min(then, self._link.next_change(self.now)), self.now)
            if then > until:
                self._pass(until)
                break
            self._pass(then)
            self._end_done()
            self._stale = True
        self.now = max(self.now, until)

    def read(self, times: Floats, names: Sequence[CgroupName], until: float) -> dict[str, Floats]:
        """Count up to ``until``; columns (T, C) as they were at ``times``, none without streams."""
        if not self._counters:
            self.now = until
            return {}
        rows = np.zeros((len(times), len(names), len(TRAFFIC_COLUMNS)))
        for place, time in enumerate(times.tolist()):
            self.advance(time)
            for index, name in enumerate(names):
                if name in self._counters:
                    rows[place, index] = self._counters[name]
        self.advance(until)
        return {
            name: rows[:, :, place] for place, name in enumerate(TRAFFIC_COLUMNS) if name in self._columns
        }

    def take_done(self, events: list[Event]) -> list[tuple[tuple[CgroupName, ...], NDArray[Any]]]:
        """Rows of ``layout.COMPLETION`` of what was finished since the last call; ``events`` gets each."""
        done, self.done = self.done, []
        for each in done:
            reason = f"its transfer is done after {each.seconds:.3f} s"
            events.append(Event(each.start + each.seconds, "exit", each.cgroup, reason, 0))
        rows = [np.array([(0, each.start, each.seconds)], dtype=COMPLETION) for each in done]
        return [((each.cgroup,), row) for each, row in zip(done, rows, strict=True)]

    def _device(self, cgroup: CgroupName, shape: IoShape) -> str:
        devices = [disk.device for disk in self.disks]
        if shape.device is None:
            return devices[0]
        if shape.device not in devices:
            there = ", ".join(devices)
            msg = f"cgroup {cgroup}: device {shape.device} is no disk of the node, which has {there}"
            raise PlanError(msg)
        return shape.device

    def _share(self) -> None:
        for disk in self.disks:
            mine = [stream for stream in self.streams if stream.device == disk.device]
            if mine:
                share_disk(disk, self._plan, mine, self.now)
        network = [stream for stream in self.streams if stream.direction in ("send", "receive")]
        if network:
            self._link.share(network, self.now)
        calm: dict[CgroupName, float] = {}
        for stream in self.streams:
            for name in (ROOT, *ancestors(stream.cgroup), stream.cgroup):
                calm[name] = calm.get(name, 1.0) * (1.0 - stream.waits)
        self._waits = {name: 1.0 - part for name, part in calm.items() if part < 1.0}
        self._stale = False

    def _pass(self, until: float) -> None:
        seconds = until - self.now
        if seconds <= 0.0:
            return
        for stream in self.streams:
            moved = stream.pass_time(seconds, running=stream.start <= self.now < stream.stop)
            if moved > 0.0:
                operations = _OPERATIONS.get(stream.direction)
                for name in (ROOT, *ancestors(stream.cgroup), stream.cgroup):
                    counters = self._counters[name]
                    counters[_BYTES[stream.direction]] += moved
                    if operations is not None:
                        counters[operations] += moved / min(stream.block, _LARGEST_BIO_BYTES)
        self._link.pass_time(seconds)
        for name, part in self._waits.items():
            self._counters[name][_SOME] += part * seconds * _USEC
            self._counters[name][_FULL] += part * seconds * _USEC
        self.now = until

    def _end_done(self) -> None:
        for cgroup in dict.fromkeys(stream.cgroup for stream in self.streams if stream.is_done):
            mine = [stream for stream in self.streams if stream.cgroup == cgroup]
            if all(stream.is_done for stream in mine):
                start = min(stream.start for stream in mine)
                self.done.append(Transfer(cgroup, start, self.now - start))
                self.stop(cgroup)


def _disk_streams(cgroup: CgroupName, shape: IoShape, device: str, now: float) -> list[Stream]:
    rates: tuple[tuple[Direction, Quantity | str | None], ...] = (
        ("read", shape.read_per_second),
        ("write", shape.write_per_second),
    )
    return [
        Stream(
            cgroup,
            direction,
            device,
            number(shape.block) if shape.block is not None else _BLOCK_BYTES,
            number(rate) if isinstance(rate, Quantity) else math.inf,
            now + shape.start,
            math.inf if shape.stop is None else now + shape.stop,
            number(shape.total) if shape.total is not None else math.inf,
        )
        for direction, rate in rates
        if rate is not None
    ]


def _network_streams(cgroup: CgroupName, shape: NetworkShape, now: float) -> list[Stream]:
    """One each way; bytes are counted with their headers."""
    rates: tuple[tuple[Direction, Quantity | str | None], ...] = (
        ("send", shape.egress_bits_per_second),
        ("receive", shape.ingress_bits_per_second),
    )
    return [
        Stream(
            cgroup,
            direction,
            "",
            float(BLOCK_BYTES),
            on_the_wire(number(rate) / 8) if isinstance(rate, Quantity) else math.inf,
            now + shape.start,
            math.inf if shape.stop is None else now + shape.stop,
            on_the_wire(number(shape.total)) if shape.total is not None else math.inf,
        )
        for direction, rate in rates
        if rate is not None
    ]


def _is_at(leaf: CgroupName, cgroup: CgroupName) -> bool:
    return cgroup in (ROOT, leaf) or leaf.startswith(f"{cgroup}/")

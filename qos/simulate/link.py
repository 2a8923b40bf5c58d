"""The network shared: a token bucket for each pod and direction, and the node's link by weight.

Source: net/sched/sch_tbf.c of Linux 6.12; what is sent is counted with its headers, as tbf counts it
(qdisc_pkt_len_init).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from qos.model.cgroup import CgroupName, ancestors
from qos.model.network import DEFAULT_WEIGHT, NodeNetwork, TokenBucket
from qos.simulate.fill import Floats, fill
from qos.simulate.stream import Direction, Stream

Way = tuple[CgroupName, Direction]
SEGMENT_BYTES: Final = 1448
"""TCP payload of a packet of 1500 bytes: 20 bytes of IP and 32 of TCP with timestamps are not."""
HEADER_BYTES: Final = 66
"""Of each packet: Ethernet 14, IP 20, TCP 32."""
BLOCK_BYTES: Final = 16384
"""The load hands so much to its socket at once."""
LINE_BITS: Final = 40e9
"""A pair of virtual devices without a limit; only so that nothing is infinite."""
_FEW_BYTES: Final = 1.0


def on_the_wire(payload: float) -> float:
    """Bytes with headers of a payload that is sent block by block.

    >>> on_the_wire(16384)
    17176.0
    """
    return payload * (1.0 + HEADER_BYTES * math.ceil(BLOCK_BYTES / SEGMENT_BYTES) / BLOCK_BYTES)


@dataclass(slots=True)
class _Bucket:
    """A token bucket at work: how many bytes it still lets through at once, and what flows now."""

    shape: TokenBucket
    tokens: float
    flow: float = 0.0

    @property
    def is_empty(self) -> bool:
        return self.tokens <= _FEW_BYTES

    def next_change(self, now: float) -> float:
        """When it runs dry at what flows now."""
        drains = self.flow - self.shape.rate
        return now + self.tokens / drains if drains > _FEW_BYTES and not self.is_empty else math.inf

    def pass_time(self, seconds: float) -> None:
        left = self.tokens + (self.shape.rate - self.flow) * seconds
        self.tokens = min(max(left, 0.0), float(self.shape.burst))


@dataclass(slots=True)
class Link:
    """All pods' devices at work, and the link that they share."""

    network: NodeNetwork = field(default_factory=NodeNetwork)
    _buckets: dict[Way, _Bucket] = field(default_factory=dict)

    def pod_of(self, leaf: CgroupName) -> CgroupName:
        """The pod that a leaf belongs to: the cgroup of the network above it, else its parent."""
        above = ancestors(leaf)
        return next(
            (name for name in (leaf, *above) if name in self.network.pods), above[-1] if above else leaf
        )

    def share(self, streams: Sequence[Stream], now: float) -> None:
        """Set the rate of every network stream, in bytes with headers a second.

        Two pods of weights 100 and 300 that send as fast as they can over a link of 8 Mbit/s: 250,000 and
        750,000 bytes a second. A pod's streams share its part evenly.
        """
        ways = [(self.pod_of(stream.cgroup), stream.direction) for stream in streams]
        wanted = np.array([stream.can_use(now) for stream in streams])
        uses: list[Floats] = []
        limits: list[float] = []
        for way in dict.fromkeys(ways):
            bucket = self._bucket(way)
            uses.append(np.array([float(each == way) for each in ways]))
            limits.append(bucket.shape.rate if bucket is not None and bucket.is_empty else LINE_BITS / 8)
        for direction in ("send", "receive"):
            uses.append(np.array([float(each == direction) for _, each in ways]))
            limits.append((self.network.link_bits or LINE_BITS) / 8)
        weight = np.array([self._weight(pod) for pod, _ in ways])
        turns = np.array([ways.index(way) for way in ways])

        def speeds(growing: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
            beside = np.bincount(turns[growing], minlength=len(ways))[turns]
            part: Floats = weight / np.maximum(beside, 1)
            return part

        rates = fill(wanted, np.array(uses), np.array(limits), speeds)
        for bucket in self._buckets.values():
            bucket.flow = 0.0
        for stream, way, rate in zip(streams, ways, rates.tolist(), strict=True):
            stream.rate, stream.waits = rate, 0.0
            if way in self._buckets:
                self._buckets[way].flow += rate

    def next_change(self, now: float) -> float:
        """When a bucket runs dry."""
        return min((bucket.next_change(now) for bucket in self._buckets.values()), default=math.inf)

    def pass_time(self, seconds: float) -> None:
        """Let buckets fill and drain."""
        for bucket in self._buckets.values():
            bucket.pass_time(seconds)

    def _bucket(self, way: Way) -> _Bucket | None:
        network = self.network.pods.get(way[0])
        bits = None if network is None else getattr(network, _LIMIT[way[1]])
        if bits is None:
            return None
        if way not in self._buckets:
            shape = TokenBucket.of(bits)
            self._buckets[way] = _Bucket(shape, float(shape.burst))
        return self._buckets[way]

    def _weight(self, pod: CgroupName) -> float:
        network = self.network.pods.get(pod)
        return float(network.weight if network else DEFAULT_WEIGHT)


_LIMIT: Final[Mapping[Direction, str]] = {"send": "egress_bits", "receive": "ingress_bits"}

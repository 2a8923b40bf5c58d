"""A pod's share of the network: its token buckets, and its weight on the node's link.

Source: tc-tbf(8); ``kubernetes.io/ingress-bandwidth`` and ``egress-bandwidth`` (Kubernetes, "Network
Plugins: Support traffic shaping"); queue length as the CNI bandwidth plugin has it (plugins/meta/bandwidth).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from qos.model.cgroup import CgroupName

DEFAULT_WEIGHT: Final = 100
_LATENCY_SECONDS: Final = 0.025  # as the CNI bandwidth plugin queues at most
_LEAST_BURST_BYTES: Final = 16384  # more than the largest packet at any MTU up to jumbo frames
_BURST_SECONDS: Final = 0.01  # a tick of the slowest kernel clock: less could not be refilled in time


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """What a pod may move: limits in bits a second (None: none), and its weight on the node's link."""

    ingress_bits: int | None = None
    egress_bits: int | None = None
    weight: int = DEFAULT_WEIGHT


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """A tbf queue: ``rate`` bytes a second, ``burst`` bytes at once, ``queue`` bytes wait at most."""

    rate: int
    burst: int
    queue: int

    @classmethod
    def of(cls, bits: int) -> TokenBucket:
        """The bucket of a limit in bits a second: 10 ms of it as burst, 25 ms more may wait.

        >>> TokenBucket.of(8_000_000)
        TokenBucket(rate=1000000, burst=16384, queue=41384)
        >>> TokenBucket.of(1_000_000_000).burst
        1250000
        """
        burst = max(_LEAST_BURST_BYTES, int(bits / 8 * _BURST_SECONDS))
        return cls(bits // 8, burst, int(bits / 8 * _LATENCY_SECONDS) + burst)


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """A node's network: pods' cgroups → what each may move, and the link all share.

    Attributes:
        pods: a pod that is not in it has no limit, and the default weight.
        link_bits: of the link each way, in bits a second; None: nothing but the pods' own limits.
    """

    pods: Mapping[CgroupName, PodNetwork] = field(default_factory=dict)
    link_bits: int | None = None

"""House policy: MemoryQoS with the tiers of Kubernetes 1.36, on any version.

Requests of Guaranteed pods are never reclaimed (memory.min), those of Burstable pods last (memory.low),
and memory.high slows a container down before its limit kills it. Source: KEP-2570.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from qos.policy.facts import NodeFacts
from qos.policy.house import HousePolicy

DEFAULT_FACTOR: Final = 0.9


def _settings(facts: NodeFacts) -> NodeFacts:
    factor = facts.memory_throttling_factor
    return replace(
        facts,
        memory_qos=True,
        tiered_reservation=True,
        memory_min_for_all=False,
        memory_throttling_factor=DEFAULT_FACTOR if factor is None else factor,
    )


MEMORY_QOS_TIERS: Final = HousePolicy(
    "memory-qos-tiers",
    "as kubelet with MemoryQoS and TieredReservation: requests are protected from reclaim by class",
    settings=_settings,
)

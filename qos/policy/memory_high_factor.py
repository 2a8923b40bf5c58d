"""House policy: memory.high at a fixed part of every memory limit, so that reclaim comes before the kill."""

from __future__ import annotations

from typing import Final

from qos.policy.base import CgroupContext, Explained
from qos.policy.facts import PAGE_BYTES
from qos.policy.house import Changes, House, HousePolicy

FACTOR: Final = 0.9


def _rule(context: CgroupContext, house: House) -> Changes:  # noqa: ARG001 - every rule has this shape
    limit = context.values.get("memory_max")
    if limit is None or context.level not in {"pod", "container"} or not isinstance(limit.value, int):
        return {}
    most = limit.value
    high = int(most * FACTOR) // PAGE_BYTES * PAGE_BYTES
    return {
        "memory_high": Explained(
            high, lambda: f"memory-high-factor: {FACTOR} · {most}, down to a page = {high}"
        )
    }


MEMORY_HIGH_FACTOR: Final = HousePolicy(
    "memory-high-factor",
    "as kubelet, but memory.high at 90 % of every limit: slowed down and reclaimed before the OOM kill",
    _rule,
)

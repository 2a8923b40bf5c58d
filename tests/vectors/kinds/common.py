"""From a vector's JSON to the model, and from the model to a vector's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qos.model.node import Node
from qos.model.quantity import Quantity
from qos.policy.facts import NodeFacts

Answer = tuple[dict[str, Any], dict[str, Any]]
"""What the line states (quirks taken out) and what we answer, in the same shape."""


def quantity_json(name: str, quantity: Quantity) -> dict[str, Any]:
    """As the vectors write a quantity of a resource."""
    shown: dict[str, Any] = {"string": str(quantity), "value": quantity.value()}
    if name in {"cpu", "requests.cpu", "limits.cpu"}:
        shown["milliValue"] = quantity.milli_value()
    return shown


def list_json(resources: Mapping[str, Quantity]) -> dict[str, Any]:
    """As the vectors write a resource list."""
    return {name: quantity_json(name, quantity) for name, quantity in resources.items()}


def plain_list(resources: Mapping[str, Quantity]) -> dict[str, str]:
    """As a manifest writes a resource list."""
    return {name: str(quantity) for name, quantity in resources.items()}


def quantities_of(resources: Mapping[str, Quantity]) -> dict[str, int]:
    """Amounts in billionths, for upstream's tables, which compare amounts and not spellings."""
    return {name: quantity.nano for name, quantity in resources.items()}


def parsed(resources: Mapping[str, str] | None) -> dict[str, int]:
    """The same of a manifest's resource list."""
    return {name: Quantity.parse(text).nano for name, text in (resources or {}).items()}


def node_of(node: Mapping[str, Any]) -> Node:
    """The Node a vector describes."""
    return Node.model_validate(
        {
            "metadata": {"name": "node"},
            "status": {
                "capacity": {"memory": node.get("memoryCapacityBytes", 0), "cpu": 0},
                "allocatable": node.get("allocatable") or {},
            },
        }
    )


def facts_of(node: Mapping[str, Any]) -> NodeFacts:
    """The facts a vector states; a null singleProcessOOMKill counts as true (the caller passed nil)."""
    gates = node.get("featureGates") or {}
    allocatable = node.get("allocatable") or {}
    single = node.get("singleProcessOOMKill", False)
    pids = node.get("podPidsLimit", -1)
    return NodeFacts(
        memory_capacity_bytes=node.get("memoryCapacityBytes", 0),
        swap_capacity_bytes=node.get("swapCapacityBytes", 0),
        allocatable_memory_bytes=Quantity.parse(allocatable.get("memory", "0")).value(),
        cpu_cfs_quota=node.get("cpuCFSQuota", True),
        cpu_cfs_quota_period_usec=node.get("cpuCFSQuotaPeriodUs", 100_000),
        static_cpu_manager=node.get("cpuManagerPolicy") == "static",
        memory_throttling_factor=node.get("memoryThrottlingFactor", 0.9),
        tiered_reservation=node.get("memoryReservationPolicy") == "TieredReservation",
        single_process_oom_kill=True if single is None else single,
        pod_pids_limit=pids if pids > 0 else None,
        limited_swap=node.get("memorySwapBehavior") == "LimitedSwap",
        swap_controller=node.get("swapControllerAvailable", True),
        memory_qos=gates.get("MemoryQoS", False),
        pod_level_resources=gates.get("PodLevelResources", True),
        no_quota_with_exclusive_cpus=gates.get("DisableCPUQuotaWithExclusiveCPUs", True),
        qos_reserved=gates.get("QOSReserved", False),
        qos_reserved_memory_percent=node.get("qosReservedMemoryPercent"),
    )


def without(expect: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """A copy of what a line states, less the fields marked as upstream quirks."""
    if not paths:
        return expect
    heads = {path for path in paths if "." not in path}
    kept = {}
    for key, value in expect.items():
        if key in heads:
            continue
        below = [path.partition(".")[2] for path in paths if path.startswith(key + ".")]
        kept[key] = without(value, below) if below and isinstance(value, dict) else value
    return kept

"""kubepods and its two QoS levels. Source: pkg/kubelet/cm/qos_container_manager_linux.go of 1.36."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from qos.model.node import Node
from qos.model.pod import CPU, HUGEPAGES_PREFIX, MEMORY, Pod, ResourceList
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.allocatable import PID, allocatable_absolute
from qos.policy.base import Explained, LevelTotals, ResourceConfig, Values, in_bytes
from qos.policy.config_values import hugepage_values, linear_weight, memory_max
from qos.policy.facts import NodeFacts
from qos.policy.formulas import MIN_SHARES, milli_cpu_to_shares
from qos.policy.hugepages import hugepage_limits
from qos.policy.pod_resources import pod_requests

UNBOUNDED_HUGEPAGES_BYTES: Final = 1 << 62
_PIDS_MAX: Final = 4194304
_ZERO: Final = Quantity.zero()


def node_config(resources: Mapping[str, Quantity], compressible_only: bool = False) -> ResourceConfig:
    """What the kubelet hands to the cgroup library for kubepods or a reserved cgroup.

    Args:
        resources: what the cgroup may use; a resource that is missing is not set.
        compressible_only: CPU alone.
    """
    shares = milli_cpu_to_shares(resources[CPU].milli_value()) if CPU in resources else None
    if compressible_only:
        return ResourceConfig(cpu_shares=shares)
    return ResourceConfig(
        cpu_shares=shares,
        memory_bytes=resources[MEMORY].value() if MEMORY in resources else None,
        pids_limit=resources[PID].value() if PID in resources else None,
        hugepages=hugepage_limits({n: q for n, q in resources.items() if n.startswith(HUGEPAGES_PREFIX)}),
    )


def level_totals(pods: Iterable[tuple[Pod, QOSClass, ResourceList]], facts: NodeFacts) -> LevelTotals:
    """What pods come to, each given with the class the kubelet acts on and the pod's requests."""
    milli = 0
    count = dict.fromkeys(QOSClass, 0)
    memory = {QOSClass.GUARANTEED: 0, QOSClass.BURSTABLE: 0}
    for pod, qos_class, requests in pods:
        count[qos_class] += 1
        if qos_class is QOSClass.BURSTABLE:
            milli += requests.get(CPU, _ZERO).milli_value()
        if qos_class in memory and (facts.memory_qos or facts.qos_reserved):
            # the kubelet counts pod-level resources here whatever the gate says
            memory[qos_class] += pod_requests(pod).get(MEMORY, _ZERO).value()
    return LevelTotals(count[QOSClass.BURSTABLE], count[QOSClass.BEST_EFFORT], milli, *memory.values())


def level_configs(totals: LevelTotals, facts: NodeFacts) -> dict[QOSClass, ResourceConfig]:
    """What the kubelet hands to the cgroup library for the levels; Guaranteed stands for kubepods.

    ``totals`` are of all pods of the node.
    """
    guaranteed, burstable = totals.guaranteed_memory_bytes, totals.burstable_memory_bytes
    burstable_limit = best_effort_limit = None
    if facts.qos_reserved and facts.qos_reserved_memory_percent is not None:
        percent = facts.qos_reserved_memory_percent
        burstable_limit = facts.allocatable_memory_bytes - guaranteed * percent // 100
        best_effort_limit = burstable_limit - burstable * percent // 100
    return {
        QOSClass.GUARANTEED: ResourceConfig(unified=_protection("memory_min", guaranteed + burstable, facts)),
        QOSClass.BURSTABLE: ResourceConfig(
            cpu_shares=milli_cpu_to_shares(totals.burstable_milli_cpu),
            memory_bytes=burstable_limit,
            unified=_protection("memory_min" if facts.memory_min_for_all else "memory_low", burstable, facts),
        ),
        QOSClass.BEST_EFFORT: ResourceConfig(cpu_shares=MIN_SHARES, memory_bytes=best_effort_limit),
    }


def _protection(knob: str, requested: int, facts: NodeFacts) -> dict[str, int]:
    if not facts.memory_qos:
        return {}
    if facts.memory_min_for_all:
        return {knob: requested} if requested > 0 else {}
    return {knob: requested if facts.tiered_reservation else 0}


def kubepods_values(node: Node, facts: NodeFacts, level: ResourceConfig) -> Values:
    """The files of kubepods: what pods may use in all, without eviction's reserve.

    ``level`` is Guaranteed's of :func:`level_configs`, for its memory.min.
    """
    kubelet = node.kubelet
    enforced = "pods" in kubelet.enforce_node_allocatable
    capacity = node.status.capacity
    config = node_config(allocatable_absolute(capacity, kubelet) if enforced else capacity)
    values: Values = {}
    if config.cpu_shares is not None:
        milli = (allocatable_absolute(capacity, kubelet) if enforced else capacity)[CPU].milli_value()
        values["cpu_weight"] = linear_weight(
            config.cpu_shares, lambda: f"{_less_reserved(enforced)} {milli}m"
        )
    values.update(_unified(level, "requests of all Guaranteed and Burstable pods"))
    if config.memory_bytes and config.memory_bytes > 0:
        memory = config.memory_bytes
        values["memory_max"] = memory_max(memory, lambda: f"{_less_reserved(enforced)} {memory} bytes")
    if config.pids_limit is not None and 0 <= config.pids_limit <= _PIDS_MAX:
        pids = config.pids_limit
        values["pids_max"] = Explained(pids, lambda: f"{_less_reserved(enforced)} {pids} tasks")
    values.update(hugepage_values(config.hugepages, facts.hugepage_sizes, "capacity"))
    return values


def level_values(qos_class: QOSClass, config: ResourceConfig, facts: NodeFacts, pods: int) -> Values:
    """The files of kubepods/burstable or kubepods/besteffort, which has this many ``pods``."""
    best_effort = qos_class is QOSClass.BEST_EFFORT
    of = "BestEffort" if best_effort else f"requests of {pods} Burstable pods"
    values: Values = {"cpu_weight": linear_weight(config.cpu_shares or MIN_SHARES, str, of)}
    values.update(_unified(config, of))
    if config.memory_bytes is not None:
        left = max(config.memory_bytes, 0)
        values["memory_max"] = memory_max(
            left, lambda: f"allocatable less qosReserved of the classes above: {left}"
        )
    unbounded = dict.fromkeys(facts.hugepage_sizes, UNBOUNDED_HUGEPAGES_BYTES)
    values.update(hugepage_values(unbounded, facts.hugepage_sizes, "no bound at this level:"))
    return values


def _unified(config: ResourceConfig, of: str) -> Values:
    return {
        knob: Explained(in_bytes(value), _reserve_sentence, (value, of))
        for knob, value in config.unified.items()
    }


def _reserve_sentence(value: int, of: str) -> str:
    return f"{of}: {value} bytes" if value else "no memory is reserved: 0"


def _less_reserved(enforced: bool) -> str:
    return "capacity - systemReserved - kubeReserved =" if enforced else "capacity (not enforced on pods)"

"""MemoryQoS (KEP-2570): memory.min, memory.low and memory.high, before and after the tiers of 1.36."""

from __future__ import annotations

from qos.model.pod import MEMORY, Container
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import Explained, Values, in_bytes, said
from qos.policy.facts import PAGE_BYTES, NodeFacts
from qos.policy.formulas import memory_high_bytes


def container_memory_qos(container: Container, qos_class: QOSClass, facts: NodeFacts) -> Values:
    """The values of one container; empty where the gate is off.

    ``memory.high`` only where request and limit differ (since 1.37 also where there is neither), of the
    container's own limit, or of the node's allocatable memory where it has none: 128 MiB requested of
    256 MiB at factor 0.9 is 255012864 bytes.
    """
    if not facts.memory_qos:
        return {}
    request = container.resources.requests.get(MEMORY, Quantity.zero()).value()
    limit = container.resources.limits.get(MEMORY, Quantity.zero()).value()
    values = _container_reservation(request, qos_class, facts)
    factor = facts.memory_throttling_factor
    if factor is None or (request == limit and not (facts.memory_high_for_all and request == 0)):
        return values
    ceiling = limit or facts.allocatable_memory_bytes
    high = memory_high_bytes(request, ceiling, factor, PAGE_BYTES) if ceiling > 0 else 0
    if high > request:
        of = "limit" if limit else "node allocatable"
        values["memory_high"] = Explained(
            in_bytes(high), _high_sentence, (request, of, ceiling, factor, high)
        )
    return values


def reserved(request_bytes: int, qos_class: QOSClass, facts: NodeFacts, of: str) -> Values:
    """The protection of a request: memory.min or memory.low by version, policy and class.

    ``of`` says whose request, for the sentence.
    """
    if (
        request_bytes <= 0
        or not facts.memory_qos
        or not (facts.memory_min_for_all or facts.tiered_reservation)
    ):
        return {}
    if facts.memory_min_for_all:
        why = "{} {}, never reclaimed, whatever the class (before 1.36)"
        return {"memory_min": Explained(in_bytes(request_bytes), why.format, (of, request_bytes))}
    if qos_class is QOSClass.GUARANTEED:
        why = "{} {} of a Guaranteed pod, never reclaimed"
        return {"memory_min": Explained(in_bytes(request_bytes), why.format, (of, request_bytes))}
    why = "{} {} of a {} pod, reclaimed last"
    return {"memory_low": Explained(in_bytes(request_bytes), why.format, (of, request_bytes, qos_class))}


def _high_sentence(request: int, of: str, ceiling: int, factor: float, high: int) -> str:
    room = f"({of} {ceiling} - {request}) · {factor}"
    return f"floor((request {request} + {room}) / {PAGE_BYTES}) · {PAGE_BYTES} = {high}"


def _container_reservation(request: int, qos_class: QOSClass, facts: NodeFacts) -> Values:
    values = reserved(request, qos_class, facts, "request")
    if values or facts.memory_min_for_all:
        return values
    why = "no memory request" if facts.tiered_reservation else "memoryReservationPolicy is None"
    why += ", the kernel's default"
    return {"memory_min": said(0, f"{why}: 0"), "memory_low": said(0, f"{why}: 0")}

"""What of a node pods may use: capacity less what is reserved for the system, the kubelet and eviction.

Source: pkg/kubelet/cm/node_container_manager_linux.go, nodestatus/setters.go and eviction/helpers.go of
Kubernetes 1.36.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from qos.model.node import KubeletConfiguration, Node
from qos.model.pod import CPU, EPHEMERAL_STORAGE, HUGEPAGES_PREFIX, MEMORY, ResourceList
from qos.model.quantity import Quantity
from qos.model.quantity_text import QuantityFormat

PODS: Final = "pods"
PID: Final = "pid"
_ZERO: Final = Quantity.zero()


def threshold_quantity(text: str, capacity: Quantity) -> Quantity | None:
    """An eviction threshold as an amount of ``capacity``; None for "0%" and "100%", which are dropped.

    Percentages are float32 in the kubelet: 10% of 100 GiB is 10737418400 bytes, not 10737418240.

    Raises:
        ValueError: neither a quantity nor a percentage.
    """
    if text in {"0%", "100%"}:
        return None
    if not text.endswith("%"):
        return Quantity.parse(text)
    share = _float32(_float32(float(text[:-1])) / _float32(100.0))
    return Quantity.from_int(int(capacity.value() * share), QuantityFormat.BINARY_SI)


def allocatable_absolute(capacity: Mapping[str, Quantity], kubelet: KubeletConfiguration) -> ResourceList:
    """What the kubepods cgroup is given: capacity - systemReserved - kubeReserved, not below 0."""
    return {
        name: _not_negative(
            have - kubelet.system_reserved.get(name, _ZERO) - kubelet.kube_reserved.get(name, _ZERO)
        )
        for name, have in capacity.items()
    }


def reservation(capacity: Mapping[str, Quantity], kubelet: KubeletConfiguration) -> ResourceList:
    """What the scheduler must leave free: reserved for system and kubelet, plus hard eviction.

    Of the thresholds memory.available and nodefs.available count.

    Raises:
        ValueError: a threshold is neither a quantity nor a percentage.
    """
    eviction: ResourceList = {}
    for signal, name in (("memory.available", MEMORY), ("nodefs.available", EPHEMERAL_STORAGE)):
        if signal in kubelet.eviction_hard:
            threshold = threshold_quantity(kubelet.eviction_hard[signal], capacity.get(name, _ZERO))
            if threshold is not None:
                eviction[name] = threshold
    total: ResourceList = {}
    for name in capacity:
        value = _ZERO
        for part in (kubelet.system_reserved, kubelet.kube_reserved, eviction):
            value = value + part.get(name, _ZERO)
        if value:
            total[name] = value
    return total


def reservation_fits(capacity: Mapping[str, Quantity], kubelet: KubeletConfiguration) -> bool:
    """Whether no resource has more reserved than the machine has; the kubelet refuses to start otherwise."""
    return all(value <= capacity[name] for name, value in reservation(capacity, kubelet).items())


def status_capacity(capacity: Mapping[str, Quantity], kubelet: KubeletConfiguration) -> ResourceList:
    """``status.capacity`` as the kubelet reports it: bytes in binary units, and the number of pods."""
    shown: ResourceList = {}
    for name, quantity in capacity.items():
        if name == PID:
            continue
        if name == MEMORY or name.startswith(HUGEPAGES_PREFIX):
            shown[name] = Quantity.from_int(quantity.value(), QuantityFormat.BINARY_SI)
        elif name == CPU:
            shown[name] = Quantity.from_milli(quantity.milli_value())
        else:
            shown[name] = quantity
    shown[PODS] = Quantity.from_int(kubelet.max_pods)
    return shown


def status_allocatable(capacity: Mapping[str, Quantity], kubelet: KubeletConfiguration) -> ResourceList:
    """``status.allocatable``: capacity - reservation, not below 0; memory also less all huge pages.

    Raises:
        ValueError: a threshold is neither a quantity nor a percentage.
    """
    shown = status_capacity(capacity, kubelet)
    taken = reservation(capacity, kubelet)
    allocatable = {
        name: _not_negative(have - taken[name] if name in taken else have) for name, have in shown.items()
    }
    for name, have in shown.items():
        if name.startswith(HUGEPAGES_PREFIX) and MEMORY in allocatable:
            allocatable[MEMORY] = _not_negative(allocatable[MEMORY] - have)
    return allocatable


def node_allocatable(node: Node) -> ResourceList:
    """What pods may request: as the node reports it, else computed from its capacity and its kubelet.

    Raises:
        ValueError: a threshold is neither a quantity nor a percentage.
    """
    if node.status.allocatable is not None:
        return node.status.allocatable
    return status_allocatable(node.status.capacity, node.kubelet)


def _not_negative(quantity: Quantity) -> Quantity:
    return quantity if quantity.nano >= 0 else Quantity(0, quantity.format)


def _float32(value: float) -> float:
    result: float = struct.unpack("f", struct.pack("f", value))[0]
    return result

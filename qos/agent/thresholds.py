"""Eviction thresholds: reading the kubelet's settings, and whether an observation meets one.

Source: pkg/kubelet/eviction/helpers.go and api/types.go of Kubernetes 1.36 (ParseThresholdConfig,
GetThresholdQuantity, thresholdsMet).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from qos.errors import InputError
from qos.model.duration import EXPECTED as DURATION_EXPECTED
from qos.model.duration import parse_duration_seconds
from qos.model.quantity import Quantity
from qos.model.quantity_text import QuantityFormat

NodeCondition = Literal["MemoryPressure", "DiskPressure", "PIDPressure"]

MEMORY_AVAILABLE: Final = "memory.available"
ALLOCATABLE_MEMORY_AVAILABLE: Final = "allocatableMemory.available"
PID_AVAILABLE: Final = "pid.available"

SIGNALS: Final[Mapping[str, tuple[NodeCondition, str]]] = {
    MEMORY_AVAILABLE: ("MemoryPressure", "memory"),
    ALLOCATABLE_MEMORY_AVAILABLE: ("MemoryPressure", "memory"),
    "nodefs.available": ("DiskPressure", "ephemeral-storage"),
    "nodefs.inodesFree": ("DiskPressure", "inodes"),
    "imagefs.available": ("DiskPressure", "ephemeral-storage"),
    "imagefs.inodesFree": ("DiskPressure", "inodes"),
    "containerfs.available": ("DiskPressure", "ephemeral-storage"),
    "containerfs.inodesFree": ("DiskPressure", "inodes"),
    PID_AVAILABLE: ("PIDPressure", "pids"),
}
"""Signal → the condition it raises on the node and the resource that is reclaimed."""

_FLOAT: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NO_STATEMENTS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class ThresholdValue:
    """Either a quantity or a fraction of the capacity (a float32, as the kubelet keeps it)."""

    quantity: Quantity | None = None
    percentage: float | None = None

    def of(self, capacity: int) -> Quantity:
        """The amount this value means on a node with ``capacity``, truncated to a whole unit.

        >>> ThresholdValue(percentage=float32(0.05)).of(33567899648).value()
        1678395007
        """
        if self.quantity is not None:
            return self.quantity
        return Quantity.from_int(int(float(capacity) * (self.percentage or 0.0)), QuantityFormat.BINARY_SI)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold: met when less than ``value`` of ``signal`` is left.

    Attributes:
        signal: a key of :data:`SIGNALS`.
        value: the least that shall be available.
        grace_period_seconds: how long it must be met before pods die; 0 is a hard threshold.
        min_reclaim: how much more than ``value`` must be free before a met threshold is resolved.
    """

    signal: str
    value: ThresholdValue
    grace_period_seconds: float = 0.0
    min_reclaim: ThresholdValue | None = None

    @property
    def hard(self) -> bool:
        """Whether pods die at once, with a second of grace; a soft one with 0s of grace is hard too."""
        return self.grace_period_seconds == 0.0

    @property
    def node_condition(self) -> NodeCondition:
        """The condition the node reports while this is met."""
        return SIGNALS[self.signal][0]

    @property
    def resource(self) -> str:
        """What must be reclaimed."""
        return SIGNALS[self.signal][1]


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one signal: whole units that are left, of how many, and when."""

    available: int
    capacity: int
    time_seconds: float = 0.0


def float32(value: float) -> float:
    """The nearest single-precision number, in which the kubelet keeps percentages.

    >>> float32(0.1)
    0.10000000149011612
    """
    (narrow,) = struct.unpack("f", struct.pack("f", value))
    return float(narrow)


def parse_thresholds(
    hard: Mapping[str, str] = _NO_STATEMENTS,
    soft: Mapping[str, str] = _NO_STATEMENTS,
    soft_grace_period: Mapping[str, str] = _NO_STATEMENTS,
    minimum_reclaim: Mapping[str, str] = _NO_STATEMENTS,
    enforce_node_allocatable: Sequence[str] = ("pods",),
) -> tuple[Threshold, ...]:
    """The thresholds of a KubeletConfiguration's ``eviction*`` maps, signal → statement.

    A statement of exactly "0%" or "100%" turns its threshold off. With "pods" enforced each hard
    ``memory.available`` also guards the pods' own cgroup, as ``allocatableMemory.available``.

    >>> [t.signal for t in parse_thresholds({"memory.available": "100Mi"})]
    ['memory.available', 'allocatableMemory.available']

    Raises:
        InputError: an unknown signal, a value that is no positive quantity or percentage, a soft
            threshold without a grace period.
    """
    graces = {signal: _grace_seconds(signal, text) for signal, text in soft_grace_period.items()}
    reclaims = {signal: _minimum_reclaim(signal, text) for signal, text in minimum_reclaim.items()}
    thresholds = [
        Threshold(signal, value, 0.0, reclaims.get(signal))
        for signal, text in hard.items()
        if (value := _threshold_value("evictionHard", signal, text)) is not None
    ]
    for signal, text in soft.items():
        value = _threshold_value("evictionSoft", signal, text)
        if value is None:
            continue
        if signal not in graces:
            raise InputError(
                "a soft eviction threshold needs a grace period",
                field=f"evictionSoft[{signal}]",
                value=text,
                expected=f"an entry {signal} in evictionSoftGracePeriod",
            )
        thresholds.append(Threshold(signal, value, graces[signal], reclaims.get(signal)))
    if "pods" in enforce_node_allocatable:
        thresholds += [
            Threshold(ALLOCATABLE_MEMORY_AVAILABLE, one.value, 0.0, one.min_reclaim)
            for one in thresholds
            if one.signal == MEMORY_AVAILABLE and one.hard
        ]
    return tuple(thresholds)


def is_met(threshold: Threshold, observation: Observation, *, enforce_min_reclaim: bool = False) -> bool:
    """Whether less is available than the threshold asks for (strictly less).

    Args:
        threshold: what must be left.
        observation: what is left.
        enforce_min_reclaim: ask for the minimum reclaim on top, as for a threshold that was met before.
    """
    wanted = threshold.value.of(observation.capacity)
    if enforce_min_reclaim and threshold.min_reclaim is not None:
        wanted += threshold.min_reclaim.of(observation.capacity)
    return wanted > Quantity.from_int(observation.available)


def _threshold_value(field: str, signal: str, text: str) -> ThresholdValue | None:
    _check_signal(field, signal)
    where = f"{field}[{signal}]"
    if text.endswith("%"):
        if text in {"0%", "100%"}:
            return None
        fraction = _fraction(where, text)
        if not 0.0 <= fraction <= 1.0:
            raise InputError(
                "percentage out of range", field=where, value=text, expected="0% to 100% (both turn it off)"
            )
        return ThresholdValue(percentage=fraction)
    quantity = _quantity(where, text)
    if quantity.sign <= 0:
        raise InputError("must be positive", field=where, value=text, expected="a quantity above 0")
    return ThresholdValue(quantity=quantity)


def _minimum_reclaim(signal: str, text: str) -> ThresholdValue:
    _check_signal("evictionMinimumReclaim", signal)
    where = f"evictionMinimumReclaim[{signal}]"
    if text.endswith("%"):
        fraction = _fraction(where, text)
        if fraction <= 0:
            raise InputError("must be positive", field=where, value=text, expected="more than 0%")
        return ThresholdValue(percentage=fraction)
    quantity = _quantity(where, text)
    if quantity.sign < 0:
        raise InputError("must not be negative", field=where, value=text, expected="0 or more")
    return ThresholdValue(quantity=quantity)


def _grace_seconds(signal: str, text: str) -> float:
    _check_signal("evictionSoftGracePeriod", signal)
    where = f"evictionSoftGracePeriod[{signal}]"
    try:
        return parse_duration_seconds(text)
    except ValueError as error:
        raise InputError(str(error), field=where, value=text, expected=DURATION_EXPECTED) from None


def _check_signal(field: str, signal: str) -> None:
    if signal not in SIGNALS:
        raise InputError(
            "unknown eviction signal", field=field, value=signal, expected="one of " + ", ".join(SIGNALS)
        )


def _fraction(where: str, text: str) -> float:
    number = text.rstrip("%")
    if _FLOAT.fullmatch(number) is None or abs(float(number)) > 1e30:  # beyond float32's decades
        raise InputError("not a percentage", field=where, value=text, expected="a number before the %")
    # The kubelet divides in single precision too: 99.99% is 0.9998999834060669 there.
    return float32(float32(float(number)) / float32(100.0))


def _quantity(where: str, text: str) -> Quantity:
    try:
        return Quantity.parse(text)
    except ValueError as error:
        raise InputError(
            str(error), field=where, value=text, expected="a quantity such as 100Mi, or a percentage"
        ) from None

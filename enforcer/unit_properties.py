"""A cgroup file's value as the systemd unit property that stands for it, where there is one.

What is written into a file behind systemd's back is gone at the next ``systemctl daemon-reload``; what
is set as a property stays. Files systemd has no property for it leaves alone: those are written.

Source: systemd.resource-control(5), org.freedesktop.systemd1(5) (the bus types are given there).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from qos.model.cgroup import CpuMax, parse_cpu_list

Property = tuple[str, tuple[str, Any]]
"""Name, and D-Bus signature with value, as jeepney takes a variant."""

INFINITY: Final = 2**64 - 1
PERCENT_USEC: Final = 10_000
"""1 % of a CPU in CPUQuotaPerSecUSec: finer quotas are rounded when systemd reads its units again."""


def properties_of(file: str, text: str) -> tuple[Property, ...] | None:
    """The properties that make systemd write ``text`` into ``file`` and keep it there.

    >>> properties_of("cpu.max", "50000 100000")
    (('CPUQuotaPerSecUSec', ('t', 500000)), ('CPUQuotaPeriodUSec', ('t', 100000)))
    >>> properties_of("memory.oom.group", "1") is None
    True

    Returns:
        None for a file without a property, and for a value a property cannot hold exactly.

    Raises:
        ValueError: the text is no value of this file.
    """
    rule = _RULES.get(file)
    return rule(text.strip()) if rule is not None else None


def _number(name: str) -> Callable[[str], tuple[Property, ...]]:
    def rule(text: str) -> tuple[Property, ...]:
        return ((name, ("t", INFINITY if text == "max" else int(text))),)

    return rule


def _cpu_max(text: str) -> tuple[Property, ...] | None:
    cpu_max = CpuMax.model_validate(text)
    if cpu_max.quota_usec == "max":
        per_second = INFINITY
    else:
        per_second, left = divmod(cpu_max.quota_usec * 1_000_000, cpu_max.period_usec)
        if left or per_second % PERCENT_USEC:
            return None
    return ("CPUQuotaPerSecUSec", ("t", per_second)), ("CPUQuotaPeriodUSec", ("t", cpu_max.period_usec))


def _cpu_idle(text: str) -> tuple[Property, ...] | None:
    # CPUWeight=0 is "idle"; leaving idle is setting a weight, which has a line of its own.
    return (("CPUWeight", ("t", 0)),) if text == "1" else None


def _bit_mask(name: str) -> Callable[[str], tuple[Property, ...]]:
    def rule(text: str) -> tuple[Property, ...]:
        mask = sum(1 << number for number in parse_cpu_list(text))
        return ((name, ("ay", mask.to_bytes((mask.bit_length() + 7) // 8, "little"))),)

    return rule


def _io_weight(text: str) -> tuple[Property, ...]:
    properties: list[Property] = []
    for line in text.splitlines():
        key, _, weight = line.rpartition(" ")
        if key in ("", "default"):
            properties.append(("IOWeight", ("t", int(weight))))
        else:
            properties.append(("IODeviceWeight", ("a(st)", [(_device(key), int(weight))])))
    return tuple(properties)


_IO_MAX: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rbps": "IOReadBandwidthMax",
        "wbps": "IOWriteBandwidthMax",
        "riops": "IOReadIOPSMax",
        "wiops": "IOWriteIOPSMax",
    }
)


def _io_max(text: str) -> tuple[Property, ...]:
    properties: list[Property] = []
    for line in text.splitlines():
        device, *words = line.split()
        for key, _, value in (word.partition("=") for word in words):
            limit = INFINITY if value == "max" else int(value)
            properties.append((_IO_MAX[key], ("a(st)", [(_device(device), limit)])))
    return tuple(properties)


def _io_latency(text: str) -> tuple[Property, ...]:
    pairs = (line.partition(" target=") for line in text.splitlines())
    return tuple(
        ("IODeviceLatencyTargetUSec", ("a(st)", [(_device(device), int(target))]))
        for device, _, target in pairs
    )


def _device(number: str) -> str:
    return f"/dev/block/{number}"


_RULES: Final[Mapping[str, Callable[[str], tuple[Property, ...] | None]]] = MappingProxyType(
    {
        "cpu.weight": _number("CPUWeight"),
        "cpu.idle": _cpu_idle,
        "cpu.max": _cpu_max,
        "cpuset.cpus": _bit_mask("AllowedCPUs"),
        "cpuset.mems": _bit_mask("AllowedMemoryNodes"),
        "memory.min": _number("MemoryMin"),
        "memory.low": _number("MemoryLow"),
        "memory.high": _number("MemoryHigh"),
        "memory.max": _number("MemoryMax"),
        "memory.swap.max": _number("MemorySwapMax"),
        "io.weight": _io_weight,
        "io.max": _io_max,
        "io.latency": _io_latency,
        "pids.max": _number("TasksMax"),
    }
)

FILES: Final = frozenset(_RULES)
"""The files systemd has a property for, and therefore writes itself."""

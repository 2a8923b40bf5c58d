"""From what the kubelet hands to the cgroup library to the values of files.

Source: pkg/kubelet/cm/cgroup_v2_manager_linux.go, opencontainers/cgroups fs2 (a value of 0 is not
written, except for huge pages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from qos.model.cgroup import CpuMax
from qos.policy.base import CPU_QUOTA_MAX_USEC, Explained, Values, in_bytes
from qos.policy.formulas import MAX_SHARES, NO_QUOTA, shares_to_weight_linear, systemd_quota_usec
from qos.policy.hugepages import knobs_of_size, unit_size


def linear_weight(shares: int, of: Callable[..., str], *told: Any) -> Explained:
    """``cpu.weight`` of a cgroup the kubelet owns; ``of(*told)`` says whose shares: "requests 1000m"."""
    weight = shares_to_weight_linear(shares)
    return Explained(weight, _linear_sentence, (shares, weight, of, told))


def _linear_sentence(shares: int, weight: int, of: Callable[..., str], told: tuple[Any, ...]) -> str:
    formula = "10000" if shares >= MAX_SHARES else f"1 + ({shares} - 2) · 9999 / 262142 = {weight}"
    return f"{of(*told)} → {shares} shares → {formula}"


def cpu_max(
    quota_usec: int, period_usec: int, systemd: bool, because: Callable[..., str], *told: Any
) -> Explained:
    """``cpu.max`` of a quota; -1 and 0 are no quota. The kernel takes at most 2^44 usec.

    ``systemd``: the quota is rounded up to 10 ms per second.
    """
    if systemd and quota_usec > 0:
        rounded = systemd_quota_usec(quota_usec, period_usec)
        if rounded != quota_usec:
            explained = _cpu_max(min(rounded, CPU_QUOTA_MAX_USEC), period_usec)
            return Explained(explained, _rounded_sentence, (rounded, because, told))
    return Explained(_cpu_max(min(quota_usec, CPU_QUOTA_MAX_USEC), period_usec), because, told)


def _rounded_sentence(rounded: int, because: Callable[..., str], told: tuple[Any, ...]) -> str:
    return f"{because(*told)}; systemd rounds up to 10 ms per second: {rounded}"


@lru_cache(maxsize=4096)
def _cpu_max(quota_usec: int, period_usec: int) -> CpuMax:
    return CpuMax.model_construct(quota_usec=quota_usec if quota_usec > 0 else "max", period_usec=period_usec)


def no_quota(period_usec: int) -> CpuMax:
    """``cpu.max`` without a quota.

    >>> str(no_quota(100_000))
    'max 100000'
    """
    return _cpu_max(NO_QUOTA, period_usec)


def quota_sentence(milli_cpu: int, quota_usec: int, period_usec: int, of: str) -> str:
    """The formula of a quota, or why there is none."""
    if quota_usec == NO_QUOTA:
        return of
    if quota_usec == 0:
        return f"{of}: no limit, so no quota"
    least = ", at least 1000" if milli_cpu * period_usec // 1000 < quota_usec else ""
    return f"{of} {milli_cpu}m · {period_usec} / 1000 = {quota_usec} usec in every {period_usec}{least}"


def memory_max(memory_bytes: int, because: Callable[..., str], *told: Any) -> Explained:
    """``memory.max``; at most what the kernel's counters hold."""
    return Explained(in_bytes(memory_bytes), because, told)


def hugepage_values(wanted: Mapping[int, int], sizes: tuple[int, ...], of: str) -> Mapping[str, Explained]:
    """``hugetlb.*.max`` and ``.rsvd.max`` of every page size of the machine; 0 where nothing is wanted."""
    return _hugepage_values(tuple(wanted.get(size, 0) for size in sizes), sizes, of)


@lru_cache(maxsize=1024)
def _hugepage_values(limits: tuple[int, ...], sizes: tuple[int, ...], of: str) -> Mapping[str, Explained]:
    values: Values = {}
    for limit, size in zip(limits, sizes, strict=True):
        explained = Explained(in_bytes(limit), _hugepage_sentence, (limit, size, of))
        for knob in knobs_of_size(size):
            values[knob] = explained
    return MappingProxyType(values)


def _hugepage_sentence(limit: int, size: int, of: str) -> str:
    return f"{of} {limit} bytes of {unit_size(size)} pages" if limit else f"no {unit_size(size)} pages: 0"

"""Conversions between CPU, shares, weights, quotas and swap: numbers in, numbers out.

Integer division truncates, as in the kubelet. Sources: pkg/kubelet/cm/helpers_linux.go and
cgroup_v2_manager_linux.go of Kubernetes 1.36, opencontainers/cgroups v0.0.6 (utils.go).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from qos.errors import PlanError

MIN_SHARES: Final = 2
MAX_SHARES: Final = 262144
MIN_QUOTA_USEC: Final = 1000
SHARES_PER_CPU: Final = 1024
NO_QUOTA: Final = -1
_SYSTEMD_STEP_USEC: Final = 10_000


def milli_cpu_to_shares(milli_cpu: int) -> int:
    """Cgroup v1 shares of some millicores, between 2 and 262144.

    >>> milli_cpu_to_shares(500)
    512
    """
    return min(max(milli_cpu * SHARES_PER_CPU // 1000, MIN_SHARES), MAX_SHARES)


def milli_cpu_to_quota(milli_cpu: int, period_usec: int) -> int:
    """CPU time in ``usec`` that some millicores are worth in one period, at least 1000; 0 for none.

    So 1m to 10m are all worth 1000 usec in the usual 100000.

    >>> milli_cpu_to_quota(500, 100_000), milli_cpu_to_quota(1, 100_000)
    (50000, 1000)
    """
    return max(milli_cpu * period_usec // 1000, MIN_QUOTA_USEC) if milli_cpu else 0


def quota_to_milli_cpu(quota_usec: int, period_usec: int) -> int:
    """Millicores of a quota; 0 for no quota (-1).

    >>> quota_to_milli_cpu(50_000, 100_000)
    500
    """
    return 0 if quota_usec == NO_QUOTA else quota_usec * 1000 // period_usec


def shares_to_milli_cpu(shares: int) -> int:
    """Millicores of some shares, rounded up; 0 below the least of 2.

    >>> shares_to_milli_cpu(512), shares_to_milli_cpu(1)
    (500, 0)
    """
    return -(-shares * 1000 // SHARES_PER_CPU) if shares >= MIN_SHARES else 0


def shares_to_weight_linear(shares: int) -> int:
    """``cpu.weight`` as the kubelet writes it in its own cgroups, and old runtimes in containers.

    >>> shares_to_weight_linear(1024)
    39
    """
    return 10_000 if shares >= MAX_SHARES else 1 + (shares - 2) * 9999 // 262142


def weight_to_shares_linear(weight: int) -> int:
    """Shares that the kubelet reads out of a ``cpu.weight`` of its own.

    >>> weight_to_shares_linear(39)
    998
    """
    return (weight - 1) * 262142 // 9999 + 2


@lru_cache(maxsize=4096)
def shares_to_weight_quadratic(shares: int) -> int:
    """``cpu.weight`` as runc since 1.3.2 and crun since 1.23 write it: 1024 shares are 100.

    >>> shares_to_weight_quadratic(1024), shares_to_weight_quadratic(0)
    (100, 0)
    """
    if shares == 0:
        return 0
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return 10_000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612.0 - 7.0 / 34.0))


def limited_swap_bytes(request_bytes: int, memory_capacity_bytes: int, swap_capacity_bytes: int) -> int:
    """Swap of a container under LimitedSwap: its request's share of the node's memory, of the swap.

    >>> limited_swap_bytes(1 << 30, 4 << 30, 2 << 30)
    536870912

    Raises:
        PlanError: the node has no memory, or less than the request.
    """
    if memory_capacity_bytes == 0:
        raise PlanError("total node memory is 0")
    if request_bytes > memory_capacity_bytes:
        raise PlanError(
            f"container request {request_bytes} is larger than total node memory {memory_capacity_bytes}"
        )
    return int(request_bytes / memory_capacity_bytes * swap_capacity_bytes)


def memory_swap_to_v2(memory_swap_bytes: int, memory_bytes: int) -> int:
    """Cgroup v1's memory+swap limit as v2's ``memory.swap.max``; -1 is unlimited, 0 unset.

    >>> memory_swap_to_v2(3 << 20, 1 << 20)
    2097152

    Raises:
        PlanError: memory+swap is below memory, or memory is unset or unknown.
    """
    if memory_bytes == -1 and memory_swap_bytes == 0:
        return -1
    if memory_swap_bytes in {-1, 0} or memory_bytes == -1:
        return memory_swap_bytes
    if memory_bytes == 0:
        raise PlanError("unable to set swap limit without memory limit")
    if memory_bytes < 0:
        raise PlanError(f"invalid memory value: {memory_bytes}")
    if memory_swap_bytes < memory_bytes:
        raise PlanError("memory+swap limit should be >= memory limit")
    return memory_swap_bytes - memory_bytes


def systemd_quota_usec(quota_usec: int, period_usec: int) -> int:
    """The quota under the systemd driver: rounded up to 10 ms of CPU time per second.

    Since opencontainers/cgroups v0.0.2 the rounded quota is written into ``cpu.max`` too; before, only
    systemd kept it, and wrote it whenever it wrote the unit again.
    Source: opencontainers/cgroups systemd/common.go, pull request 4; kubernetes/kubernetes#129357.

    >>> systemd_quota_usec(11_100, 100_000)
    12000
    """
    per_second = quota_usec * 1_000_000 // period_usec
    per_second = -(-per_second // _SYSTEMD_STEP_USEC) * _SYSTEMD_STEP_USEC
    return per_second * period_usec // 1_000_000


def memory_high_bytes(request_bytes: int, ceiling_bytes: int, factor: float, page_bytes: int = 4096) -> int:
    """``memory.high``: request plus ``factor`` of the room up to ``ceiling_bytes``, down to a whole page.

    Computed in float64, as the kubelet does. Source: KEP-2570.

    >>> memory_high_bytes(128 << 20, 256 << 20, 0.9)
    255012864
    """
    return math.floor((request_bytes + (ceiling_bytes - request_bytes) * factor) / page_bytes) * page_bytes

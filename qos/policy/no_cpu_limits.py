"""House policy: CPU limits are not enforced; weights alone share the CPU.

Quotas throttle a container in its bursts although the node is idle. Without them a container uses what
nobody else wants, and under contention gets its request, as weights say.
"""

from __future__ import annotations

from typing import Final

from qos.policy.base import CgroupContext, said
from qos.policy.config_values import no_quota
from qos.policy.house import Changes, House, HousePolicy

_WHY: Final = "no-cpu-limits: limits are not enforced, weights share the CPU"


def _rule(context: CgroupContext, house: House) -> Changes:
    if "cpu_max" not in context.values:
        return {}
    return {"cpu_max": said(no_quota(house.facts.cpu_cfs_quota_period_usec), _WHY)}


NO_CPU_LIMITS: Final = HousePolicy(
    "no-cpu-limits",
    "as kubelet, but CPU limits are not enforced: for latency-critical services that burst",
    _rule,
)

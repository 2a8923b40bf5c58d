"""House policy: unused quota may be saved and spent in a burst (cpu.max.burst).

Source: Documentation/scheduler/sched-bwc.rst (burst of at most the quota), kernel 5.14.
"""

from __future__ import annotations

from typing import Final

from qos.model.cgroup import CpuMax
from qos.policy.base import CgroupContext, Explained
from qos.policy.house import Changes, House, HousePolicy


def _rule(context: CgroupContext, house: House) -> Changes:  # noqa: ARG001 - every rule has this shape
    limit = context.values.get("cpu_max")
    if limit is None or not isinstance(limit.value, CpuMax) or limit.value.quota_usec == "max":
        return {}
    burst = limit.value.quota_usec
    return {"cpu_max_burst": Explained(burst, lambda: f"cpu-burst: as much as the quota, {burst} usec")}


CPU_BURST: Final = HousePolicy(
    "cpu-burst",
    "as kubelet, but up to one period's quota that was not used may be spent in a burst",
    _rule,
)

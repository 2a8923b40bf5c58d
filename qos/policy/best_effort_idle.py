"""House policy: BestEffort runs only when nobody else wants the CPU (cpu.idle).

Weight 1 still takes 1/n of a weight-1 level and preempts; SCHED_IDLE groups yield at once.
Source: Documentation/admin-guide/cgroup-v2.rst (cpu.idle), kernel 5.15.
"""

from __future__ import annotations

from typing import Final

from qos.model.qos_class import QOSClass
from qos.policy.base import CgroupContext, said
from qos.policy.house import Changes, House, HousePolicy

_WHY: Final = "best-effort-idle: runs only when no sibling wants the CPU; cpu.weight has no effect then"


def _rule(context: CgroupContext, house: House) -> Changes:  # noqa: ARG001 - every rule has this shape
    if context.qos_class is not QOSClass.BEST_EFFORT or context.level != "qos":
        return {}
    # the kernel refuses cpu.weight in an idle cgroup (EINVAL), so the weight is left alone
    return {"cpu_idle": said(1, _WHY), "cpu_weight": None}


BEST_EFFORT_IDLE: Final = HousePolicy(
    "best-effort-idle",
    "as kubelet, but BestEffort pods run only on CPU that nobody else wants",
    _rule,
)

"""House policy: pods together weigh no more against system.slice than the node's reservation says.

The kubelet gives kubepods the weight of its whole allocatable CPU: 2481 on 64 CPUs, against 100 of
system.slice, so that sshd and the kubelet itself get 4 % of a busy node whatever is reserved for them.
"""

from __future__ import annotations

from typing import Final

from qos.model.pod import CPU
from qos.policy.allocatable import allocatable_absolute
from qos.policy.base import CgroupContext, Explained
from qos.policy.house import Changes, House, HousePolicy

SYSTEM_SLICE_WEIGHT: Final = 100
_UNRESERVED_WEIGHT: Final = 99


def _rule(context: CgroupContext, house: House) -> Changes:
    if context.level != "node" or "cpu_weight" not in context.values:
        return {}
    capacity = house.node.status.capacity
    pods = allocatable_absolute(capacity, house.node.kubelet)[CPU].milli_value()
    reserved = capacity[CPU].milli_value() - pods
    if reserved <= 0:
        why = (
            f"kubepods-below-system: nothing is reserved, so just below system.slice's {SYSTEM_SLICE_WEIGHT}"
        )
        return {"cpu_weight": Explained(_UNRESERVED_WEIGHT, lambda: why)}
    weight = min(max(SYSTEM_SLICE_WEIGHT * pods // reserved, 1), 10_000)
    return {
        "cpu_weight": Explained(
            weight,
            lambda: (
                f"kubepods-below-system: {SYSTEM_SLICE_WEIGHT} of system.slice · {pods}m for pods"
                f" / {reserved}m reserved = {weight}"
            ),
        )
    }


KUBEPODS_BELOW_SYSTEM: Final = HousePolicy(
    "kubepods-below-system",
    "as kubelet, but system.slice is sure to get the CPU reserved for it when pods want everything",
    _rule,
)

"""House policy: a share of the disks by class, which the kubelet does not set at all (io.weight)."""

from __future__ import annotations

from typing import Final

from qos.model.qos_class import QOSClass
from qos.policy.base import CgroupContext, said
from qos.policy.house import Changes, House, HousePolicy

WEIGHTS: Final = {QOSClass.GUARANTEED: 1000, QOSClass.BURSTABLE: 100, QOSClass.BEST_EFFORT: 10}


def _rule(context: CgroupContext, house: House) -> Changes:  # noqa: ARG001 - every rule has this shape
    """Guaranteed pods stand beside the levels of the other classes, so those levels carry the weight."""
    stands_below_kubepods = context.level == "qos" or (
        context.level == "pod" and context.qos_class is QOSClass.GUARANTEED
    )
    if not stands_below_kubepods:
        return {}
    weight = WEIGHTS[context.qos_class]
    return {
        "io_weight": said({"default": str(weight)}, f"io-weight-by-class: {weight} for {context.qos_class}")
    }


IO_WEIGHT_BY_CLASS: Final = HousePolicy(
    "io-weight-by-class",
    "as kubelet, but disks are shared 1000 : 100 : 10 between Guaranteed, Burstable and BestEffort",
    _rule,
)

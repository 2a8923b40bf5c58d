"""Whether a node under pressure takes another pod.

Source: pkg/kubelet/eviction/eviction_manager.go of Kubernetes 1.36 (Admit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qos.model.pod import Toleration
from qos.model.qos_class import QOSClass

MEMORY_PRESSURE_TAINT: Final = "node.kubernetes.io/memory-pressure"
_NO_SCHEDULE: Final = "NoSchedule"


@dataclass(frozen=True, slots=True)
class Admission:
    """Yes or no, with the kubelet's words: ``reason`` is "Evicted" and ``message`` says the conditions."""

    admit: bool
    reason: str = ""
    message: str = ""


def tolerates(tolerations: Sequence[Toleration], key: str, effect: str, value: str = "") -> bool:
    """Whether one of the tolerations bears the taint ``key=value:effect``.

    An empty effect bears every effect, an empty key with Exists every taint.

    >>> tolerates([Toleration(operator="Exists")], "node.kubernetes.io/memory-pressure", "NoSchedule")
    True
    """
    return any(
        one.effect in {"", effect}
        and one.key in {"", key}
        and (one.operator == "Exists" or (one.operator in {"", "Equal"} and one.value == value))
        for one in tolerations
    )


def admit(
    node_conditions: Sequence[str],
    *,
    critical: bool,
    qos_class: QOSClass,
    tolerations: Sequence[Toleration] = (),
) -> Admission:
    """Whether a node with these pressure conditions takes the pod.

    No condition, or a critical pod: yes. Memory pressure alone: yes unless BestEffort without a
    toleration of the memory-pressure taint. Anything else: no.
    """
    if not node_conditions or critical:
        return Admission(admit=True)
    if list(node_conditions) == ["MemoryPressure"] and (
        qos_class is not QOSClass.BEST_EFFORT or tolerates(tolerations, MEMORY_PRESSURE_TAINT, _NO_SCHEDULE)
    ):
        return Admission(admit=True)
    conditions = " ".join(node_conditions)
    return Admission(admit=False, reason="Evicted", message=f"The node had condition: [{conditions}]. ")

"""The three QoS classes of Kubernetes."""

from __future__ import annotations

from enum import StrEnum


class QOSClass(StrEnum):
    """Kubernetes' PodQOSClass, spelled as in ``status.qosClass`` (core/v1)."""

    GUARANTEED = "Guaranteed"
    BURSTABLE = "Burstable"
    BEST_EFFORT = "BestEffort"

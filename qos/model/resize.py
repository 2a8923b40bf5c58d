"""What the kubelet answers to an in-place resize."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ResizeOutcome = Literal["accepted", "deferred", "infeasible"]


@dataclass(frozen=True, slots=True)
class ResizeDecision:
    """Accepted; Deferred (may fit later, is tried again); or Infeasible (can never be on this node).

    ``message`` is what the kubelet puts into the pod's PodResizePending condition.
    """

    outcome: ResizeOutcome
    message: str = ""

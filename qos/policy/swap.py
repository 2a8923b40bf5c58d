"""``memory.swap.max`` of containers. Source: KEP-2400; kuberuntime_container_linux.go of 1.36."""

from __future__ import annotations

from typing import Final

from qos.errors import PlanError
from qos.model.pod import MEMORY, Container, Pod
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import Explained, SwapBehavior, in_bytes, said
from qos.policy.critical import is_critical_pod
from qos.policy.facts import NodeFacts
from qos.policy.formulas import limited_swap_bytes

_ZERO: Final = Quantity.zero()


def swap_refusal(pod: Pod, container: Container, qos_class: QOSClass, facts: NodeFacts) -> str:
    """Why a container gets no swap, as a clause; "" where it does."""
    if not facts.limited_swap:
        return "memorySwap.swapBehavior is not LimitedSwap"
    if not facts.swap_controller:
        return "the kernel has no swap controller"
    if is_critical_pod(pod):
        return "the pod is critical"
    if qos_class is not QOSClass.BURSTABLE:
        return f"the pod is {qos_class}, not Burstable"
    request = container.resources.requests.get(MEMORY, _ZERO)
    limit = container.resources.limits.get(MEMORY, _ZERO)
    if not request and not limit:
        return "the container has no memory request or limit"
    if request == limit:
        return "its memory request equals its limit"
    return ""


def swap_behavior(pod: Pod, container: Container, qos_class: QOSClass, facts: NodeFacts) -> SwapBehavior:
    """Whether a container may swap (LimitedSwap) or not (NoSwap)."""
    return "NoSwap" if swap_refusal(pod, container, qos_class, facts) else "LimitedSwap"


def memory_swap_max(container: Container, refusal: str, facts: NodeFacts) -> Explained | None:
    """The value of ``memory.swap.max``; None where the kernel has no such file.

    With a request of 1 GiB, a node of 4 GiB and 2 GiB of swap: 512 MiB. A request of 0 gives 0.

    ``refusal`` is that of :func:`swap_refusal`.
    """
    if not facts.swap_controller:
        return None
    if refusal:
        return Explained(0, "no swap: {}".format, (refusal,))
    request = container.resources.requests.get(MEMORY, _ZERO).value()
    try:
        amount = limited_swap_bytes(request, facts.memory_capacity_bytes, facts.swap_capacity_bytes)
    except PlanError as error:
        return said(0, f"no swap: {error}")
    capacity, swap = facts.memory_capacity_bytes, facts.swap_capacity_bytes
    return Explained(
        in_bytes(amount),
        "request {} / node memory {} · swap {} = {}".format,
        (request, capacity, swap, amount),
    )

"""``oom_score_adj`` of a container's processes: whom the kernel kills when the node runs out.

Source: pkg/kubelet/qos/policy.go of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qos.model.pod import MEMORY, Container, Pod, is_sidecar
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.base import Explained, said
from qos.policy.critical import is_node_critical_pod
from qos.policy.facts import NodeFacts
from qos.policy.pod_resources import aggregate_container_requests

GUARANTEED_ADJ: Final = -997
BEST_EFFORT_ADJ: Final = 1000
LOWEST_BURSTABLE_ADJ: Final = 1000 + GUARANTEED_ADJ
SANDBOX_ADJ: Final = -998
KUBELET_ADJ: Final = -999

_GUARANTEED: Final = said(GUARANTEED_ADJ, "Guaranteed pods are killed last: -997")
_NODE_CRITICAL: Final = said(GUARANTEED_ADJ, "system-node-critical pods are killed last: -997")
_UNKNOWN_MEMORY: Final = said(BEST_EFFORT_ADJ - 1, "the node's memory is not known: 999")
_BEST_EFFORT: Final = said(BEST_EFFORT_ADJ, "BestEffort pods are killed first: 1000")


def oom_score_adj(
    pod: Pod,
    container: Container,
    qos_class: QOSClass,
    facts: NodeFacts,
    pod_level_share: int | None = None,
) -> Explained:
    """The adjustment of one container, with its formula.

    A Burstable one is 1000 - 1000 · request / memory of the node, between 3 and 999: with a request of
    1 GiB on a node of 4 GiB, 750. A sidecar has at most that of the smallest regular container.

    ``pod_level_share``: memory of the pod-level request that no container names, per container, where
    :func:`share_of_pod_level` has worked it out once for the pod.
    """
    if is_node_critical_pod(pod):
        return _NODE_CRITICAL
    if qos_class is QOSClass.GUARANTEED:
        return _GUARANTEED
    if qos_class is QOSClass.BEST_EFFORT:
        return _BEST_EFFORT
    capacity = facts.memory_capacity_bytes
    if capacity <= 0:
        return _UNKNOWN_MEMORY
    extra = share_of_pod_level(pod, facts) if pod_level_share is None else pod_level_share
    request = lowest = _memory(container.resources.requests) + extra
    if is_sidecar(container) and pod.spec.containers:
        smallest = min(_memory(regular.resources.requests) for regular in pod.spec.containers) + extra
        lowest = max(request, smallest)
    raw = 1000 - (1000 * lowest // capacity if lowest >= 0 else -(-1000 * lowest // capacity))
    adj = BEST_EFFORT_ADJ - 1 if raw == BEST_EFFORT_ADJ else max(raw, LOWEST_BURSTABLE_ADJ)
    return Explained(adj, _sentence, (request, lowest, extra, capacity, raw, adj))


def _sentence(request: int, lowest: int, extra: int, capacity: int, raw: int, adj: int) -> str:
    what = "smallest regular request" if lowest != request else "request"
    share = f" (with {extra} of the pod-level request)" if extra else ""
    clamp = "" if adj == raw else f", kept within 3 and 999: {adj}"
    return f"1000 - 1000 · {what} {lowest}{share} / node memory {capacity} = {raw}{clamp}"


def share_of_pod_level(pod: Pod, facts: NodeFacts) -> int:
    """Bytes of the pod-level memory request beyond the containers', for each regular and init container.

    Negative where the containers ask for more than the pod, which the API refuses.
    """
    resources = pod.spec.resources
    if not facts.pod_level_resources or resources is None or not resources.requests.get(MEMORY):
        return 0
    count = len(pod.spec.containers) + len(pod.spec.init_containers)
    if count == 0:
        return 0
    named = aggregate_container_requests(pod).get(MEMORY, Quantity.zero()).value()
    rest = _memory(resources.requests) - named
    return rest // count if rest >= 0 else -(-rest // count)


def _memory(resources: Mapping[str, Quantity]) -> int:
    quantity = resources.get(MEMORY)
    return quantity.value() if quantity is not None else 0

"""Critical pods: never evicted, never given swap; and the two tests the kubelet makes.

Source: pkg/kubelet/types/pod_update.go of Kubernetes 1.36.
"""

from __future__ import annotations

from typing import Final

from qos.model.pod import Pod

SYSTEM_CRITICAL_PRIORITY: Final = 2_000_000_000
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
CONFIG_MIRROR: Final = "kubernetes.io/config.mirror"
NODE_CRITICAL_CLASS: Final = "system-node-critical"


def is_static_pod(pod: Pod) -> bool:
    """Whether the pod comes from a file or URL of the node, not from the API server."""
    source = pod.metadata.annotations.get(CONFIG_SOURCE)
    return source is not None and source != "api"


def is_critical_pod(pod: Pod) -> bool:
    """Whether the kubelet treats the pod as critical: static, a mirror, or of system priority."""
    if is_static_pod(pod) or CONFIG_MIRROR in pod.metadata.annotations:
        return True
    return pod.spec.priority is not None and pod.spec.priority >= SYSTEM_CRITICAL_PRIORITY


def is_node_critical_pod(pod: Pod) -> bool:
    """Whether it is critical and of class system-node-critical: then the OOM killer spares it longest."""
    return is_critical_pod(pod) and pod.spec.priority_class_name == NODE_CRITICAL_CLASS

"""Which kinds run pods, where their pod template stands and how many they run at once: one line a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from qos.scenario.load import FieldPath


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """One kind.

    Attributes:
        groups: API groups the kind belongs to ("" is core), old ones too.
        template: path of the object that holds ``metadata`` and ``spec`` of the pod.
        replicas: path of the number of pods, None where it is one pod (or one a node).
        per_node: whether a pod runs on every node.
    """

    groups: tuple[str, ...]
    template: FieldPath
    replicas: FieldPath | None = None
    per_node: bool = False


_APPS: Final = ("apps", "extensions")

WORKLOAD_KINDS: Final[dict[str, WorkloadKind]] = {
    "Pod": WorkloadKind(("",), ()),
    "PodTemplate": WorkloadKind(("",), ("template",)),
    "ReplicationController": WorkloadKind(("",), ("spec", "template"), ("spec", "replicas")),
    "ReplicaSet": WorkloadKind(_APPS, ("spec", "template"), ("spec", "replicas")),
    "Deployment": WorkloadKind(_APPS, ("spec", "template"), ("spec", "replicas")),
    "StatefulSet": WorkloadKind(_APPS, ("spec", "template"), ("spec", "replicas")),
    "DaemonSet": WorkloadKind(_APPS, ("spec", "template"), per_node=True),
    "Job": WorkloadKind(("batch",), ("spec", "template"), ("spec", "parallelism")),
    "CronJob": WorkloadKind(
        ("batch",),
        ("spec", "jobTemplate", "spec", "template"),
        ("spec", "jobTemplate", "spec", "parallelism"),
    ),
}


def workload_kind(kind: str, api_version: str) -> WorkloadKind | None:
    """The kind's line, None where the kind runs no pods or belongs to another API group.

    >>> workload_kind("Job", "batch/v1").replicas
    ('spec', 'parallelism')
    >>> workload_kind("Job", "batch.volcano.sh/v1alpha1") is None
    True
    """
    known = WORKLOAD_KINDS.get(kind)
    if known is None or not api_version:
        return known
    group = api_group(api_version)
    # Only Kubernetes itself may name groups *.k8s.io: such a ReplicaSet is a ReplicaSet, of whatever version.
    return known if group in known.groups or group.endswith(".k8s.io") else None


def api_group(api_version: str) -> str:
    """The group of an apiVersion; "" is core.

    >>> api_group("apps/v1"), api_group("v1")
    ('apps', '')
    """
    return api_version.rpartition("/")[0]


def at(data: Any, path: FieldPath) -> Any:
    """What stands at ``path``, None where nothing does."""
    for step in path:
        if not isinstance(data, dict):
            return None
        data = data.get(step)
    return data

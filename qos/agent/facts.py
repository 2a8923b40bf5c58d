"""What an agent is told of pods and the node when it is made; afterwards it sees only Samples and Plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from qos.model.cgroup import CgroupName
from qos.model.qos_class import QOSClass

KUBEPODS: Final = CgroupName("kubepods")
RestartPolicy = Literal["Always", "OnFailure", "Never"]


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container as the kubelet's sync loop knows it.

    Attributes:
        name: the container's name.
        cgroup: its leaf cgroup.
        restart_policy: its own where it has one (a sidecar's is Always), else the pod's.
        dies_of_oom_kill: an OOM kill in it is its death (``memory.oom.group``, or one process); else a
            process other than its first may have been killed, and only its exit tells.
    """

    name: str
    cgroup: CgroupName
    restart_policy: RestartPolicy = "Always"
    dies_of_oom_kill: bool = True


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod as the kubelet's managers know it.

    Attributes:
        name: ``namespace/name``, as messages print it.
        cgroup: the pod's cgroup, parent of its containers'.
        containers: every container that runs for long (no plain init containers).
        qos_class: decides the cgroup's place and admission; it plays no part in the eviction order.
        priority: ``spec.priority``, 0 where unset.
        critical: static, mirror, or of priority 2000000000 and above: never evicted.
        memory_request_bytes: the request eviction ranks by (``evictionRequestQuantity``).
        cpu_request_milli: the pod's CPU request with overhead, in thousandths of a CPU.
        restart_policy: ``spec.restartPolicy``.
        termination_grace_period_seconds: of the spec, 30 where unset.
    """

    name: str
    cgroup: CgroupName
    containers: tuple[ContainerFacts, ...] = ()
    qos_class: QOSClass = QOSClass.BEST_EFFORT
    priority: int = 0
    critical: bool = False
    memory_request_bytes: int = 0
    cpu_request_milli: int = 0
    restart_policy: RestartPolicy = "Always"
    termination_grace_period_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node as the kubelet's managers know it.

    Attributes:
        memory_capacity_bytes: ``status.capacity.memory``.
        cpu_capacity_milli: ``status.capacity.cpu`` in thousandths of a CPU.
        pids_capacity: the kernel's limit of tasks, None where unknown.
        pods_cgroup: the cgroup that holds all pods.
        memory_pods_bytes: what the pods may hold together (``memory.max`` of ``pods_cgroup``),
            None where not enforced.
    """

    memory_capacity_bytes: int
    cpu_capacity_milli: int
    pids_capacity: int | None = None
    pods_cgroup: CgroupName = KUBEPODS
    memory_pods_bytes: int | None = None

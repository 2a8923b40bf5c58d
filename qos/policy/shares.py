"""CPU each cgroup of a planned node is sure to get: fair shares, with what the kubelet knows of the pods.

Beside the plan it matters which containers run at the same time (a plain init container is done before
the others start), which have CPUs of their own (static CPU manager), and what is reserved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from qos.model.cgroup import CgroupName, CpuMax
from qos.model.node import Node
from qos.model.pod import CPU
from qos.model.quantity import Quantity
from qos.policy.allocatable import allocatable_absolute
from qos.policy.base import PlanDetails, PodDetails
from qos.policy.fair_share import fair_share

_ZERO: Final = Quantity.zero()


def node_shares(details: PlanDetails, node: Node) -> dict[CgroupName, float]:
    """CPUs each cgroup is sure to get when every running container wants all it may use.

    What is reserved for system and kubelet is not shared out. A container with exclusive CPUs has those
    and the others share the rest. A plain init container runs alone in its pod: it has the pod's share,
    up to its own limit, and the other containers' figures are those after it.
    """
    done, exclusive = set_apart(details.pods, node)
    left = max(cpus_shared_out(node) - sum(exclusive.values()), 0.0)
    levels = {name for name, context in details.contexts.items() if context.level in {"node", "qos"}}
    idle = levels.intersection(details.plan.leaves())  # a level without pods runs nothing
    shares = fair_share(details.plan, left, without={*idle, *done, *exclusive})
    for name, count in exclusive.items():
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            shares[CgroupName("/".join(parts[:depth]))] += count
    for name, pod_cgroup in done.items():
        shares[name] = min(shares[pod_cgroup], limit_of(details, name))
    return shares


def cpus_shared_out(node: Node) -> float:
    """CPUs of a node that are not reserved."""
    return allocatable_absolute(node.status.capacity, node.kubelet).get(CPU, _ZERO).nano / 1e9


def set_apart(
    pods: Iterable[PodDetails], node: Node
) -> tuple[dict[CgroupName, CgroupName], dict[CgroupName, int]]:
    """Plain init containers with their pods' cgroups, and containers with CPUs of their own, how many."""
    static = node.kubelet.cpu_manager_policy == "static"
    done: dict[CgroupName, CgroupName] = {}
    exclusive: dict[CgroupName, int] = {}
    for pod in pods:
        for container in pod.containers:
            if container.type == "init":
                done[container.cgroup] = pod.cgroup
            elif static and container.exclusive_cpus:
                exclusive[container.cgroup] = container.exclusive_cpus
    return done, exclusive


def limit_of(details: PlanDetails, name: CgroupName) -> float:
    """CPUs that a cgroup's own quota allows."""
    limit = details.plan.cgroups[name].cpu_max
    return limit.cpus if isinstance(limit, CpuMax) else float("inf")

"""The agents of a run, told what they must know of its pods and node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, cast

from qos.agent.eviction import EvictionAgent
from qos.agent.facts import ContainerFacts, NodeFacts, PodFacts, RestartPolicy
from qos.agent.levels import QOSLevelAgent
from qos.agent.restart import RestartAgent
from qos.agent.suppress import SuppressAgent
from qos.agent.thresholds import parse_thresholds
from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.kernel import Agent
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import CPU, MEMORY
from qos.model.quantity import Quantity
from qos.policy.base import ContainerDetails, PlanDetails, PodDetails
from qos.policy.critical import is_critical_pod
from qos.policy.pod_resources import eviction_request, pod_requests

_ZERO: Final = Quantity.parse("0")
_GRACE_DEFAULT_SECONDS: Final = 30
NAMES: Final = ("eviction", "restart", "qosLevels", "suppress")
PlanOf = Callable[[Collection[CgroupName]], Plan]


def build_agents(names: Sequence[str], details: PlanDetails, node: Node, plan_of: PlanOf) -> list[Agent]:
    """The agents of these names, for the pods of a plan.

    Args:
        names: as in a scenario's ``agents:``.
        details: the plan that will run.
        node: whose capacity and eviction thresholds count.
        plan_of: the plan for those pods only that are still alive (their cgroups).

    Raises:
        InputError: a name that is no agent, or a malformed eviction threshold.
    """
    pods = tuple(pod_facts(pod) for pod in details.pods)
    machine = node_facts(node, details.plan)
    kubelet = node.kubelet
    agents: list[Agent] = []
    for name in names:
        if name == "eviction":
            thresholds = parse_thresholds(
                kubelet.eviction_hard,
                kubelet.eviction_soft,
                kubelet.eviction_soft_grace_period,
                kubelet.eviction_minimum_reclaim,
                kubelet.enforce_node_allocatable,
            )
            transition = kubelet.eviction_pressure_transition_period
            grace = float(kubelet.eviction_max_pod_grace_period)
            agents.append(
                EvictionAgent(
                    machine,
                    pods,
                    thresholds,
                    pressure_transition_period_seconds=transition,
                    max_pod_grace_period_seconds=grace,
                )
            )
        elif name == "restart":
            agents.append(RestartAgent(pods))
        elif name == "qosLevels":
            agents.append(QOSLevelAgent(pods, plan_of))
        elif name == "suppress":
            agents.append(SuppressAgent(machine))
        else:
            raise InputError("is no agent", field="spec.agents", value=name, expected=", ".join(NAMES))
    return agents


def pod_facts(details: PodDetails) -> PodFacts:
    """What agents are told of one pod."""
    pod = details.pod
    grace = pod.spec.termination_grace_period_seconds
    return PodFacts(
        name=f"{pod.namespace}/{pod.name}",
        cgroup=details.cgroup,
        containers=tuple(
            _container(pod.spec.restart_policy, c) for c in details.containers if c.type != "init"
        ),
        qos_class=details.qos_class,
        priority=pod.spec.priority or 0,
        critical=is_critical_pod(pod),
        memory_request_bytes=eviction_request(pod, MEMORY).value(),
        cpu_request_milli=pod_requests(pod).get(CPU, _ZERO).milli_value(),
        restart_policy=cast("RestartPolicy", pod.spec.restart_policy),
        termination_grace_period_seconds=float(_GRACE_DEFAULT_SECONDS if grace is None else grace),
    )


def _container(restart_policy: str, container: ContainerDetails) -> ContainerFacts:
    policy = "Always" if container.type == "sidecar" else restart_policy
    return ContainerFacts(container.container.name, container.cgroup, cast("RestartPolicy", policy))


def node_facts(node: Node, plan: Plan) -> NodeFacts:
    """What agents are told of the node; the pods' common limit is the plan's own."""
    capacity = node.status.capacity
    kubepods = plan.cgroups.get(CgroupName("kubepods"))
    limit = kubepods.memory_max if kubepods is not None else None
    return NodeFacts(
        memory_capacity_bytes=capacity.get(MEMORY, _ZERO).value(),
        cpu_capacity_milli=capacity.get(CPU, _ZERO).milli_value(),
        memory_pods_bytes=limit if isinstance(limit, int) else None,
    )

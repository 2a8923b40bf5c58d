"""Lint of a whole plan: each pod against the values it got and the load it is to carry."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from qos.check.lint import SEVERITIES, Finding, LintInput, lint
from qos.check.lint_rules import RULES
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import CPU
from qos.policy.base import PlanDetails, PodDetails

if TYPE_CHECKING:
    from qos.model.workload import Workload

_NO_LOAD: Final[Mapping[CgroupName, Workload]] = MappingProxyType({})


def lint_plan(
    details: PlanDetails, node: Node, workloads: Mapping[CgroupName, Workload] = _NO_LOAD
) -> tuple[Finding, ...]:
    """Everything the lint rules find in the pods of a plan, worst first, then by pod.

    Args:
        details: the plan and its pods.
        node: whose CPUs bound what can run at once.
        workloads: container's cgroup → its load, which tells threads and page cache; may be empty.
    """
    found = [finding for pod in details.pods for finding in lint_pod(pod, details.plan, node, workloads)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.where, one.id)))


def lint_pod(
    pod: PodDetails, plan: Plan, node: Node, workloads: Mapping[CgroupName, Workload] = _NO_LOAD
) -> tuple[Finding, ...]:
    """As :func:`lint_plan`, of one pod of a plan."""
    capacity = node.status.capacity.get(CPU)
    names = {one.container.name: one.cgroup for one in pod.containers}
    loads = {name: workloads[cgroup] for name, cgroup in names.items() if cgroup in workloads}
    given = LintInput(
        pod=pod.pod,
        cgroup=pod.cgroup,
        containers=names,
        plan=plan,
        threads={name: count for name, load in loads.items() if (count := threads_of(load)) is not None},
        page_cache=frozenset(
            name for name, load in loads.items() if load.memory is not None and load.memory.cache is not None
        ),
        node_cpus=capacity.milli_value() / 1000 if capacity is not None else None,
    )
    return lint(given, RULES)


def threads_of(workload: Workload) -> int | None:
    """How many threads a load keeps busy at once, None where it does not say."""
    shape = workload.cpu
    if shape is None:
        return None
    return shape.workers if shape.shape == "requests" else shape.threads

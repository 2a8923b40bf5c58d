"""Which function answers which kind of line. A kind that is not here fails."""

from __future__ import annotations

from collections.abc import Callable

from cases import Case

from kinds import decisions, evictions, nodes, quantities, scalars, tables
from kinds.common import Answer

KINDS: dict[str, Callable[[Case], Answer]] = {
    "quantity": quantities.quantity,
    "quantity-arith": quantities.arith,
    "quantity-roundup": quantities.roundup,
    "scalar": scalars.scalar,
    "scalar-steps": scalars.steps,
    "pod": decisions.pod,
    "pod-validation": decisions.pod_validation,
    "pod-resize": decisions.pod_resize,
    "limitrange": decisions.limit_range,
    "quota-usage": decisions.quota,
    "preemption": decisions.preemption,
    "cpu-assignment": decisions.cpu_assignment,
    "eviction-thresholds": evictions.thresholds,
    "eviction-rank": evictions.ranking,
    "eviction-admit": evictions.admission,
    "qos-cgroups": nodes.qos_cgroups,
    "node-allocatable": nodes.node_allocatable,
    "cgroup-name": nodes.cgroup_name,
    "qos-class": tables.qos_class,
    "pod-resources": tables.pod_resources,
    "oom-score-adj": tables.oom_score,
    "pod-defaults": tables.pod_defaults,
    "pod-cgroup-config": tables.pod_cgroup_config,
    "pod-cgroup-unified": tables.pod_cgroup_unified,
    "pod-hugepage-limit": tables.pod_hugepage_limit,
    "container-resources": tables.container_resources_kind,
    "calculate-linux-resources": tables.calculate_linux_resources,
    "swap-behavior": tables.swap_behavior_kind,
    "sandbox-resources": tables.sandbox_kind,
}

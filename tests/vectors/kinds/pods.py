"""Kind pod: one pod through defaulting, class, requests, its cgroups, eviction request, swap, sandbox."""

from __future__ import annotations

from typing import Any

from cases import Case

from kinds.common import Answer, facts_of, list_json, node_of, plain_list, quantity_json
from qos.model.cgroup_path import to_cgroupfs, to_systemd
from qos.model.pod import Pod, ResourceRequirements
from qos.policy.base import PodDetails, make_spec
from qos.policy.container_cgroup import (
    LinuxResources,
    container_resources,
    pod_exclusive_cpus,
    sandbox_overhead,
    sandbox_resources,
)
from qos.policy.critical import is_critical_pod, is_node_critical_pod
from qos.policy.defaults import apply_defaults
from qos.policy.facts import NodeFacts
from qos.policy.formulas import shares_to_weight_linear, shares_to_weight_quadratic
from qos.policy.hugepages import unit_size
from qos.policy.kubelet import kubelet_details
from qos.policy.pod_cgroup import options_of, pod_config, pod_totals
from qos.policy.pod_resources import (
    EVICTION_RESOURCES,
    ResourceOptions,
    aggregate_container_limits,
    aggregate_container_requests,
    eviction_request,
    pod_limits,
    pod_requests,
)
from qos.policy.qos_class import classify


def pod(case: Case) -> Answer:
    """Everything the line states."""
    facts = facts_of(case.node)
    read = Pod.model_validate(case.input["pod"])
    defaulted = apply_defaults(read, facts.pod_level_resources) if case.input["applyDefaults"] else read
    plan = kubelet_details([defaulted], node_of(case.node), facts)
    (details,) = plan.pods
    options = options_of(facts)
    without_overhead = ResourceOptions(exclude_overhead=True, skip_pod_level=options.skip_pod_level)
    got: dict[str, Any] = {
        "qosClass": classify(defaulted, pod_level_resources=facts.pod_level_resources).qos_class.value,
        "isCriticalPod": is_critical_pod(defaulted),
        "isNodeCriticalPod": is_node_critical_pod(defaulted),
        "podRequests": list_json(pod_requests(defaulted, options)),
        "podLimits": list_json(pod_limits(defaulted, options)),
        "podRequestsExcludeOverhead": list_json(pod_requests(defaulted, without_overhead)),
        "podLimitsExcludeOverhead": list_json(pod_limits(defaulted, without_overhead)),
        "aggregateContainerRequests": list_json(aggregate_container_requests(defaulted)),
        "aggregateContainerLimits": list_json(aggregate_container_limits(defaulted)),
        "evictionRequestQuantity": {
            name: quantity_json(name, eviction_request(defaulted, name, facts.pod_level_resources))
            for name in EVICTION_RESOURCES
        },
        "podCgroup": _pod_cgroup(details, facts, plan.cgroups[details.cgroup]),
        "containers": [
            _container(details, index, facts, plan.cgroups) for index in range(len(details.containers))
        ],
        "podExclusiveCPUs": pod_exclusive_cpus(defaulted, details.qos_class),
        "sandboxResources": linux_json(sandbox_resources(defaulted, details.qos_class, facts), facts),
    }
    overhead = sandbox_overhead(defaulted, facts)
    if overhead is not None:
        got["sandboxOverhead"] = linux_json(overhead, facts)
    if case.input["applyDefaults"]:
        got["defaulted"] = defaulted_json(defaulted)
    expect = {key: value for key, value in case.expect.items() if key not in BY_DECISIONS}
    return expect, got


BY_DECISIONS = frozenset({"validationErrors", "quotaUsage"})


def defaulted_json(pod: Pod) -> dict[str, Any]:
    """Resources after defaulting, as the vectors write them."""
    shown: dict[str, Any] = {
        "containers": {c.name: _requirements(c.resources) for c, _ in pod.typed_containers()}
    }
    if pod.spec.resources is not None:
        shown["pod"] = _requirements(pod.spec.resources)
    return shown


def _requirements(resources: ResourceRequirements) -> dict[str, Any]:
    return {"limits": plain_list(resources.limits), "requests": plain_list(resources.requests)}


def linux_json(resources: LinuxResources, facts: NodeFacts) -> dict[str, Any]:
    """CRI resources as the vectors write them."""
    shown: dict[str, Any] = {
        "cpuPeriod": resources.cpu_period_usec,
        "cpuQuota": resources.cpu_quota_usec,
        "cpuShares": resources.cpu_shares,
        "cpuWeightLinear": shares_to_weight_linear(resources.cpu_shares),
        "cpuWeightQuadratic": shares_to_weight_quadratic(resources.cpu_shares),
        "memoryLimitInBytes": resources.memory_limit_bytes,
        "oomScoreAdj": 0,
    }
    if not facts.single_process_oom_kill:
        shown["unified"] = {"memory.oom.group": "1"}
    return shown


def _pod_cgroup(details: PodDetails, facts: NodeFacts, values: Any) -> dict[str, Any]:
    exclusive = facts.static_cpu_manager and any(c.exclusive_cpus for c in details.containers)
    config = pod_config(details.pod, details.qos_class, facts, pod_totals(details.pod, facts, exclusive))
    shown: dict[str, Any] = {
        "cpuShares": config.cpu_shares,
        "cpuWeight": shares_to_weight_linear(config.cpu_shares or 0),
        "cpuQuota": config.cpu_quota_usec,
        "cpuPeriod": config.cpu_period_usec,
        "memory": config.memory_bytes,
        "pidsLimit": config.pids_limit,
        "hugePageLimit": {str(size): limit for size, limit in config.hugepages.items()} or None,
        "unified": {knob.replace("_", "."): str(value) for knob, value in config.unified.items()} or None,
    }
    return {
        "config": {key: value for key, value in shown.items() if value is not None},
        "files": make_spec(values).files(),
        "cgroupfsPath": to_cgroupfs(details.cgroup),
        "systemdPath": to_systemd(details.cgroup),
    }


def _container(details: PodDetails, index: int, facts: NodeFacts, cgroups: Any) -> dict[str, Any]:
    container = details.containers[index]
    files = make_spec(cgroups[container.cgroup]).files()
    exclusive = facts.static_cpu_manager and container.exclusive_cpus > 0
    resources = container_resources(details.pod, container.container, facts, exclusive)
    unified = ("memory.min", "memory.low", "memory.high", "memory.oom.group", "memory.swap.max")
    shown = linux_json(resources, facts) | {
        "oomScoreAdj": container.oom_score_adj.value,
        "hugepageLimits": {
            unit_size(size): resources.hugepages.get(size, 0) for size in facts.hugepage_sizes
        },
        "unified": {file: files[file] for file in unified if file in files},
    }
    if not shown["unified"]:
        del shown["unified"]
    return {
        "name": container.container.name,
        "type": container.type,
        "exclusiveCPUs": container.exclusive_cpus,
        "files": files,
        "oomScoreAdj": container.oom_score_adj.value,
        "swapBehavior": container.swap_behavior,
        "resources": shown,
    }

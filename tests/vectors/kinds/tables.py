"""Kinds that only upstream's own tables have; each row states what its test looked at."""

from __future__ import annotations

from typing import Any

from cases import Case

from kinds.common import Answer, facts_of, list_json, node_of, parsed, quantities_of
from kinds.pods import linux_json
from qos.model.pod import Pod, ResourceRequirements
from qos.model.quantity import Quantity
from qos.policy.container_cgroup import (
    container_resources,
    linux_resources,
    sandbox_overhead,
    sandbox_resources,
)
from qos.policy.defaults import apply_defaults
from qos.policy.hugepages import hugepage_limits
from qos.policy.kubelet import kubelet_details
from qos.policy.pod_cgroup import pod_config, pod_totals
from qos.policy.pod_resources import (
    ResourceOptions,
    aggregate_container_limits,
    aggregate_container_requests,
    is_resize_infeasible,
    pod_limits,
    pod_requests,
)
from qos.policy.qos_class import classify, effective_class
from qos.policy.swap import swap_behavior


def _pod(case: Case) -> Pod:
    pod = dict(case.input["pod"])
    pod["spec"] = {key: value or [] if key == "containers" else value for key, value in pod["spec"].items()}
    return Pod.model_validate(pod)


def qos_class(case: Case) -> Answer:
    """ComputePodQOS."""
    facts = facts_of(case.node)
    return case.expect, {
        "qosClass": str(classify(_pod(case), pod_level_resources=facts.pod_level_resources).qos_class)
    }


def pod_resources(case: Case) -> Answer:
    """PodRequests and PodLimits with options, and with container and pod status."""
    given = case.input["options"]
    options = ResourceOptions(
        exclude_overhead=given["excludeOverhead"],
        skip_pod_level=given["skipPodLevelResources"],
        skip_containers=given.get("skipContainerLevelResources", False),
        use_status=given["useStatusResources"],
        pod_level_status=given["inPlacePodLevelResourcesVerticalScalingEnabled"],
        missing_requests={
            n: Quantity.parse(q) for n, q in (given.get("nonMissingContainerRequests") or {}).items()
        },
    )
    pod = _pod(case)
    lists = {"podRequests": pod_requests(pod, options), "podLimits": pod_limits(pod, options)}
    if case.is_upstream_table:
        lists["aggregateContainerRequests"] = aggregate_container_requests(pod, options)
        lists["aggregateContainerLimits"] = aggregate_container_limits(pod, options)
        expect = {name: parsed(value) for name, value in case.expect.items()}
        return expect, {name: quantities_of(value) for name, value in lists.items() if name in expect}
    got: dict[str, Any] = {name: list_json(value) for name, value in lists.items()}
    return case.expect, got | {"resizeInfeasible": is_resize_infeasible(pod)}


def oom_score(case: Case) -> Answer:
    """GetContainerOOMScoreAdjust, which upstream's table states as low and high bounds."""
    plan = kubelet_details([_pod(case)], node_of(case.node), facts_of(case.node))
    expect, got = {}, {}
    scores = {c.container.name: c.oom_score_adj.value for c in plan.pods[0].containers}
    for name, (low, high) in case.expect["oomScoreAdjRange"].items():
        score = scores.get(name)
        expect[name] = f"{low} to {high}"
        got[name] = expect[name] if score is not None and low <= score <= high else score
    return expect, got


def pod_defaults(case: Case) -> Answer:
    """SetDefaults_Pod."""
    pod = apply_defaults(_pod(case), facts_of(case.node).pod_level_resources)
    spec = case.expect["spec"]
    expect = {
        "containers": [_amounts(container.get("resources")) for container in spec.get("containers") or []],
        "initContainers": [
            _amounts(container.get("resources")) for container in spec.get("initContainers") or []
        ],
        "resources": _amounts(spec.get("resources")),
    }
    got = {
        "containers": [_required(container.resources) for container in pod.spec.containers],
        "initContainers": [_required(container.resources) for container in pod.spec.init_containers],
        "resources": _required(pod.spec.resources or ResourceRequirements()),
    }
    return expect, got


def _amounts(resources: dict[str, Any] | None) -> dict[str, Any]:
    given = resources or {}
    return {side: parsed(given.get(side)) for side in ("requests", "limits")}


def _required(resources: ResourceRequirements) -> dict[str, Any]:
    return {"requests": quantities_of(resources.requests), "limits": quantities_of(resources.limits)}


def _config(case: Case) -> Any:
    facts = facts_of(case.node)
    pod = _pod(case)
    decision = classify(pod, pod_level_resources=facts.pod_level_resources)
    return pod_config(pod, effective_class(pod, decision), facts, pod_totals(pod, facts))


def pod_cgroup_config(case: Case) -> Answer:
    """ResourceConfigForPod."""
    config = _config(case)
    return case.expect, {
        "cpuShares": config.cpu_shares,
        "cpuQuota": config.cpu_quota_usec,
        "cpuPeriod": config.cpu_period_usec,
        "memory": config.memory_bytes,
    }


def pod_cgroup_unified(case: Case) -> Answer:
    """ResourceConfigForPod with MemoryQoS."""
    unified = {knob.replace("_", "."): str(value) for knob, value in _config(case).unified.items()}
    return {"unified": case.expect["unified"] or {}}, {"unified": unified}


def pod_hugepage_limit(case: Case) -> Answer:
    """HugePageLimits."""
    limits = hugepage_limits(pod_requests(_pod(case)))
    return case.expect, {"hugePageLimit": {str(size): limit for size, limit in limits.items()}}


def container_resources_kind(case: Case) -> Answer:
    """GenerateLinuxContainerResources."""
    pod, facts = _pod(case), facts_of(case.node)
    exclusive = bool(case.node.get("exclusiveCPUs"))
    resources = container_resources(pod, pod.spec.containers[0], facts, exclusive)
    return case.expect, linux_json(resources, facts)


def calculate_linux_resources(case: Case) -> Answer:
    """CalculateLinuxResources."""
    request, cpu, memory = (case.input.get(name) for name in ("cpuRequest", "cpuLimit", "memoryLimit"))
    facts = facts_of(case.node)
    resources = linux_resources(
        None if request is None else Quantity.parse(request),
        Quantity.parse(cpu or "0"),
        Quantity.parse(memory or "0"),
        facts,
    )
    return case.expect, linux_json(resources, facts)


def swap_behavior_kind(case: Case) -> Answer:
    """GetContainerSwapBehavior."""
    pod, facts = _pod(case), facts_of(case.node)
    decision = classify(pod, pod_level_resources=facts.pod_level_resources)
    behavior = swap_behavior(pod, pod.spec.containers[0], effective_class(pod, decision), facts)
    return case.expect, {"swapBehavior": behavior}


def sandbox_kind(case: Case) -> Answer:
    """applySandboxResources; the table writes no overhead as zeros."""
    pod, facts = _pod(case), facts_of(case.node)
    qos_class = effective_class(pod, classify(pod, pod_level_resources=facts.pod_level_resources))
    overhead = sandbox_overhead(pod, facts)
    zeros = {"cpuPeriod": 0, "cpuQuota": 0, "cpuShares": 0, "memoryLimitInBytes": 0}
    shown = zeros if overhead is None else linux_json(overhead, facts)
    return case.expect, {
        "sandboxResources": linux_json(sandbox_resources(pod, qos_class, facts), facts),
        "sandboxOverhead": shown,
    }

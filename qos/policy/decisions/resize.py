"""In-place resize on the node: accepted, Deferred or Infeasible, and which containers it restarts.

Source: pkg/kubelet/allocation/allocation_manager.go (canResizePod), pkg/kubelet/lifecycle/predicate.go and
pkg/kubelet/kuberuntime (resizePolicy) of Kubernetes 1.36; KEP-1287.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from qos.model.node import Node
from qos.model.pod import CPU, MEMORY, Container, Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.model.resize import ResizeDecision
from qos.policy.allocatable import node_allocatable
from qos.policy.critical import is_static_pod
from qos.policy.facts import node_facts
from qos.policy.features import gate
from qos.policy.pod_resources import ResourceOptions, pod_requests
from qos.policy.qos_class import classify, effective_class
from qos.policy.swap import swap_behavior

_RESTART: Final = "RestartContainer"
_ACCEPTED: Final = ResizeDecision("accepted")


def decide_resize(
    new: Pod, old: Pod, node: Node, others: Iterable[Pod], profile: Profile | None = None
) -> ResizeDecision:
    """What the kubelet answers to a resize that the API server has let through.

    Infeasible is what this node can never do: a static pod, exclusive CPUs or memory, swap, more than the
    node has. Deferred is what does not fit beside the pods that are there now.

    Args:
        new: the pod as it shall be.
        old: the pod as it is.
        node: with its allocatable, or what it is computed from.
        others: the node's other pods with what they have been allocated.
        profile: decides feature gates.
    """
    profile = profile or Profile()
    refusal = _infeasible(new, old, node, profile)
    if refusal:
        return ResizeDecision("infeasible", refusal)
    options = ResourceOptions(skip_pod_level=not gate(profile, node.kubelet, "PodLevelResources"))
    allocatable = node_allocatable(node)
    requested = _amounts(new, options)
    had = {name: _whole(name, allocatable.get(name, Quantity.zero())) for name in (CPU, MEMORY)}
    for name in (MEMORY, CPU):
        if requested[name] > had[name]:
            return ResizeDecision(
                "infeasible",
                f"Node didn't have enough capacity: {name}, "
                f"requested: {requested[name]}, capacity: {had[name]}",
            )
    beside = [_amounts(pod, options) for pod in others]
    for name in (CPU, MEMORY):
        used = sum(one[name] for one in beside)
        if requested[name] + used > had[name]:
            return ResizeDecision(
                "deferred",
                f"Node didn't have enough resource: {name}, "
                f"requested: {requested[name]}, used: {used}, capacity: {had[name]}",
            )
    return _ACCEPTED


def restarted_by_resize(new: Pod, old: Pod) -> tuple[str, ...]:
    """The containers whose ``resizePolicy`` has them restarted for what changes, by name.

    Without a policy a resource is changed in place (NotRequired).
    """
    before = {container.name: container for container, _ in old.typed_containers()}
    return tuple(
        container.name
        for container, _ in new.typed_containers()
        if container.name in before and _restarts(container, before[container.name])
    )


def _infeasible(new: Pod, old: Pod, node: Node, profile: Profile) -> str:
    kubelet = node.kubelet
    if not gate(profile, kubelet, "InPlacePodVerticalScaling"):
        return "in-place resize is off (feature gate InPlacePodVerticalScaling)"
    if is_static_pod(old):
        return "In-place resize of static-pods is not supported"
    pod_level = gate(profile, kubelet, "PodLevelResources")
    qos_class = effective_class(old, classify(old, pod_level_resources=pod_level))
    if qos_class is QOSClass.GUARANTEED:
        if kubelet.cpu_manager_policy == "static" and not gate(
            profile, kubelet, "InPlacePodVerticalScalingExclusiveCPUs"
        ):
            return "Resize is infeasible for Guaranteed Pods alongside CPU Manager static policy"
        if kubelet.memory_manager_policy == "Static" and not gate(
            profile, kubelet, "InPlacePodVerticalScalingExclusiveMemory"
        ):
            return "Resize is infeasible for Guaranteed Pods alongside Memory Manager static policy"
    facts = node_facts(node, profile)
    before = {container.name: container for container, _ in old.typed_containers()}
    for container, _ in new.typed_containers():
        was = before.get(container.name)
        if (
            was is not None
            and _changes(container, was, MEMORY)
            and not _restarts(container, was)
            and swap_behavior(old, was, qos_class, facts) == "LimitedSwap"
        ):
            return "In-place resize of containers with swap is not supported"
    return ""


def _changes(new: Container, old: Container, name: str) -> bool:
    after, before = new.resources, old.resources
    return after.requests.get(name) != before.requests.get(name) or after.limits.get(
        name
    ) != before.limits.get(name)


def _restarts(new: Container, old: Container) -> bool:
    policies = {one.resource_name: one.restart_policy for one in new.resize_policy or ()}
    return any(policies.get(name) == _RESTART and _changes(new, old, name) for name in (CPU, MEMORY))


def _amounts(pod: Pod, options: ResourceOptions) -> dict[str, int]:
    requests = pod_requests(pod, options)
    return {name: _whole(name, requests.get(name, Quantity.zero())) for name in (CPU, MEMORY)}


def _whole(name: str, quantity: Quantity) -> int:
    return quantity.milli_value() if name == CPU else quantity.value()

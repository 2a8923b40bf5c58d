"""Kinds qos-cgroups, node-allocatable and cgroup-name."""

from __future__ import annotations

import json
from typing import Any

from cases import Case

from kinds.common import Answer, facts_of, list_json, parsed, quantities_of
from qos.errors import PlanError
from qos.model.cgroup_path import cgroup_name as join
from qos.model.cgroup_path import to_cgroupfs, to_systemd
from qos.model.node import KubeletConfiguration
from qos.model.pod import Pod
from qos.model.quantity import Quantity
from qos.policy import allocatable
from qos.policy.base import ResourceConfig
from qos.policy.formulas import shares_to_weight_linear
from qos.policy.pod_cgroup import options_of
from qos.policy.pod_resources import pod_requests
from qos.policy.qos_class import classify, effective_class
from qos.policy.qos_level import level_configs, level_totals, node_config


def config_json(config: ResourceConfig) -> dict[str, Any]:
    """A config as the vectors write it: what is set."""
    shown: dict[str, Any] = {}
    if config.cpu_shares is not None:
        shown["cpuShares"] = config.cpu_shares
        shown["cpuWeight"] = shares_to_weight_linear(config.cpu_shares)
    if config.memory_bytes is not None:
        shown["memory"] = config.memory_bytes
    if config.pids_limit is not None:
        shown["pidsLimit"] = config.pids_limit
    if config.hugepages:
        shown["hugePageLimit"] = {str(size): limit for size, limit in config.hugepages.items()}
    if config.unified:
        shown["unified"] = {knob.replace("_", "."): str(value) for knob, value in config.unified.items()}
    return shown


def qos_cgroups(case: Case) -> Answer:
    """setCPUCgroupConfig, setMemoryQoS, setMemoryReserve."""
    facts = facts_of(case.node)
    pods = [Pod.model_validate(pod) for pod in case.input["pods"]]
    decisions = [classify(pod, pod_level_resources=facts.pod_level_resources) for pod in pods]
    classes = [effective_class(pod, decision) for pod, decision in zip(pods, decisions, strict=True)]
    requests = [pod_requests(pod, options_of(facts)) for pod in pods]
    configs = level_configs(level_totals(zip(pods, classes, requests, strict=True), facts), facts)
    got = {
        "podQOS": {pod.name: str(qos_class) for pod, qos_class in zip(pods, classes, strict=True)},
        "qosCgroups": {str(qos_class): config_json(config) for qos_class, config in configs.items()},
    }
    return case.expect, got


def node_allocatable(case: Case) -> Answer:
    """GetNodeAllocatableAbsolute and -Reservation, validateNodeAllocatable, and the reserved cgroups."""
    given = case.input
    kubelet = KubeletConfiguration.model_validate(
        {name: given.get(name) or {} for name in ("systemReserved", "kubeReserved", "evictionHard")}
    )
    capacity = {name: Quantity.parse(text) for name, text in given["capacity"].items()}
    absolute = allocatable.allocatable_absolute(capacity, kubelet)
    if case.is_upstream_table:
        got = {
            "nodeAllocatableAbsolute": quantities_of(absolute),
            "reservation": quantities_of(allocatable.reservation(capacity, kubelet)),
            "validationError": not allocatable.reservation_fits(capacity, kubelet),
        }
        lists = ("nodeAllocatableAbsolute", "reservation")
        return {key: parsed(value) if key in lists else value for key, value in case.expect.items()}, got
    got = {
        "nodeAllocatableAbsolute": list_json(absolute),
        "reservation": list_json(allocatable.reservation(capacity, kubelet)),
        "statusCapacity": list_json(allocatable.status_capacity(capacity, kubelet)),
        "statusAllocatable": list_json(allocatable.status_allocatable(capacity, kubelet)),
        "validationError": not allocatable.reservation_fits(capacity, kubelet),
        "kubepodsCgroup": config_json(node_config(absolute)),
        "systemReservedCgroup": config_json(node_config(kubelet.system_reserved)),
        "kubeReservedCgroup": config_json(node_config(kubelet.kube_reserved)),
        "kubeReservedCompressibleCgroup": config_json(
            node_config(kubelet.kube_reserved, compressible_only=True)
        ),
    }
    return case.expect, got


def cgroup_name(case: Case) -> Answer:
    """NewCgroupName, ToCgroupfs, ToSystemd; a refusal in the words of its panic."""
    components = case.input["components"]
    try:
        name = join(components)
        got: dict[str, Any] = {"cgroupfs": to_cgroupfs(name), "systemd": to_systemd(name)}
    except PlanError:
        shown = " ".join(json.dumps(component) for component in components)
        got = {"error": f"panic: invalid character in component [{shown}] of CgroupName"}
    return case.expect, got

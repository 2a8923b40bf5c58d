"""What the fidelity suite's scenarios are made of: containers, pods, cases, and the YAML of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Plain = Mapping[str, Any]
KUBELET: Plain = {"kubeReserved": {"cpu": "50m", "memory": "128Mi"}}
MADE_BY = "# made by: python benchmarks/fidelity_grid.py make\n"


@dataclass(frozen=True)
class Box:
    """One container: its name, resources and what its processes want."""

    name: str
    load: Plain
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pod:
    """One pod, with its own limits where it has some."""

    name: str
    boxes: Sequence[Box]
    limits: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One scenario of the suite.

    Attributes:
        rules: of a QoSPolicy on top of ``policy``; such a case runs under the policy of its own name.
        cpus: of the node, and so of the guest.
        kubelet: the node's KubeletConfiguration.
    """

    name: str
    question: str
    pods: Sequence[Pod]
    seconds: int = 4
    policy: str = "kubelet"
    rules: Sequence[Plain] = ()
    cpus: int = 1
    kubelet: Plain = field(default_factory=lambda: KUBELET)
    agents: Sequence[str] = ()
    interval: str = "2s"
    gates: Mapping[str, bool] = field(default_factory=dict)

    def documents(self) -> list[dict[str, Any]]:
        """The scenario as plain data, and the policy it brings where it has one."""
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"guest-{self.cpus}cpu-1gi"},
            "status": {"capacity": {"cpu": str(self.cpus), "memory": "1Gi", "pods": "110"}},
            "kubelet": dict(self.kubelet),
        }
        spec: dict[str, Any] = {
            "question": self.question,
            "duration": f"{self.seconds}s",
            "sampleInterval": self.interval,
            **({"profile": {"featureGates": dict(self.gates)}} if self.gates else {}),
            "nodes": [node],
            "policies": [self.name if self.rules else self.policy],
            "agents": list(self.agents),
            "pods": [_pod(pod) for pod in self.pods],
            "workloads": [
                {
                    "name": pod.name if len(pod.boxes) == 1 else f"{pod.name}-{box.name}",
                    "selector": f"app={pod.name}",
                    "container": box.name,
                    **box.load,
                }
                for pod in self.pods
                for box in pod.boxes
                if box.load
            ],
        }
        scenario = {
            "apiVersion": "qos.dev/v1alpha1",
            "kind": "Scenario",
            "metadata": {"name": self.name},
            "spec": spec,
        }
        if not self.rules:
            return [scenario]
        policy = {
            "apiVersion": "qos.dev/v1alpha1",
            "kind": "QoSPolicy",
            "metadata": {"name": self.name},
            "spec": {"base": self.policy, "rules": [dict(rule) for rule in self.rules]},
        }
        return [scenario, policy]


def _pod(pod: Pod) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": box.name,
                "image": "load",
                "resources": {"requests": dict(box.requests), "limits": dict(box.limits)},
            }
            for box in pod.boxes
        ]
    }
    if pod.limits:
        spec["resources"] = {"limits": dict(pod.limits), "requests": dict(pod.limits)}
    metadata: dict[str, Any] = {"name": pod.name, "labels": {"app": pod.name}}
    if pod.annotations:
        metadata["annotations"] = dict(pod.annotations)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def one(name: str, load: Plain, cpu: str = "", limit: str = "", *, request: str = "", most: str = "") -> Pod:
    """A pod of one container: CPU request and limit, memory request and limit."""
    requests = {"cpu": cpu} if cpu else {}
    limits = {"cpu": limit} if limit else {}
    if request:
        requests["memory"] = request
    if most:
        limits["memory"] = most
    return Pod(name, [Box("c", load, requests, limits)])


def cpu(shape: str, **words: Any) -> dict[str, Any]:
    """A load of one CPU shape."""
    return {"cpu": {"shape": shape, **words}}


def anon(**words: Any) -> dict[str, Any]:
    """A load of anonymous memory."""
    return {"memory": {"anon": words}}


def rule(level: str, pod: str = "", qos_class: str = "", **files: Any) -> dict[str, Any]:
    """A rule of a QoSPolicy; files with underscores for dots."""
    found: dict[str, Any] = {"level": level}
    if pod:
        found["pod"] = pod
    if qos_class:
        found["qosClass"] = qos_class
    return found | {"set": {name.replace("_", "."): value for name, value in files.items()}}


SPIN = cpu("spin")

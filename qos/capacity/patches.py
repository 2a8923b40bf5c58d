"""Recommendations as something to apply: `kubectl patch`, a kustomization, Helm values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import yaml

from qos.capacity.recommend import MIB, Resources

_API: Final = MappingProxyType(
    {
        "Pod": "v1", "ReplicationController": "v1", "Deployment": "apps/v1", "StatefulSet": "apps/v1",
        "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1",
    }
)  # fmt: skip
KINDS: Final = tuple(_API)
_REPLICA_SET_POD: Final = re.compile(r"(?P<name>.+)-[0-9a-z]{8,10}-[0-9a-z]{5}")
_ORDINAL_POD: Final = re.compile(r"(?P<name>.+)-\d+")


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """The container a recommendation is for."""

    namespace: str
    kind: str
    name: str
    container: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


class _Lines(str):
    """A text that stands in YAML line by line."""

    __slots__ = ()


class _LinesDumper(yaml.SafeDumper):
    """Plain data, and such texts."""


_LinesDumper.add_representer(
    _Lines, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def owner_of(pod: str) -> tuple[str, str]:
    """Kind and name of what a pod's name says it belongs to.

    >>> owner_of("web-7d4b9c6f5-x2x9p"), owner_of("db-0"), owner_of("one")
    (('Deployment', 'web'), ('StatefulSet', 'db'), ('Pod', 'one'))
    """
    if found := _REPLICA_SET_POD.fullmatch(pod):
        return "Deployment", found["name"]
    if found := _ORDINAL_POD.fullmatch(pod):
        return "StatefulSet", found["name"]
    return "Pod", pod


def resources_of(found: Resources) -> dict[str, dict[str, str]]:
    """``resources:`` as the API has it: the memory limit equals the request, CPU has no limit.

    >>> resources_of(Resources(250, 512 << 20))
    {'requests': {'cpu': '250m', 'memory': '512Mi'}, 'limits': {'memory': '512Mi'}}
    """
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if found.cpu_milli is not None:
        requests["cpu"] = cpu_text(found.cpu_milli)
    if found.memory_bytes is not None:
        requests["memory"] = limits["memory"] = f"{found.memory_bytes // MIB}Mi"
    return {"requests": requests} | ({"limits": limits} if limits else {})


def cpu_text(milli: int) -> str:
    """Thousandths as a quantity: 1500 is 1500m, 2000 is 2."""
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def kubectl(found: Sequence[tuple[Target, Resources]]) -> str:
    """One `kubectl patch` a workload, ready for a shell; a running pod is resized in place."""
    lines = []
    for (namespace, kind, name), containers in _by_workload(found).items():
        sub = ["--subresource", "resize"] if kind == "Pod" else []
        words = ["kubectl", "--namespace", namespace, "patch", kind.lower(), name, *sub]
        words += ["--type", "strategic", "--patch", json.dumps(_wrapped(kind, containers))]
        lines.append(shlex.join(words))
    return "\n".join(lines)


def kustomize(found: Sequence[tuple[Target, Resources]]) -> str:
    """A kustomization.yaml whose patches set the resources; add it beside the resources it names."""
    patches = []
    for (namespace, kind, name), containers in _by_workload(found).items():
        document = {
            "apiVersion": _API[kind],
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            **_wrapped(kind, containers),
        }
        patches.append(
            {
                "target": {"kind": kind, "name": name, "namespace": namespace},
                "patch": _Lines(yaml.safe_dump(document, sort_keys=False)),
            }
        )
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "patches": patches,
    }
    return yaml.dump(kustomization, Dumper=_LinesDumper, sort_keys=False).rstrip()


def helm(found: Sequence[tuple[Target, Resources]]) -> str:
    """Values: ``NAME.resources`` of a workload with one container, ``NAME.CONTAINER.resources`` of others."""
    values: dict[str, Any] = {}
    for (_, _, name), containers in _by_workload(found).items():
        if len(containers) == 1:
            values[name] = {"resources": containers[0]["resources"]}
        else:
            values[name] = {each["name"]: {"resources": each["resources"]} for each in containers}
    return yaml.safe_dump(values, sort_keys=False).rstrip()


def _by_workload(
    found: Sequence[tuple[Target, Resources]],
) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    workloads: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for target, resources in found:
        key = (target.namespace, target.kind, target.name)
        workloads.setdefault(key, []).append({"name": target.container, "resources": resources_of(resources)})
    return workloads


def _wrapped(kind: str, containers: list[dict[str, Any]]) -> dict[str, Any]:
    """A patch of a kind that sets its containers' resources."""
    pod = {"spec": {"containers": containers}}
    if kind == "Pod":
        return pod
    template = {"spec": {"template": pod}}
    return {"spec": {"jobTemplate": template}} if kind == "CronJob" else template

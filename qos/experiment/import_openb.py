"""`qos import openb`: the node and pod tables of a cluster trace as a scenario of a fleet.

Nodes are grouped into classes of equal ones with a ``count:``. Pods keep what the table says of them: their
requests, and as labels what Alibaba calls their qos. Each has its node written down, as the default
scheduler's least-allocated scoring gives it, GPUs included. How much CPU pods use is not in the tables: it is
``use`` of their request, swinging over the day, and said so in the scenario.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qos.capacity.openb import openb_demand, openb_fleet
from qos.capacity.pack import pack
from qos.errors import InputError
from qos.scenario.openb import NodeRow, PodRow, read_openb_nodes, read_openb_pods

PODS_FILE: Final = "pods.json"
_WHOLE_GPU: Final = 1000
_MEMORY_PART: Final = 0.7


@dataclass(frozen=True, slots=True)
class Imported:
    """A scenario made of tables: file name → plain document, and what to say about it.

    Attributes:
        scenario: the Scenario document.
        pods: the pods that found a node, as a v1 List.
        left_out: pods that fit no node.
    """

    scenario: dict[str, Any]
    pods: dict[str, Any]
    nodes: int
    left_out: int


def import_openb(
    nodes_file: str,
    pods_file: str,
    *,
    name: str,
    use: float = 0.5,
    by_name: bool = False,
    duration: str = "1h",
    step: str = "10s",
) -> Imported:
    """A fleet of the openb tables.

    Args:
        nodes_file: ``sn,cpu_milli,memory_mib,gpu,model``.
        pods_file: ``name,cpu_milli,memory_mib,num_gpu,gpu_milli,…``.
        name: of the scenario.
        use: mean CPU use as a part of the request.
        by_name: pods called Guaranteed get limits like their requests, those called BE no requests, so that
            their Kubernetes class is what they are called; else all have requests only, as in the trace.
        duration: of the scenario.
        step: its sampleInterval.

    Raises:
        InputError: a table is unreadable, or no pod fits.
    """
    nodes, pods = read_openb_nodes(nodes_file), read_openb_pods(pods_file)
    fleet = openb_fleet(nodes)
    place = pack(fleet, openb_demand([row[:6] for row in pods], fleet), "least-allocated").node.tolist()
    if not any(node >= 0 for node in place):
        raise InputError("no pod fits any node", field="--pods", value=pods_file)
    classes = _classes(nodes)
    names = _names(nodes, classes)
    placed = [(pod, names[node]) for pod, node in zip(pods, place, strict=True) if node >= 0]
    spec = {
        "question": f"Who gets CPU, and who waits, on {len(nodes):,} nodes with {len(placed):,} pods?",
        "duration": duration,
        "sampleInterval": step,
        "nodes": [_node(row, title, len(members)) for row, (title, members) in classes.items()],
        "manifests": [PODS_FILE],
        "workloads": list(_workloads([pod for pod, _ in placed], use)),
        "policies": ["kubelet"],
        "agents": [],
    }
    metadata = {"name": name, "description": _description(use)}
    return Imported(
        {"apiVersion": "qos.dev/v1alpha1", "kind": "Scenario", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "List", "items": [_pod(pod, node, by_name) for pod, node in placed]},
        len(nodes),
        len(pods) - len(placed),
    )


def _description(use: float) -> str:
    """What is assumed, since the tables do not tell it."""
    return (
        f"Made by qos import openb. The tables tell requests and not use: every pod uses {use:.0%} of its "
        f"CPU request on average, none to twice that over a day, and {_MEMORY_PART:.0%} of its memory."
    )


def _classes(nodes: Sequence[NodeRow]) -> dict[tuple[int, int, int, str], tuple[str, list[int]]]:
    """Equal machines → the name of their class and their numbers in the table, the largest class first."""
    members: dict[tuple[int, int, int, str], list[int]] = {}
    for index, row in enumerate(nodes):
        members.setdefault((row.cpu_milli, row.memory_mib, row.gpus, row.model), []).append(index)
    ordered = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    return {key: (_class_name(*key), indices) for key, indices in ordered}


def _class_name(cpu_milli: int, memory_mib: int, gpus: int, model: str) -> str:
    """A node class by what it has: ``cpu96-mem384gi-gpu8-g2``."""
    cpus = f"{cpu_milli / 1000:g}".replace(".", "p")
    memory = f"{memory_mib // 1024}gi" if memory_mib % 1024 == 0 else f"{memory_mib}mi"
    gpu = f"-gpu{gpus}-{model.lower()}" if gpus else ""
    return f"cpu{cpus}-mem{memory}{gpu}".rstrip("-")


def _names(
    nodes: Sequence[NodeRow], classes: dict[tuple[int, int, int, str], tuple[str, list[int]]]
) -> list[str]:
    """The name each node of the table has in the scenario, where ``count:`` numbers the nodes of a class."""
    names = [""] * len(nodes)
    for title, members in classes.values():
        for number, index in enumerate(members):
            names[index] = title if len(members) == 1 else f"{title}-{number}"
    return names


def _node(row: tuple[int, int, int, str], title: str, count: int) -> dict[str, Any]:
    cpu_milli, memory_mib, gpus, model = row
    capacity = {"cpu": f"{cpu_milli}m", "memory": f"{memory_mib}Mi", "pods": "250"}
    if gpus:
        capacity["nvidia.com/gpu"] = str(gpus)
    labels = {"pool": title} | ({"gpu-model": model} if model else {})
    # The tables have what pods may request: nothing of it is reserved for the system.
    kubelet = {"maxPods": 250, "evictionHard": {"memory.available": "0%"}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": title, "labels": labels},
        "status": {"capacity": capacity},
        "kubelet": kubelet,
        **({"count": count} if count > 1 else {}),
    }


def _pod(row: PodRow, node: str, by_name: bool) -> dict[str, Any]:
    asked = {"cpu": f"{row.cpu_milli}m", "memory": f"{row.memory_mib}Mi"}
    resources: dict[str, Any] = {"requests": asked}
    if by_name and row.qos == "Guaranteed":
        resources["limits"] = asked
    elif by_name and row.qos == "BE":
        resources = {}
    if row.gpus and row.gpu_milli == _WHOLE_GPU:
        gpu = {"nvidia.com/gpu": str(row.gpus)}
        resources = {
            "requests": {**resources.get("requests", {}), **gpu},
            "limits": {**resources.get("limits", {}), **gpu},
        }
    labels = {"qos": row.qos or "unknown", "size": _size(row)}
    if row.gpus and row.gpu_milli != _WHOLE_GPU:
        labels["gpu-milli"] = str(row.gpu_milli)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": row.name, "labels": labels},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "trace", "resources": resources}],
        },
    }


def _size(row: PodRow) -> str:
    return f"{row.cpu_milli}m-{row.memory_mib}Mi"


def _workloads(pods: Sequence[PodRow], use: float) -> Iterator[dict[str, Any]]:
    """A workload for each qos and size; those of one qos have one name, and are one line in results."""
    sizes = {(pod.qos or "unknown", _size(pod)): pod for pod in pods}
    for (qos, size), pod in sorted(sizes.items()):
        mean = f"{round(pod.cpu_milli * use * 1000)}u"
        cpu = {"shape": "periodic", "mean": mean, "amplitude": mean, "cycle": "24h"}
        memory = {"anon": {"start": f"{round(pod.memory_mib * _MEMORY_PART)}Mi"}}
        yield {
            "name": qos,
            "selector": f"qos={qos},size={size}",
            **({"cpu": cpu} if pod.cpu_milli else {}),
            **({"memory": memory} if pod.memory_mib else {}),
        }

"""Which workload runs in which container: label selectors resolved, ambiguities refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.pod import Pod
from qos.scenario.document import ScenarioWorkload
from qos.scenario.load import Document, FieldPath
from qos.scenario.validation import error_at

_PATH: FieldPath = ("spec", "workloads")


@dataclass(frozen=True, slots=True)
class Bound:
    """Workloads; for each pod in order, container name → index of its workload; the same of other cgroups."""

    workloads: tuple[ScenarioWorkload, ...]
    containers: tuple[dict[str, int], ...]
    system: dict[CgroupName, int]


def bind(document: Document, workloads: Sequence[ScenarioWorkload], pods: Sequence[Pod]) -> Bound:
    """Every workload bound to one container of each pod it selects.

    Raises:
        InputError: a selector matches nothing, a container is missing or not told, or one container has two.
    """
    containers: list[dict[str, int]] = [{} for _ in pods]
    alike, kinds = _alike(pods)
    system: dict[CgroupName, int] = {}
    for number, workload in enumerate(workloads):
        if workload.cgroup is not None:
            if workload.cgroup in system:
                other = workloads[system[CgroupName(workload.cgroup)]].name
                what = f"cgroup {workload.cgroup!r} already runs workload {other!r}"
                raise _error(document, number, "cgroup", what, "one workload a cgroup")
            system[CgroupName(workload.cgroup)] = number
            continue
        selected = [kind for kind, members in enumerate(kinds) if _selects(workload, pods[members[0]])]
        if not selected:
            raise _error(document, number, "selector", "matches no pod", _labels(pods))
        for index in (kinds[kind][0] for kind in selected):
            container = _container(document, number, workload, pods[index])
            if container in containers[index]:
                other = workloads[containers[index][container]].name
                what = f"container {container!r} of pod {pods[index].name!r} already runs workload {other!r}"
                raise _error(document, number, "selector", what, "one workload a container")
            containers[index][container] = number
    containers = [dict(containers[kinds[kind][0]]) for kind in alike]
    return Bound(tuple(workloads), tuple(containers), system)


def _alike(pods: Sequence[Pod]) -> tuple[list[int], list[list[int]]]:
    """Kind of each pod, and the pods of each kind: all that selectors look at is the same."""
    kinds: dict[tuple[object, ...], int] = {}
    known: dict[tuple[int, int, str], int] = {}
    of_pod: list[int] = []
    members: list[list[int]] = []
    for index, pod in enumerate(pods):
        # Replicas share these objects; pods written one by one share only what they say.
        same = (id(pod.metadata.labels), id(pod.spec), pod.namespace)
        kind = known.get(same)
        if kind is None:
            says = (
                pod.namespace,
                tuple(sorted(pod.metadata.labels.items())),
                tuple((each.name, type_) for each, type_ in pod.typed_containers()),
            )
            kind = known[same] = kinds.setdefault(says, len(kinds))
            if kind == len(members):
                members.append([])
        members[kind].append(index)
        of_pod.append(kind)
    return of_pod, members


def _selects(workload: ScenarioWorkload, pod: Pod) -> bool:
    if workload.namespace is not None and workload.namespace != pod.namespace:
        return False
    return workload.selector is not None and workload.selector.matches(pod.metadata.labels)


def _container(document: Document, number: int, workload: ScenarioWorkload, pod: Pod) -> str:
    running = [container.name for container, type_ in pod.typed_containers() if type_ != "init"]
    choices = " or ".join(running)
    if workload.container is not None:
        if workload.container in running:
            return workload.container
        problem = f"pod {pod.name!r} has no lasting container {workload.container!r}"
        raise _error(document, number, "container", problem, choices)
    regular = [container.name for container in pod.spec.containers]
    if len(regular) != 1:
        problem = f"pod {pod.name!r} has {len(regular)} containers"
        raise _error(document, number, "container", problem, choices)
    return regular[0]


def _error(document: Document, number: int, field: str, problem: str, expected: str) -> InputError:
    return error_at(document, (*_PATH, number, field), problem, expected)


def _labels(pods: Sequence[Pod]) -> str:
    pairs = sorted({f"{key}={value}" for pod in pods for key, value in pod.metadata.labels.items()})
    return "a label of a pod: " + ", ".join(pairs[:8]) if pairs else "pods with labels"

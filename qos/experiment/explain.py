"""`qos explain`: manifests → classes, cgroup values and the CPU each is sure to get, with the reasons."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from qos.check.lint import Finding
from qos.errors import InputError, SourceRef, printable
from qos.experiment.admission import as_stored
from qos.experiment.lint import lint_pod
from qos.experiment.policies import policy_named
from qos.experiment.profiles import profile_of, read_profile
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.allocatable import node_allocatable, reservation_fits
from qos.policy.base import PlanDetails, PodDetails
from qos.policy.registry import plan_node
from qos.policy.shares import node_shares
from qos.scenario.load import garbage_collector_paused
from qos.scenario.manifest import Manifests, Skipped, read_manifests
from qos.scenario.nodes import check_capacity, read_node
from qos.scenario.pod_document import SourcedPod

if TYPE_CHECKING:
    from qos.scenario.selector import LabelSelector

ASSUMED_CAPACITY: Final = {"cpu": "4", "memory": "16Gi", "pods": "110"}
LEVELS: Final = frozenset({"node", "qos"})


@dataclass(frozen=True, slots=True)
class ExplainedPod:
    """One workload's pod: where it came from, and what became of it."""

    sourced: SourcedPod
    details: PodDetails

    @property
    def reason(self) -> str:
        """The sentence that decides the class."""
        reason = self.details.decision.reason
        stated = self.sourced.pod.status.qos_class
        if stated is not None and stated != self.details.qos_class:
            return f"{reason} (its status says {stated}, which its resources contradict)"
        return reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything `qos explain` knows.

    Attributes:
        node_assumed: no node was given, so a small one was taken.
        pods: the pods asked for, in order of the input; the plan is made of all of the input.
        details: the plan of all pods on one node, one pod a workload whatever its replicas.
        shares: CPUs each cgroup is sure to get when every container wants all it may use.
    """

    profile: Profile
    policy: str
    node: Node
    node_assumed: bool
    pods: tuple[ExplainedPod, ...]
    details: PlanDetails
    shares: Mapping[CgroupName, float]
    skipped: tuple[Skipped, ...]
    errors: tuple[InputError, ...]
    warnings: tuple[InputError, ...]

    def findings(self, pod: ExplainedPod) -> tuple[Finding, ...]:
        """What lint finds in one of the pods; told on the terminal, not part of the machine form."""
        return lint_pod(pod.details, self.details.plan, self.node)

    @property
    def levels(self) -> tuple[CgroupName, ...]:
        """The cgroups above the pods: kubepods and the QoS levels."""
        return tuple(name for name in self.details.plan if self._level(name) in LEVELS)

    @property
    def shown_cgroups(self) -> tuple[CgroupName, ...]:
        """The levels, and the cgroups of the pods asked for."""
        return (*self.levels, *self.pod_cgroups)

    @property
    def pod_cgroups(self) -> tuple[CgroupName, ...]:
        """The cgroups of the pods asked for."""
        return tuple(name for each in self.pods for name in pod_cgroups(each))

    def _level(self, name: CgroupName) -> str:
        context = self.details.contexts.get(name)
        return context.level if context else "node"

    def to_json(self) -> dict[str, Any]:
        """The stable machine form (README, "qos explain -o json")."""
        files = self.files(self.shown_cgroups)
        return {**self.head_json(), "pods": self.pods_json(files), "cgroups": files, **self.tail_json()}

    def files(self, cgroups: Iterable[CgroupName]) -> dict[CgroupName, dict[str, str]]:
        """Cgroup → file → text as the kernel would be written it."""
        specs = self.details.plan.cgroups
        return {name: specs[name].files() for name in cgroups}

    def head_json(self) -> dict[str, Any]:
        """What stands before the pods in the machine form."""
        return {
            "profile": str(self.profile),
            "node": node_json(self.node, assumed=self.node_assumed),
        }

    def pods_json(self, files: Mapping[CgroupName, dict[str, str]]) -> list[dict[str, Any]]:
        """The pods in the machine form, with their ``files``."""
        return [_pod_json(each, files) for each in self.pods]

    def tail_json(self) -> dict[str, Any]:
        """What stands after the cgroups in the machine form."""
        return {
            "skipped": [
                {"source": str(each.source), "kind": each.kind, "why": each.why} for each in self.skipped
            ],
            "errors": [error_json(each) for each in self.errors],
        }


def explain(
    paths: Sequence[str | os.PathLike[str]],
    *,
    stdin: BinaryIO | None = None,
    node: str | os.PathLike[str] | Node | None = None,
    policy: str = "kubelet",
    profile: str | Profile | None = None,
    selector: str | None = None,
) -> dict[str, Any]:
    """What a kubelet makes of some manifests, as `qos explain -o json` prints it.

    Args:
        paths: files, directories, or ``-`` for ``stdin``.
        stdin: bytes to read for ``-``.
        node: a file with a v1 Node and a KubeletConfiguration, or a Node. Without one the only Node in the
            input is used, else a node of 4 CPUs and 16 GiB is assumed.
        policy: whose values: a name, or a file with a QoSPolicy.
        profile: which Kubernetes, runtime and kernel; the node's own versions where it reports them.
        selector: show only pods with these labels (``app=web``).

    Raises:
        InputError: an option is wrong. Bad documents are listed under ``errors`` instead.
    """
    manifests = read_manifests(paths, stdin)
    return explain_manifests(
        manifests, node=node, policy=policy, profile=profile, selector=selector
    ).to_json()


def explain_manifests(
    manifests: Manifests,
    *,
    node: str | os.PathLike[str] | Node | None = None,
    policy: str = "kubelet",
    profile: str | Profile | None = None,
    selector: str | None = None,
) -> Explanation:
    """As :func:`explain`, of manifests that were read, with every formula.

    Raises:
        InputError: an option is wrong.
    """
    chosen = policy_named(policy)
    wanted = selector_of(selector)
    machine, assumed, warnings = choose_node(manifests, node)
    used = choose_profile(profile, machine)
    with garbage_collector_paused():
        stored = as_stored(
            [without_stated_class(each.pod) for each in manifests.pods], manifests.limit_ranges
        )
        details = plan_node(chosen, stored, machine, used)
        shares = node_shares(details, machine)
    pods = tuple(
        ExplainedPod(sourced, planned)
        for sourced, planned in zip(manifests.pods, details.pods, strict=True)
        if wanted is None or wanted.matches(sourced.pod.metadata.labels)
    )
    return Explanation(
        profile=used,
        policy=chosen.name,
        node=machine,
        node_assumed=assumed,
        pods=pods,
        details=details,
        shares=shares,
        skipped=manifests.skipped,
        errors=manifests.errors,
        warnings=(*manifests.warnings, *warnings),
    )


def selector_of(text: str | None) -> LabelSelector | None:
    """The selector of ``-l``, None where none was given.

    Raises:
        InputError: it is none.
    """
    if text is None:
        return None
    from qos.scenario.selector import parse_selector

    try:
        return parse_selector(text)
    except ValueError as error:
        raise InputError(str(error), field="selector", value=text) from None


def without_stated_class(pod: Pod) -> Pod:
    """The pod by its resources alone: an edited dump keeps the class it once had."""
    if pod.status.qos_class is None:
        return pod
    return pod.model_copy(update={"status": pod.status.model_copy(update={"qos_class": None})})


def choose_node(
    manifests: Manifests, node: str | os.PathLike[str] | Node | None
) -> tuple[Node, bool, list[InputError]]:
    """The node to explain on, whether it is only assumed, and what to say about that.

    Raises:
        InputError: the node file is wrong, or the node reserves more than it has.
    """
    warnings: list[InputError] = []
    source = SourceRef(os.fspath(node)) if node is not None and not isinstance(node, Node) else None
    assumed = False
    if isinstance(node, Node):
        machine = node
        check_capacity(machine, SourceRef(machine.name))
    elif node is not None:
        machine = read_node(node)
    elif len(manifests.nodes) == 1 and {"cpu", "memory"} <= manifests.nodes[0].status.capacity.keys():
        machine = _with_kubelet(manifests.nodes[0], manifests)
    else:
        assumed = True
        machine = _with_kubelet(
            Node.model_validate({"metadata": {"name": "assumed"}, "status": {"capacity": ASSUMED_CAPACITY}}),
            manifests,
        )
        if manifests.nodes:
            problem = f"the input holds {len(manifests.nodes)} Nodes, so none of them was used"
            warnings.append(InputError(problem, expected="--node FILE to choose one"))
    if not reservation_fits(machine.status.capacity, machine.kubelet):
        field = "kubeReserved + systemReserved + evictionHard"
        problem = "reserves more than the node has"
        raise InputError(problem, source=source, field=field, expected="less than status.capacity")
    return machine, assumed, warnings


def choose_profile(profile: str | Profile | None, node: Node) -> Profile:
    """The profile to explain by: the one given, else what the node reports.

    Raises:
        InputError: the name or file of a profile is wrong.
    """
    if isinstance(profile, Profile):
        return profile
    reported = profile_of(node)
    return reported if profile is None else read_profile(profile, reported)


def _with_kubelet(node: Node, manifests: Manifests) -> Node:
    if len(manifests.kubelet_configurations) != 1:
        return node
    return node.model_copy(update={"kubelet": manifests.kubelet_configurations[0]})


def pod_cgroups(pod: ExplainedPod) -> tuple[CgroupName, ...]:
    """The cgroups of a pod: its own, then its containers'."""
    return (pod.details.cgroup, *(container.cgroup for container in pod.details.containers))


def node_json(node: Node, *, assumed: bool) -> dict[str, Any]:
    """A node as plain data: name, capacity and allocatable as quantities."""
    return {
        "name": node.name,
        "assumed": assumed,
        "capacity": {name: str(quantity) for name, quantity in node.status.capacity.items()},
        "allocatable": {name: str(quantity) for name, quantity in node_allocatable(node).items()},
    }


def _pod_json(each: ExplainedPod, files: Mapping[CgroupName, dict[str, str]]) -> dict[str, Any]:
    details = each.details
    return {
        "namespace": details.pod.namespace,
        "name": details.pod.name,
        "uid": details.uid,
        "qosClass": details.qos_class.value,
        "reason": each.reason,
        "cgroup": details.cgroup,
        "files": files[details.cgroup],
        "containers": [
            {
                "name": container.container.name,
                "type": container.type,
                "cgroup": container.cgroup,
                "files": files[container.cgroup],
                "oomScoreAdj": container.oom_score_adj.value,
            }
            for container in details.containers
        ],
        "source": str(replace(each.sourced.source, column=None)),
    }


def error_json(error: InputError) -> dict[str, Any]:
    """An input error as plain data."""
    return {
        "source": str(error.source) if error.source else None,
        "field": printable(error.field) if error.field else None,
        "problem": printable(error.problem),
        "value": None if error.value is None else printable(str(error.value)),
        "expected": error.expected,
        "message": str(error),
    }

"""A Scenario, resolved: its nodes, its pods, and every workload bound to the containers it runs in."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from qos.errors import InputError, SourceRef
from qos.model.cgroup import CgroupName
from qos.model.expectation import Expectation
from qos.model.limit_range import LimitRange
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.workload import Trace, Workload
from qos.scenario.binding import bind
from qos.scenario.content_hash import content_hash
from qos.scenario.document import PolicyDocument, ScenarioDocument, ScenarioSpec
from qos.scenario.known_fields import nearest
from qos.scenario.load import Document, garbage_collector_paused, read_documents
from qos.scenario.manifest import Manifests, Skipped, collect
from qos.scenario.nodes import relative_to, scenario_nodes
from qos.scenario.overrides import Override, override_manifests, override_policies, override_scenario
from qos.scenario.placement import ScenarioPod, placed_pods
from qos.scenario.traces import read_trace
from qos.scenario.validation import error_at, named_in, one_or_all, validate


@dataclass(frozen=True, slots=True)
class SourcedPolicy:
    """A QoSPolicy document and where its fields stand."""

    document: PolicyDocument
    place: Document

    @property
    def name(self) -> str:
        """What ``policies:`` calls it."""
        return self.document.metadata.name


@dataclass(frozen=True, slots=True)
class Scenario:
    """A question with everything needed to answer it.

    Attributes:
        hash: SHA-256 (hex) of the document and of all it resolved to, for reproducing a result.
        nodes: counts expanded.
        placed: every pod with its node, source and owner, and what its containers' processes want.
        expect: each with the place it stands at.
        keep: globs of cgroups whose full curves are kept; empty keeps all.
        system: what runs in cgroups that are no pod's, such as ``system.slice``.
        limit_ranges: of its manifests; see :mod:`qos.experiment.admission`.
        policy_documents: QoSPolicy documents in the same file.
        skipped: documents of its manifests that are no workloads.
        warnings: what was tolerated while reading.
    """

    name: str
    question: str
    description: str
    duration_seconds: float
    seed: int
    sample_interval_seconds: float
    profile: Profile
    nodes: tuple[Node, ...]
    placed: tuple[ScenarioPod, ...]
    policies: tuple[str, ...]
    agents: tuple[str, ...]
    expect: tuple[tuple[Expectation, SourceRef], ...]
    keep: tuple[str, ...]
    hash: str
    source: SourceRef
    system: Mapping[CgroupName, Workload] = field(default_factory=dict)
    limit_ranges: tuple[LimitRange, ...] = ()
    policy_documents: tuple[SourcedPolicy, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[InputError, ...] = ()

    @property
    def node(self) -> Node:
        """The first node; the only one of a one-node scenario."""
        return self.nodes[0]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods, replicas expanded, each with its own name."""
        return tuple(each.pod for each in self.placed)

    @property
    def demand(self) -> dict[tuple[int, str], Workload]:
        """(Index in :attr:`pods`, container name) → what its processes want; idle containers are left out."""
        return {
            (index, container): workload
            for index, each in enumerate(self.placed)
            for container, workload in each.workloads.items()
        }


def load_scenario(
    path: str | os.PathLike[str],
    *,
    known_policies: Collection[str] | None = None,
    known_agents: Collection[str] | None = None,
    stdin: BinaryIO | None = None,
    overrides: Sequence[Override] = (),
) -> Scenario:
    """The scenario of a file, with all that it names read and bound.

    Args:
        path: the file, or ``-`` for ``stdin``.
        known_policies: names that exist; None checks nothing.
        known_agents: names that exist; None checks nothing.
        stdin: read when ``path`` is ``-``.
        overrides: fields given other values than the documents have.

    Raises:
        InputError: something is wrong, or the scenario is impossible; InputErrors where several things are.
    """
    with garbage_collector_paused():
        document, policy_documents = _read(path, stdin, overrides)
        scenario = validate(ScenarioDocument, document.data, document)
        names = {each.name for each in policy_documents}
        _check_names(document, "policies", scenario.spec.policies, known_policies, names)
        _check_names(document, "agents", scenario.spec.agents, known_agents, set())
        _check_times(document, scenario.spec)
        _check_expectations(document, scenario.spec)
        return _resolved(document, scenario, policy_documents, overrides)


def scenario_parts(
    path: str | os.PathLike[str], stdin: BinaryIO | None = None
) -> tuple[tuple[Node, ...], Manifests]:
    """The nodes and the workloads of a scenario's file, replicas not expanded.

    Raises:
        InputError: something is wrong; InputErrors where several things are.
    """
    document, _ = _read(path, stdin, ())
    spec = validate(ScenarioDocument, document.data, document).spec
    return scenario_nodes(document, spec.nodes, ("spec", "nodes")), _manifests(document, spec, ())


def scenario_workloads(path: str | os.PathLike[str], pods: Sequence[Pod]) -> tuple[dict[str, Workload], ...]:
    """What the containers of any pods want, by the workloads of a scenario's file: container → workload.

    Raises:
        InputError: a selector matches none of the pods, or something else is wrong.
    """
    document, _ = _read(path, None, ())
    spec = validate(ScenarioDocument, document.data, document).spec
    bound = bind(document, spec.workloads, pods)
    workloads = [_plain(document, number, each) for number, each in enumerate(bound.workloads)]
    return tuple(
        {container: workloads[index] for container, index in containers.items()}
        for containers in bound.containers
    )


def _resolved(
    document: Document,
    scenario: ScenarioDocument,
    policy_documents: Sequence[SourcedPolicy],
    overrides: Sequence[Override],
) -> Scenario:
    spec = scenario.spec
    nodes = scenario_nodes(document, spec.nodes, ("spec", "nodes"))
    manifests = _manifests(document, spec, overrides)
    placed, system = _bound(document, spec, placed_pods(document, manifests.pods, nodes))
    return Scenario(
        name=scenario.metadata.name,
        question=spec.question,
        description=scenario.metadata.description or scenario.metadata.annotations.get("description", ""),
        duration_seconds=spec.duration,
        seed=spec.seed,
        sample_interval_seconds=spec.sample_interval,
        profile=spec.profile.profile(),
        nodes=nodes,
        placed=placed,
        policies=spec.policies,
        agents=spec.agents,
        expect=tuple(
            (each, document.locate(("spec", "expect", index))) for index, each in enumerate(spec.expect)
        ),
        keep=spec.keep,
        hash=content_hash(document, nodes, placed, _beside(policy_documents, manifests, system)),
        source=document.source,
        system=system,
        limit_ranges=manifests.limit_ranges,
        policy_documents=tuple(policy_documents),
        skipped=manifests.skipped,
        warnings=(*document.warnings, *manifests.warnings, *_agents_of_fleets(document, spec, nodes)),
    )


def _agents_of_fleets(document: Document, spec: ScenarioSpec, nodes: Sequence[Node]) -> Iterator[InputError]:
    """What to say of agents that are asked for by name where several nodes run without any."""
    if len(nodes) > 1 and spec.agents and "agents" in spec.model_fields_set:
        yield InputError(
            "several nodes run in steps, without agents: nobody is evicted or restarted",
            source=document.locate(("spec", "agents")),
            field="spec.agents",
            value=", ".join(spec.agents),
            expected="[]; one node runs in events, with agents",
        )


def _bound(
    document: Document, spec: ScenarioSpec, pods: Sequence[ScenarioPod]
) -> tuple[tuple[ScenarioPod, ...], dict[CgroupName, Workload]]:
    bound = bind(document, spec.workloads, [each.pod for each in pods])
    workloads = [_plain(document, number, each) for number, each in enumerate(bound.workloads)]
    placed = tuple(
        replace(pod, workloads={container: workloads[index] for container, index in containers.items()})
        for pod, containers in zip(pods, bound.containers, strict=True)
    )
    return placed, {cgroup: workloads[index] for cgroup, index in bound.system.items()}


def _read(
    path: str | os.PathLike[str], stdin: BinaryIO | None, overrides: Sequence[Override] = ()
) -> tuple[Document, list[SourcedPolicy]]:
    """The one Scenario document of a file, and its QoSPolicy documents."""
    scenarios: list[Document] = []
    policies: list[Document] = []
    for document in read_documents([path], stdin):
        if isinstance(document, InputError):
            raise document
        data = document.data
        if data is None:
            continue
        kind = data.get("kind") if isinstance(data, dict) else None
        if kind == "QoSPolicy":
            policies.append(document)
        elif kind == "Scenario":
            scenarios.append(document)
        else:
            raise InputError(
                "is no scenario", source=document.locate(("kind",)), field="kind", value=kind,
                expected="Scenario (or QoSPolicy beside it); pods belong under spec.pods or spec.manifests",
            )  # fmt: skip
    if len(scenarios) != 1:
        source = scenarios[1].source if scenarios else SourceRef(os.fspath(path))
        raise InputError(f"holds {len(scenarios)} Scenarios", source=source, expected="one")
    sourced = [
        SourcedPolicy(validate(PolicyDocument, each.data, each), each)
        for each in override_policies(policies, overrides)
    ]
    return override_scenario(scenarios[0], overrides), sourced


def _check_names(
    document: Document, field_name: str, names: Sequence[str], known: Collection[str] | None, also: set[str]
) -> None:
    for index, name in enumerate(names):
        path = ("spec", field_name, index)
        if name in names[:index]:
            raise error_at(document, path, "is named twice", "each once", value=name)
        if known is None or name in known or name in also:
            continue
        choices = sorted({*known, *also})
        close = nearest(name, dict.fromkeys(choices))
        expected = repr(close) if close else "one of " + ", ".join(choices)
        raise error_at(document, path, "is not known", expected, value=name)


def _check_times(document: Document, spec: ScenarioSpec) -> None:
    if spec.sample_interval > spec.duration:
        raise error_at(
            document, ("spec", "sampleInterval"), "is longer than the duration",
            f"at most {spec.duration:g} s", value=spec.sample_interval,
        )  # fmt: skip


def _check_expectations(document: Document, spec: ScenarioSpec) -> None:
    workloads = {each.name for each in spec.workloads}
    for index, expectation in enumerate(spec.expect):
        for field_name, value, known in (
            ("policy", expectation.policy, spec.policies),
            ("relativeTo", expectation.relative_to, spec.policies),
            ("workload", expectation.workload, sorted(workloads)),
        ):
            if value is not None and value not in known:
                path = ("spec", "expect", index, field_name)
                expected = "one of " + ", ".join(known) if known else "one that it has; it has none"
                raise error_at(document, path, "is not in this scenario", expected, value=value)


def _manifests(document: Document, spec: ScenarioSpec, overrides: Sequence[Override] = ()) -> Manifests:
    """The pods of ``manifests:`` and ``pods:``, admitted with all objects of both."""
    inline = [
        Document(item, document.locate(("spec", "pods", index)), document.marks, path=("spec", "pods", index))
        for index, item in enumerate(spec.pods)
    ]
    found = collect(override_manifests([*inline, *_manifest_documents(document, spec)], overrides))
    if found.errors:
        raise one_or_all(found.errors)
    if not found.pods:
        raise InputError(
            "has no pods",
            source=document.locate(("spec",), key=True),
            field="spec",
            expected="pods: or manifests:",
        )
    return found


def _manifest_documents(document: Document, spec: ScenarioSpec) -> Iterator[Document | InputError]:
    """What ``manifests:`` name; a file that cannot be read is an error where it is named."""
    for index, file in enumerate(spec.manifests):
        for each in read_documents([relative_to(document, file)]):
            yield (
                named_in(document, ("spec", "manifests", index), each)
                if isinstance(each, InputError)
                else each
            )


def _plain(document: Document, number: int, workload: Workload) -> Workload:
    """A plain Workload (no selector), its trace read."""
    fields = {name: getattr(workload, name) for name in Workload.model_fields}
    if isinstance(workload.cpu, Trace):
        path = ("spec", "workloads", number, "cpu")
        try:
            fields["cpu"] = read_trace(workload.cpu, relative_to(document, ""))
        except InputError as error:
            raise named_in(document, path, error) from None
    return Workload.model_construct(**fields)


def _beside(
    policies: Sequence[SourcedPolicy], manifests: Manifests, system: Mapping[CgroupName, Workload]
) -> dict[str, Any]:
    """What else decides a result: policy documents, LimitRanges, work beside the pods; only what is there."""
    parts = {
        "policies": [each.place.data for each in policies],
        "limitRanges": [each.model_dump(mode="json") for each in manifests.limit_ranges],
        "system": {name: workload.model_dump(mode="json") for name, workload in system.items()},
    }
    return {name: part for name, part in parts.items() if part}

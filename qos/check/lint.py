"""Lint: values of a pod that do not do what their author most likely meant.

Pure: a pod and what a policy made of it in, findings out. Each rule is one function in
:mod:`qos.check.lint_pod` (what the manifest says) or :mod:`qos.check.lint_plan` (what came of it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan
from qos.model.pod import Container, ContainerType, Pod

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
_EMPTY: Final = CgroupSpec()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is probably not meant.

    Attributes:
        id: the rule's name, such as ``quota-rounded-up``.
        severity: error: does the opposite of what it says; warning: loses something; info: worth knowing.
        where: ``namespace/pod`` or ``namespace/pod/container``.
        reason: what happens and why, in numbers.
        fix: what to write instead.
    """

    id: str
    severity: Severity
    where: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.reason}. Fix: {self.fix} [{self.id}]"


@dataclass(frozen=True, slots=True)
class LintInput:
    """A pod and what was made of it.

    Attributes:
        pod: after API defaulting.
        cgroup: the pod's cgroup.
        containers: container name → its cgroup.
        plan: the node's plan.
        threads: container name → threads that want CPU at once, where known.
        page_cache: names of containers known to read or write files.
        node_cpus: CPUs of the node, None where unknown.
    """

    pod: Pod
    cgroup: CgroupName
    containers: Mapping[str, CgroupName]
    plan: Plan
    threads: Mapping[str, int] = field(default_factory=dict)
    page_cache: frozenset[str] = frozenset()
    node_cpus: float | None = None

    def where(self, container: str = "") -> str:
        """How messages name the pod, or one of its containers."""
        pod = f"{self.pod.namespace}/{self.pod.name}"
        return f"{pod}/{container}" if container else pod

    def spec(self, cgroup: CgroupName | None) -> CgroupSpec:
        """The values of one cgroup; nothing managed where it is not in the plan."""
        return self.plan.cgroups.get(cgroup, _EMPTY) if cgroup is not None else _EMPTY

    def planned(self) -> Iterator[tuple[Container, ContainerType, CgroupSpec]]:
        """Every container with its type and the values of its cgroup."""
        for container, kind in self.pod.typed_containers():
            yield container, kind, self.spec(self.containers.get(container.name))


Rule = Callable[[LintInput], Iterator[Finding]]


def lint(given: LintInput, rules: Mapping[str, Rule]) -> tuple[Finding, ...]:
    """Everything the rules find, worst first, then by place.

    Args:
        given: a pod and its part of a plan.
        rules: :data:`qos.check.lint_rules.RULES`, or some of them.
    """
    found = [finding for rule in rules.values() for finding in rule(given)]
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.where, one.id)))

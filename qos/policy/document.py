"""House policies written as a document instead of Python: fixed values and factors, by level and class.

The document itself (``kind: QoSPolicy``) is read by ``qos.scenario``, where file and line are known;
here its rules become a policy. A rule that could not work is refused when it is read, not when it runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from qos.errors import InputError
from qos.model.cgroup import CgroupSpec, CpuMax, Knob, knobs, parse_value
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.policy.base import CgroupContext, Explained, Level, PlanDetails, Policy, said
from qos.policy.facts import node_facts
from qos.policy.house import Changes, House, adjusted
from qos.policy.registry import plan_node

_FACTOR_UNITS: Final = frozenset({"share", "usec", "usec/usec", "bytes", "tasks"})
_BOUNDS: Final = {"share": (1, 10_000), "usec": (0, 2**44), "bytes": (0, 2**63 - 1), "tasks": (0, 4_194_304)}
_QUOTA_BOUNDS: Final = (1000, 2**44)


@dataclass(frozen=True, slots=True)
class DocumentRule:
    """What cgroups of one level, of one class or of any, get instead of the base policy's values.

    Attributes:
        level: node (kubepods), qos, pod or container.
        qos_class: None for any.
        fixed: file → value as its file is written; None leaves the file alone.
        factor: file → factor on the base policy's value; where that is none or ``max``, it stays.
        pod: glob of the names of pods that are meant; None for all. Of the levels pod and container only.
        container: glob of the names of containers; None for all. Of the level container only.
    """

    level: Level
    qos_class: QOSClass | None = None
    fixed: Mapping[str, str | int | None] = field(default_factory=dict)
    factor: Mapping[str, float] = field(default_factory=dict)
    pod: str | None = None
    container: str | None = None


def document_policy(name: str, base: Policy, rules: Sequence[DocumentRule], describe: str = "") -> Policy:
    """The policy of some rules on top of another; a later rule wins over an earlier one.

    Raises:
        InputError: a file that no cgroup has, a value out of range, or a factor on something not a number.
    """
    compiled = tuple(_compile(rule, f"spec.rules[{index}]") for index, rule in enumerate(rules))
    return _DocumentPolicy(
        name, describe or f"{base.name} with {len(rules)} rules of its own", base, compiled
    )


@dataclass(frozen=True, slots=True)
class _Compiled:
    level: Level
    qos_class: QOSClass | None
    fixed: Mapping[str, Any]
    factor: Mapping[str, float]
    pod: str | None
    container: str | None

    def means(self, context: CgroupContext) -> bool:
        """Whether this rule is about a cgroup."""
        if self.level != context.level or self.qos_class not in {None, context.qos_class}:
            return False
        if self.pod is not None and not (context.pod and fnmatchcase(context.pod.name, self.pod)):
            return False
        name = context.container.container.name if context.container else ""
        return self.container is None or fnmatchcase(name, self.container)


@dataclass(frozen=True, slots=True)
class _DocumentPolicy:
    name: str
    describe: str
    base: Policy
    rules: tuple[_Compiled, ...]

    def plan(self, pods: Sequence[Pod], node: Node, profile: Profile) -> Plan:
        """The values for every cgroup of these pods on this node."""
        return self.details(pods, node, profile).plan

    def details(self, pods: Sequence[Pod], node: Node, profile: Profile) -> PlanDetails:
        """The plan, with everything that led to it."""
        base = plan_node(self.base, pods, node, profile)
        return adjusted(base, self._rule, House(node, profile, node_facts(node, profile)))

    def _rule(self, context: CgroupContext, house: House) -> Changes:  # noqa: ARG002 - every rule has this shape
        changes: dict[str, Explained | None] = {}
        for rule in self.rules:
            if not rule.means(context):
                continue
            for knob, value in rule.fixed.items():
                changes[knob] = None if value is None else said(value, f"{self.name}: fixed")
            for knob, factor in rule.factor.items():
                before = changes.get(knob) or context.values.get(knob)
                if before is not None:
                    changes[knob] = _scaled(before, factor, knobs()[knob], self.name)
        return changes


def _compile(rule: DocumentRule, where: str) -> _Compiled:
    if not rule.fixed and not rule.factor:
        raise InputError("sets nothing", field=where, expected="set: or factor: with at least one file")
    for name, glob, levels in (
        ("pod", rule.pod, ("pod", "container")),
        ("container", rule.container, ("container",)),
    ):
        if glob is not None and rule.level not in levels:
            expected = f"level: {' or '.join(levels)}"
            raise InputError(
                f"a rule of level {rule.level} is about no {name}",
                field=f"{where}.{name}",
                value=glob,
                expected=expected,
            )
    fixed: dict[str, Any] = {}
    for file, text in rule.fixed.items():
        knob = _knob(file, f"{where}.set")
        fixed[knob.field] = None if text is None else _checked(knob, text, f"{where}.set.{file}")
    factors: dict[str, float] = {}
    for file, factor in rule.factor.items():
        knob = _knob(file, f"{where}.factor")
        if knob.unit not in _FACTOR_UNITS:
            expected = f"a fixed value under set: ({file} is a {knob.unit})"
            raise InputError(
                "cannot be multiplied", field=f"{where}.factor.{file}", value=factor, expected=expected
            )
        if not 0 < factor < float("inf"):
            raise InputError(
                "must be a positive number",
                field=f"{where}.factor.{file}",
                value=factor,
                expected="such as 0.5 or 2",
            )
        if knob.field in fixed:
            raise InputError(
                "is set and multiplied by one rule", field=f"{where}.factor.{file}", expected="one of the two"
            )
        factors[knob.field] = factor
    return _Compiled(rule.level, rule.qos_class, fixed, factors, rule.pod, rule.container)


def _knob(file: str, where: str) -> Knob:
    knob = _by_file().get(file)
    if knob is None:
        near = difflib.get_close_matches(file, _by_file(), n=1)
        expected = f"did you mean {near[0]}" if near else "such as cpu.weight or memory.high"
        raise InputError("no such file of a cgroup", field=where, value=file, expected=expected)
    return knob


@cache
def _by_file() -> dict[str, Knob]:
    return {knob.file: knob for knob in knobs().values()}


def _checked(knob: Knob, text: str | int, where: str) -> Any:
    try:
        spec = CgroupSpec.model_validate({knob.field: parse_value(knob, str(text))})
    except (ValidationError, ValueError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(
            f"not a value of {knob.file}: {why}", field=where, value=text, expected=knob.doc
        ) from None
    return getattr(spec, knob.field)


def _scaled(before: Explained, factor: float, knob: Knob, name: str) -> Explained:
    value = before.value
    exact = Fraction(str(factor))  # 0.1 as written, not as the nearest binary number
    if isinstance(value, CpuMax):
        if value.quota_usec == "max":
            return before
        quota = _within(value.quota_usec * exact, _QUOTA_BOUNDS)
        new: Any = CpuMax(quota_usec=quota, period_usec=value.period_usec)
    elif isinstance(value, int):
        new = _within(value * exact, _BOUNDS[knob.unit])
    else:
        return before
    return Explained(new, "{}: {} · {} = {}".format, (name, factor, value, new))


def _within(value: Fraction, bounds: tuple[int, int]) -> int:
    return min(max(int(value), bounds[0]), bounds[1])

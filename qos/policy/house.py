"""House policies: the kubelet's plan with some values changed, one small rule each.

A rule looks at one cgroup in its place and returns the values that differ; None takes a value out, so
that the policy does not manage the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy.base import CgroupContext, Explained, LevelTotals, PlanDetails, make_spec
from qos.policy.facts import NodeFacts, node_facts
from qos.policy.kubelet import kubelet_details


@dataclass(frozen=True, slots=True)
class House:
    """What a rule may know beside the cgroup it looks at."""

    node: Node
    profile: Profile
    facts: NodeFacts


Changes = Mapping[str, Explained | None]
Rule = Callable[[CgroupContext, House], Changes]


@dataclass(frozen=True, slots=True)
class HousePolicy:
    """The kubelet's plan with a rule applied to every cgroup.

    Attributes:
        rule: what differs in one cgroup.
        settings: kubelet settings that the house turns on for itself, applied before planning.
    """

    name: str
    describe: str
    rule: Rule | None = None
    settings: Callable[[NodeFacts], NodeFacts] | None = None

    def plan(self, pods: Sequence[Pod], node: Node, profile: Profile) -> Plan:
        """The values for every cgroup of these pods on this node."""
        return self.details(pods, node, profile).plan

    def details(self, pods: Sequence[Pod], node: Node, profile: Profile) -> PlanDetails:
        """The plan, with everything that led to it."""
        return self.part(pods, node, profile, None)

    def part(
        self, pods: Sequence[Pod], node: Node, profile: Profile, totals: LevelTotals | None
    ) -> PlanDetails:
        """As :class:`qos.policy.base.PartwisePolicy` has it."""
        facts = node_facts(node, profile)
        if self.settings is not None:
            facts = self.settings(facts)
        base = kubelet_details(pods, node, facts, totals)
        return base if self.rule is None else adjusted(base, self.rule, House(node, profile, facts))


def adjusted(base: PlanDetails, rule: Rule, house: House) -> PlanDetails:
    """``base`` with ``rule`` applied to every cgroup; classes and oom_score_adj stay."""
    contexts: dict[CgroupName, CgroupContext] = {}
    for name, context in base.contexts.items():
        changes = rule(context, house)
        if changes:
            values = {**context.values, **changes}
            kept = {knob: explained for knob, explained in values.items() if explained is not None}
            context = context._replace(values=kept)  # noqa: PLW2901 - the changed one takes its place
        contexts[name] = context
    plan = Plan(
        MappingProxyType({name: make_spec(context.values) for name, context in contexts.items()}),
        base.plan.oom_score_adj,
    )
    return PlanDetails(
        plan, {name: c.values for name, c in contexts.items()}, base.pods, contexts, base.totals
    )

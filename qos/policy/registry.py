"""Every policy by its name: ours, and those that other packages offer as entry points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final

from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.policy.base import CgroupContext, Explained, ExplainingPolicy, PlanDetails, Policy, said
from qos.policy.best_effort_idle import BEST_EFFORT_IDLE
from qos.policy.cpu_burst import CPU_BURST
from qos.policy.io_weight_by_class import IO_WEIGHT_BY_CLASS
from qos.policy.kubelet import KubeletPolicy
from qos.policy.kubepods_below_system import KUBEPODS_BELOW_SYSTEM
from qos.policy.memory_high_factor import MEMORY_HIGH_FACTOR
from qos.policy.memory_qos_tiers import MEMORY_QOS_TIERS
from qos.policy.no_cpu_limits import NO_CPU_LIMITS

ENTRY_POINTS: Final = "qos.policies"

POLICIES: Final[Mapping[str, Policy]] = {
    "kubelet": KubeletPolicy(),
    "no-cpu-limits": NO_CPU_LIMITS,
    "memory-qos-tiers": MEMORY_QOS_TIERS,
    "cpu-burst": CPU_BURST,
    "best-effort-idle": BEST_EFFORT_IDLE,
    "memory-high-factor": MEMORY_HIGH_FACTOR,
    "kubepods-below-system": KUBEPODS_BELOW_SYSTEM,
    "io-weight-by-class": IO_WEIGHT_BY_CLASS,
}


def find_policy(name: str) -> Policy:
    """The policy of a name: a built-in one, or an entry point's.

    Raises:
        InputError: no such policy, or an entry point that is none.
    """
    if name in POLICIES:
        return POLICIES[name]
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return _load(entry.name, entry.load())
    raise InputError(
        "no such policy", field="policy", value=name, expected="one of " + ", ".join(policy_names())
    )


def policy_names() -> tuple[str, ...]:
    """The names of all policies, built-in ones first."""
    others = sorted({entry.name for entry in entry_points(group=ENTRY_POINTS)} - POLICIES.keys())
    return (*POLICIES, *others)


def all_policies() -> dict[str, Policy]:
    """Every policy by name; entry points are loaded.

    Raises:
        InputError: an entry point that is no policy.
    """
    return {name: find_policy(name) for name in policy_names()}


def plan_node(policy: Policy, pods: Sequence[Pod], node: Node, profile: Profile) -> PlanDetails:
    """The plan of a policy with everything that led to it.

    A policy that only plans has the kubelet's classes and containers, and its name as every formula.
    """
    if isinstance(policy, ExplainingPolicy):
        return policy.details(pods, node, profile)
    plan = policy.plan(pods, node, profile)
    kubelet = KubeletPolicy().details(pods, node, profile)
    why = f"set by policy {policy.name}"
    contexts = {}
    for name, spec in plan.cgroups.items():
        values = {knob: said(value, why) for knob, value in spec if value is not None}
        known = kubelet.contexts.get(name)
        contexts[name] = known._replace(values=values) if known else _own_cgroup(name, values)
    return PlanDetails(plan, {name: c.values for name, c in contexts.items()}, kubelet.pods, contexts)


def _own_cgroup(name: CgroupName, values: Mapping[str, Explained]) -> CgroupContext:
    """Where a cgroup stands that only the policy knows: at the node's level if it is a top one."""
    return CgroupContext(name, "container" if "/" in name else "node", QOSClass.GUARANTEED, values)


def _load(name: str, loaded: object) -> Policy:
    made = loaded() if isinstance(loaded, type) else loaded
    if isinstance(made, Policy):
        return made
    raise InputError(
        f"entry point {name!r} of group {ENTRY_POINTS} is no policy",
        value=type(made).__name__,
        expected="an object with name, describe and plan(pods, node, profile)",
    )

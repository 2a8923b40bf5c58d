"""What the kernel lab's guests can be asked to measure: sizes, what their kernels lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qos.errors import HostError, InputError
from qos.experiment.admission import as_stored
from qos.experiment.measure import check_size, node_size
from qos.experiment.policies import policy_named
from qos.experiment.rig import disk_mib
from qos.policy.registry import plan_node
from qos.scenario.scenario import Scenario

LANES_CPUS: Final[Mapping[str, tuple[int, ...]]] = {
    "uml": (1,),
    "built": (1, 2, 3, 4),
    "qemu": (1, 2, 3, 4),
}
"""How many CPUs a guest of each lane can have."""

_CONTROLLERS: Final = frozenset({"cpu", "cpuset", "io", "memory", "pids"})
_LACKS: Final[Mapping[str, set[str]]] = {"uml": {"cpuset", "io.weight"}, "built": set(), "qemu": set()}
_MODULES: Final = ("ext4", "veth", "sch_tbf", "sch_htb")
MEMORY_MIB: Final[Mapping[str, tuple[int, int]]] = {
    "uml": (256, 4096),
    "built": (256, 8192),
    "qemu": (256, 8192),
}


def guest_size(scenario: Scenario, lane: str) -> tuple[int, int]:
    """CPUs and MiB of memory to boot a guest with, so that it is the scenario's node.

    Raises:
        InputError: that lane has no such guest.
    """
    cpus, memory = node_size(scenario)
    mebibytes = memory >> 20
    low, high = MEMORY_MIB[lane]
    able = LANES_CPUS[lane]
    fitting = cpus if cpus in able else able[0]
    sizes = _sizes(lane)
    others = [name for name in _there() if _is_large_enough(name, cpus, mebibytes)]
    if cpus not in able and others:
        sizes += f"; a guest of that size: --kernel {others[0]}"
    check_size(scenario, int(fitting), min(max(mebibytes, low), high) << 20, f"a guest of lane {lane}", sizes)
    return int(cpus), mebibytes


def choose_lane(scenario: Scenario, policy: str) -> str:
    """The first lane, the quickest first, whose guest can be the scenario's node and has what its plan needs.

    Two CPUs, cpuset and io.weight are the built kernel's where it was built, else QEMU's.

    Raises:
        InputError: an unknown policy, or a node that no guest can be.
    """
    wanted = _needs(scenario, policy)
    cpus, memory = node_size(scenario)
    for lane in _there():
        if _is_large_enough(lane, cpus, memory >> 20) and not wanted & _LACKS[lane]:
            return lane
    # several nodes and loads beside pods are told before a size
    check_size(scenario, int(cpus), memory, "any guest")
    raise InputError(
        "no guest of the kernel lab can be the scenario's node",
        source=scenario.source,
        field="spec.nodes.status.capacity",
        value=f"cpu {cpus:g}, memory {memory >> 20}Mi",
        expected=" or ".join(f"{_sizes(lane)} ({lane})" for lane in _there()),
    )


def check_lane(scenario: Scenario, policy: str, lane: str) -> None:
    """Refuse a lane whose kernel lacks what the plan needs, before it is booted.

    Raises:
        InputError: an unknown policy.
        HostError: it lacks something; says which, and a lane that has it.
    """
    lacks = _needs(scenario, policy) & _LACKS[lane]
    if lacks:
        raise HostError(_lacks_words(scenario, policy, sorted(lacks), f"the kernel of {lane}"))


def _there() -> list[str]:
    """The lanes that this machine has, the quickest first."""
    from enforcer.lab.build import is_built

    return [lane for lane in LANES_CPUS if lane != "built" or is_built()]


def _is_large_enough(lane: str, cpus: float, mebibytes: int) -> bool:
    low, high = MEMORY_MIB[lane]
    return cpus in LANES_CPUS[lane] and low <= mebibytes <= high


def _sizes(lane: str) -> str:
    able = [str(count) for count in LANES_CPUS[lane]]
    counts = " or ".join(filter(None, (", ".join(able[:-1]), able[-1])))
    low, high = MEMORY_MIB[lane]
    return f"cpu {counts}, memory {low}Mi to {high}Mi"


def _lacks_words(scenario: Scenario, policy: str, lacks: Sequence[str], kernel: str) -> str:
    lane = next(lane for lane in _there() if not _LACKS[lane] & set(lacks))
    return (
        f"{scenario.source}: the plan of {policy} needs {', '.join(lacks)}, which {kernel} has not; "
        f"try --kernel {lane}"
    )


def warnings_of(scenario: Scenario, lane: str) -> list[str]:
    """What a measurement in that guest will suffer from on this machine, a sentence each.

    A guest's CPUs are threads of this machine: more of them than it has take turns, which the guest does
    not see, so that work takes longer than its CPU time says. Emulated ones are slow (docs/lab.md).
    """
    from enforcer.lab.build import is_built
    from enforcer.place import cpu_count

    cpus, here = int(node_size(scenario)[0]), cpu_count()
    told = []
    if cpus > here:
        told.append(
            f"the node has {cpus} CPUs and this machine {here}: the guest's CPUs take turns, "
            "so its pods get less done than is predicted"
        )
    if lane == "qemu" and not is_built():
        told.append("emulated CPUs are slow; `make lab-kernel` (7 minutes, once) builds a kernel that is not")
    return told


def missing_features(scenario: Scenario, policy: str) -> list[str]:
    """What a scenario's plan needs of the kernel and this machine's has not: ``cpuset``, ``io.weight``.

    Raises:
        InputError: an unknown policy.
        HostError: no cgroup v2 here.
    """
    from enforcer.place import open_tree, writable_root

    with open_tree(writable_root()) as fs:
        there = set((fs.read_or_none("", "cgroup.controllers") or "").split())
        if fs.read_or_none("", "io.cost.qos") is not None:
            there.add("io.weight")
    return sorted(_needs(scenario, policy) - there)


def check_features(scenario: Scenario, policy: str) -> None:
    """Refuse a scenario whose plan this machine's kernel cannot carry out.

    Raises:
        InputError: an unknown policy.
        HostError: it cannot.
    """
    lacks = missing_features(scenario, policy)
    if lacks:
        raise HostError(_lacks_words(scenario, policy, lacks, "this kernel"))


def _needs(scenario: Scenario, policy: str) -> set[str]:
    """Controllers, and ``io.weight`` which is not built everywhere."""
    rules = policy_named(policy, scenario.policy_documents)
    stored = as_stored(scenario.pods, scenario.limit_ranges)
    plan = plan_node(rules, stored, scenario.node, scenario.profile).plan
    files = {file for spec in plan.cgroups.values() for file in spec.files()}
    needs = {file.partition(".")[0] for file in files} & _CONTROLLERS
    return needs | ({"io.weight"} & files)


def guest_words(*scenarios: Scenario) -> dict[str, Any]:
    """Words of ``run_in_guest``: the modules a run may need, and a disk where a load uses one."""
    return {"modules": _MODULES, "disk_mib": max(disk_mib(scenario) for scenario in scenarios)}

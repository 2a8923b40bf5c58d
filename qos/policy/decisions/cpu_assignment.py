"""Which CPUs the static CPU manager gives a container that asks for whole ones.

Packed (the default) fills one NUMA node, socket and core before it opens the next; distributed
(``distribute-cpus-across-numa``) gives each NUMA node an equal part.

Source: pkg/kubelet/cm/cpumanager/cpu_assignment.go of Kubernetes 1.36; KEP-2902 (distribute across NUMA),
KEP-4176 (spread over cores), KEP-4800 (prefer-align-cpus-by-uncorecache).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from qos.errors import PlanError
from qos.policy.decisions.cpu_topology import CpuTopology, Level


@dataclass(frozen=True, slots=True)
class AssignmentOptions:
    """The static policy's options.

    Attributes:
        across_numa: ``distribute-cpus-across-numa``.
        across_cores: ``distribute-cpus-across-cores``: do not take whole cores.
        align_uncore: ``prefer-align-cpus-by-uncorecache``.
        group_size: hand out so many at a time when distributing (threads of a core with
            ``full-pcpus-only``).
    """

    across_numa: bool = False
    across_cores: bool = False
    align_uncore: bool = False
    group_size: int = 1


DEFAULT = AssignmentOptions()


def assign_cpus(
    topology: CpuTopology, available: Iterable[int], count: int, options: AssignmentOptions = DEFAULT
) -> tuple[int, ...]:
    """``count`` of the available CPUs, ascending.

    Raises:
        PlanError: fewer are available.
    """
    free = frozenset(available)
    if count > len(free):
        raise PlanError(
            f"not enough cpus available to satisfy request: requested={count}, available={len(free)}"
        )
    if count <= 0:
        return ()
    if not options.across_numa:
        return tuple(sorted(_packed(topology, free, count, options)))
    taken = _distributed(topology, free, count, options) if count % options.group_size == 0 else None
    if taken is None:  # no set of nodes can give equal parts: packed, where caches play no part
        taken = _packed(topology, free, count, AssignmentOptions(across_cores=options.across_cores))
    return tuple(sorted(taken))


class _Taking:
    """What is still free, what has been taken, and how many are still needed."""

    def __init__(self, topology: CpuTopology, free: frozenset[int], count: int) -> None:
        self.topology = topology
        self.free = free
        self.needed = count
        self.taken: frozenset[int] = frozenset()

    def take(self, cpus: frozenset[int]) -> None:
        self.taken |= cpus
        self.free -= cpus
        self.needed -= len(cpus)

    def sockets(self) -> list[int]:
        if not self.topology.numa_first:
            return self.topology.fullest("socket", self.free)
        return self._within("numa", "socket")

    def numa_nodes(self) -> list[int]:
        if self.topology.numa_first:
            return self.topology.fullest("numa", self.free)
        return self._within("socket", "numa")

    def lowest(self, level: Level) -> list[int]:
        """Parts of a level below sockets and NUMA nodes, by the order of what holds them."""
        above: Level = "socket" if self.topology.numa_first else "numa"
        order = self.sockets() if self.topology.numa_first else self.numa_nodes()
        return [
            part
            for holder in order
            for part in self.topology.fullest(level, self.topology.inside(above, holder, self.free))
        ]

    def _within(self, holder_level: Level, level: Level) -> list[int]:
        return [
            part
            for holder in self.topology.fullest(holder_level, self.free)
            for part in self.topology.fullest(level, self.topology.inside(holder_level, holder, self.free))
        ]

    def take_whole(self, level: Level, order: Sequence[int]) -> None:
        """Each part in turn that is wholly free and not more than is needed."""
        for part in order:
            whole = self.topology.inside(level, part, self.topology.cpus)
            if self._is_free(level, part, whole) and self.needed >= len(whole):
                self.take(whole)

    def _is_free(self, level: Level, part: int, whole: frozenset[int]) -> bool:
        free = len(self.topology.inside(level, part, self.free))
        # Sockets and cores are taken to be all of one size, NUMA nodes and caches are counted.
        size = self.topology.average(level) if level in {"socket", "core"} else len(whole)
        return free == size

    def take_uncore(self) -> None:
        """Whole caches first, then the first cache that holds all that is left."""
        per_core = self.topology.average("core")
        for part in self.lowest("uncore"):
            if self.needed >= self.topology.average("uncore"):
                self.take_whole("uncore", self.lowest("uncore"))
            if self.needed < 1:
                return
            self._take_part_of_uncore(part, per_core)
            if self.needed < 1:
                return

    def _take_part_of_uncore(self, part: int, per_core: int) -> None:
        inside = self.topology.inside("uncore", part, self.free)
        cores = self.topology.parts("core", inside)[: _ceil(self.needed, per_core)]
        cpus = sorted(cpu for cpu in self.free if self.topology.cpus[cpu].core in cores)
        if self.needed % 2 and per_core > 1 and len(cpus) > self.needed:
            cpus = cpus[:-1]
        if len(cpus) == self.needed:
            self.take(frozenset(cpus))

    def take_single(self, across_cores: bool) -> None:
        """Single CPUs, filling cores that are partly taken first; or spread, in order of number."""
        level: Level = "socket" if across_cores else "core"
        for part in self.sockets() if across_cores else self.lowest("core"):
            for cpu in sorted(self.topology.inside(level, part, self.free)):
                if self.needed < 1:
                    return
                self.take(frozenset({cpu}))


def _packed(
    topology: CpuTopology, free: frozenset[int], count: int, options: AssignmentOptions
) -> frozenset[int]:
    taking = _Taking(topology, free, count)
    first: tuple[Level, Level] = ("numa", "socket") if topology.numa_first else ("socket", "numa")
    for level in first:
        taking.take_whole(level, taking.numa_nodes() if level == "numa" else taking.sockets())
    if options.align_uncore and taking.needed > 0:
        taking.take_uncore()
    if not options.across_cores:
        taking.take_whole("core", taking.lowest("core"))
    taking.take_single(options.across_cores)
    return taking.taken


def _distributed(
    topology: CpuTopology, free: frozenset[int], count: int, options: AssignmentOptions
) -> frozenset[int] | None:
    """Equal parts from as few NUMA nodes as can give them; None where no set of nodes can."""
    group = options.group_size
    taking = _Taking(topology, free, count)
    nodes = taking.numa_nodes()
    sizes = {node: len(topology.inside("numa", node, free)) for node in nodes}
    everywhere = len(topology.parts("numa", topology.cpus))
    groups_a_node = _ceil(_ceil(len(topology.cpus), group), everywhere)
    groups_needed = _ceil(count, group)
    for many in range(_ceil(groups_needed, groups_a_node), min(groups_needed, len(nodes)) + 1):
        found = _best_nodes(nodes, sizes, many, count, group)
        if found is None:
            continue
        chosen, with_remainder = found
        part = (count // many // group) * group
        packed = AssignmentOptions(across_cores=options.across_cores)
        for node in chosen:
            inside = topology.inside("numa", node, taking.free)
            taking.take(_packed(topology, inside, part, packed))
        while taking.needed > 0:
            for node in with_remainder:
                inside = topology.inside("numa", node, taking.free)
                if taking.needed > 0 and len(inside) >= group:
                    taking.take(_packed(topology, inside, group, packed))
        return taking.taken
    return None


def _best_nodes(
    nodes: Sequence[int], sizes: dict[int, int], many: int, count: int, group: int
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The set of nodes, and those of it that give the remainder, that leaves the nodes most alike."""
    part = (count // many // group) * group
    remainder = count - part * many
    best: tuple[float, tuple[int, ...], tuple[int, ...]] = (math.inf, (), ())
    for chosen in combinations(nodes, many):
        if best[0] == 0:
            break
        whole_groups = sum(sizes[node] // group for node in chosen) * group
        if whole_groups < count or any(sizes[node] < part for node in chosen):
            continue
        left = {node: sizes[node] - (part if node in chosen else 0) for node in nodes}
        balance, with_remainder = _best_remainder(chosen, left, remainder, group)
        if balance < best[0]:
            best = (balance, chosen, with_remainder)
    return None if best[0] == math.inf else best[1:]


def _best_remainder(
    chosen: tuple[int, ...], left: dict[int, int], remainder: int, group: int
) -> tuple[float, tuple[int, ...]]:
    if remainder == 0:
        return _spread(left.values()), ()
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    able = [node for node in chosen if left[node] >= group]
    for many in range(len(able), 0, -1):
        for subset in combinations(able, many):
            if sum(left[node] for node in subset) < remainder:
                continue
            after = _after_remainder(subset, left, remainder, group)
            if after is not None and _spread(after.values()) < best[0]:
                best = (_spread(after.values()), subset)
    return best


def _after_remainder(
    subset: tuple[int, ...], left: dict[int, int], remainder: int, group: int
) -> dict[int, int] | None:
    after = dict(left)
    while remainder > 0:
        able = [node for node in subset if after[node] >= group]
        if not able:
            return None
        for node in able[: _ceil(remainder, group)]:
            after[node] -= group
            remainder -= group
    return after


def _ceil(amount: int, by: int) -> int:
    return -(-amount // by)


def _spread(values: Iterable[int]) -> float:
    """The standard deviation to three places, as the kubelet compares it: of 2, 4 it is 1.0."""
    numbers = list(values)
    mean = sum(numbers) / len(numbers)
    deviation = math.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))
    return math.floor(deviation * 1000 + 0.5) / 1000

"""`qos simulate` of many nodes, or of one in steps: every policy and seed on the stepped kernel."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from qos.errors import InputError, PlanError
from qos.experiment.fleet_machines import FleetNode, fleet_nodes, group_keys, leaf_groups
from qos.experiment.fleet_place import FleetPlacement, place
from qos.experiment.simulate import describe
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.fleet_run import COUNTERS, FleetGroup, FleetRun
from qos.scenario.scenario import Scenario
from qos.simulate.fleet import Fleet, Watch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = dict[tuple[str, str, str], int]
MOST_READINGS: Final = 1440
_CHUNK_CELLS: Final = 1 << 23
"""Steps are run in stretches whose kept curves fill at most 32 MiB."""
_CHUNKS: Final = 40


class Sink(Protocol):
    """Where a run's bulk goes as it comes."""

    def names(self, leaves: Sequence[tuple[str, str, str]]) -> None:
        """(Node, namespace/pod, container) of the leaves whose curves are kept."""

    def curves(self, times: Floats, cpus: NDArray[np.float32]) -> None:
        """(T,) ends of steps and (T, K) CPUs used in them."""


def is_fleet(scenario: Scenario) -> bool:
    """Whether a scenario has more nodes than the event-driven kernel runs."""
    return len(scenario.nodes) > 1


def run_fleet(
    scenario: Scenario,
    policy: str,
    seed: int,
    *,
    placement: FleetPlacement | None = None,
    keep: Sequence[str] = (),
    sink: Sink | None = None,
    command: str = "",
    progress: Callable[[float], None] | None = None,
) -> FleetRun:
    """One policy and seed on all nodes, in steps of the scenario's sampleInterval.

    Args:
        scenario: nodes, pods and what they want.
        policy: its name.
        seed: of all that is random.
        placement: of the pods; None: :func:`qos.experiment.fleet_place.place`.
        keep: globs of ``namespace/pod``, ``node/namespace/pod`` or cgroups whose full curves go to ``sink``.
        sink: takes the curves; None keeps none.
        command: what the user typed.
        progress: told the fraction done.

    Raises:
        InputError: something in the scenario has no meaning in steps; the message says what.
    """
    placement = placement or place(scenario)
    seconds = scenario.sample_interval_seconds
    steps = _whole_steps(scenario, seconds)
    _refuse(scenario)
    nodes = fleet_nodes(scenario, policy, placement.node)
    try:
        fleet = Fleet([node.machine() for node in nodes], steps=steps, step_seconds=seconds, seed=seed)
    except PlanError as error:
        raise _in_steps(scenario, error) from None
    keys = group_keys(nodes)
    watch = _watch(nodes, fleet, keys)
    kept = _kept(nodes, fleet, keep) if sink and keep else []
    if sink:
        sink.names([name for _, name in kept])
    _advance(fleet, watch, [leaf for leaf, _ in kept], sink, progress)
    meta = _meta(scenario, seed, command, steps, fleet.leaves, placement)
    return _run(policy, meta, nodes, fleet, watch, keys, placement)


def _watch(nodes: Sequence[FleetNode], fleet: Fleet, keys: Keys) -> Watch:
    groups = leaf_groups(nodes, [frame.cgroups for frame in fleet.frames], keys)
    pools = {name: number for number, name in enumerate(dict.fromkeys(node.pool for node in nodes))}
    of_machine = np.array([pools[node.pool] for node in nodes], dtype=np.int64)
    return Watch(groups, of_machine, every=math.ceil(fleet.steps / MOST_READINGS), count=len(keys))


def _run(
    policy: str, meta: dict[str, Any], nodes: Sequence[FleetNode], fleet: Fleet, watch: Watch, keys: Keys,
    placement: FleetPlacement,
) -> FleetRun:  # fmt: skip
    """What was watched, with what memory did meanwhile."""
    memory, peaks = _memory(nodes, fleet, keys, watch.times)
    events, event_groups = _kills(nodes, fleet, keys)
    counts = _containers(nodes, keys)
    return FleetRun(
        policy=policy,
        seed=meta["seed"],
        meta=meta,
        groups=tuple(FleetGroup(*key, containers=int(counts[number])) for key, number in keys.items()),
        pools=dict(Counter(node.pool for node in nodes)),
        times=watch.times,
        counters={name: watch.sums[:, row] for row, name in enumerate(COUNTERS)},
        memory=memory,
        memory_peaks=peaks,
        use=watch.use,
        delay=watch.delay,
        busy=watch.busy,
        kills=np.bincount(event_groups, minlength=len(keys)).astype(np.int64),
        events=events,
        event_groups=event_groups,
        unplaced=placement.unplaced,
    )


def _whole_steps(scenario: Scenario, seconds: float) -> int:
    steps = scenario.duration_seconds / seconds
    if abs(steps - round(steps)) > 1e-6:
        raise InputError(
            f"{scenario.duration_seconds:g} s are no whole number of steps", source=scenario.source,
            field="spec.sampleInterval", value=f"{seconds:g}s", expected="a step that divides the duration",
        )  # fmt: skip
    return round(steps)


def _refuse(scenario: Scenario) -> None:
    """What steps would leave out without a word is an error instead."""
    swap = [node.name for node in scenario.nodes if node.swap_capacity_bytes]
    if swap:
        raise InputError(
            "swap is not computed in steps", source=scenario.source, field="spec.nodes", value=swap[0],
            expected="a node without swap",
        )  # fmt: skip


def _in_steps(scenario: Scenario, error: PlanError) -> InputError:
    return InputError(
        str(error), source=scenario.source, field="spec.workloads",
        expected="CPU shapes without events below a step (docs/fleets.md); one node runs in events",
    )  # fmt: skip


def _kept(
    nodes: Sequence[FleetNode], fleet: Fleet, keep: Sequence[str]
) -> list[tuple[int, tuple[str, str, str]]]:
    """(Leaf, (node, namespace/pod, container)) of what is asked for; a glob must match something."""
    hits = dict.fromkeys(keep, 0)
    kept = []
    for number, (node, frame) in enumerate(zip(nodes, fleet.frames, strict=True)):
        place_of = {name: place for place, name in enumerate(frame.cgroups)}
        for leaf in node.template.leaves:
            if leaf.cgroup not in place_of:
                continue
            pod = "" if leaf.pod < 0 else _key(node, leaf.pod)
            names = (pod or leaf.cgroup, f"{node.name}/{pod or leaf.cgroup}", leaf.workload, leaf.cgroup)
            matched = [glob for glob in keep if any(fnmatch.fnmatchcase(name, glob) for name in names)]
            for glob in matched:
                hits[glob] += 1
            if matched:
                at = int(fleet.first_leaf[number]) + place_of[leaf.cgroup]
                kept.append((at, (node.name, pod or leaf.cgroup, leaf.container)))
    for glob, count in hits.items():
        if not count:
            raise InputError(
                "matches no container that wants CPU", field="--keep", value=glob,
                expected="a glob of namespace/pod, node/namespace/pod, a workload or a cgroup",
            )  # fmt: skip
    return sorted(kept)


def _key(node: FleetNode, pod: int) -> str:
    return f"{node.pods[pod].pod.namespace}/{node.pods[pod].pod.name}"


def _advance(
    fleet: Fleet,
    watch: Watch,
    kept: Sequence[int],
    sink: Sink | None,
    progress: Callable[[float], None] | None,
) -> None:
    """All steps, in stretches: what is kept of one is handed on before the next begins."""
    chunk = max(1, min(_CHUNK_CELLS // max(len(kept), 1), math.ceil(fleet.steps / _CHUNKS)))
    while fleet.done < fleet.steps:
        begin = fleet.done
        curves = fleet.run(chunk, keep=kept or None, watch=watch)
        if sink and kept:
            ends: Floats = (np.arange(begin, fleet.done, dtype=np.float64) + 1.0) * fleet.step_seconds
            sink.curves(ends, curves)
        if progress:
            progress(fleet.done / fleet.steps)


def _memory(nodes: Sequence[FleetNode], fleet: Fleet, keys: Keys, times: Floats) -> tuple[Floats, Floats]:
    """(S, G) bytes held by each group, and (G,) the most of any one container."""
    total, peaks = np.zeros((len(times), len(keys))), np.zeros(len(keys))
    alike = Counter((id(frame), node.pool) for node, frame in zip(nodes, fleet.frames, strict=True))
    seen: set[tuple[int, str]] = set()
    for node, frame in zip(nodes, fleet.frames, strict=True):
        same = (id(frame), node.pool)
        if same in seen:
            continue
        seen.add(same)
        by_cgroup = {
            leaf.cgroup: keys[node.pool, leaf.qos_class, leaf.workload] for leaf in node.template.leaves
        }
        held = frame.held.at(times)
        most = frame.held.peaks(fleet.steps * fleet.step_seconds)
        for place_, name in enumerate(frame.held.cgroups):
            group = by_cgroup[name]
            total[:, group] += held[:, place_] * alike[same]
            peaks[group] = max(peaks[group], most[place_])
    return total, peaks


def _kills(nodes: Sequence[FleetNode], fleet: Fleet, keys: Keys) -> tuple[tuple[Event, ...], tuple[int, ...]]:
    """Kills of all machines in order of time, and the group of each."""
    found: list[tuple[Event, int]] = []
    for node, frame in zip(nodes, fleet.frames, strict=True):
        if not frame.held.kills:
            continue
        leaves = {leaf.cgroup: leaf for leaf in node.template.leaves}
        for kill in frame.held.kills:
            leaf = leaves[kill.cgroup]
            who = kill.cgroup if leaf.pod < 0 else f"{_key(node, leaf.pod)}/{leaf.container}"
            event = Event(kill.time, kill.kind, CgroupName(f"{node.name}/{who}"), kill.reason)
            found.append((event, keys[node.pool, leaf.qos_class, leaf.workload]))
    found.sort(key=lambda each: each[0].time)
    return tuple(event for event, _ in found), tuple(group for _, group in found)


def _containers(nodes: Sequence[FleetNode], keys: Keys) -> Ints:
    counts = np.zeros(len(keys), dtype=np.int64)
    for node in nodes:
        for leaf in node.template.leaves:
            counts[keys[node.pool, leaf.qos_class, leaf.workload]] += 1
    return counts


def _meta(
    scenario: Scenario, seed: int, command: str, steps: int, leaves: int, placement: FleetPlacement
) -> dict[str, Any]:
    found = describe(scenario, seed, command)
    del found["node"]
    return found | {
        "kernel": "steps",
        "nodes": len(scenario.nodes),
        "pods": int((placement.node >= 0).sum()),
        "containers": leaves,
        "steps": steps,
        "step_seconds": scenario.sample_interval_seconds,
    }

"""Memory of a machine that is computed in steps: polygons over time, and who is killed when, at exact times.

What a leaf holds does not depend on the CPU it gets, so nothing of it has to be stepped: sums of polygons
meet their limits where lines cross. Reclaim (page cache, swap, memory.high) is left to a SimKernel.

Source of the choice: mm/oom_kill.c of Linux 6.12, as ``oom``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import ROOT, CgroupName, parent
from qos.model.plan import Plan
from qos.model.workload import Workload
from qos.simulate.events import in_bytes
from qos.simulate.holders import corners

Floats = NDArray[np.float64]
_UNKILLABLE: Final = -1000
_OTHERS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Kill:
    """A leaf that was OOM-killed."""

    time: float
    kind: Literal["oom_kill", "global_oom_kill"]
    cgroup: CgroupName
    reason: str


@dataclass(slots=True)
class Held:
    """What the leaves of one machine hold.

    Attributes:
        cgroups: (L,) leaves with anonymous memory.
        times: of the corners of each.
        values: bytes at the corners.
        kills: in order of time.
    """

    cgroups: list[CgroupName] = field(default_factory=list)
    times: list[Floats] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)

    def at(self, times: Floats) -> Floats:
        """(T, L) bytes held at each time, after what happens then."""
        found = np.empty((len(times), len(self.cgroups)))
        for leaf in range(len(self.cgroups)):
            found[:, leaf] = _at(self.times[leaf], self.values[leaf], times, after=True)
        return found

    def peaks(self, until: float) -> Floats:
        """(L,) the most that each held up to a time."""
        return np.array(
            [
                max(
                    float(values[times <= until].max(initial=0.0)),
                    float(_at(times, values, np.array([until]))[0]),
                )
                for times, values in zip(self.times, self.values, strict=True)
            ]
        )


@dataclass(frozen=True, slots=True)
class _Limit:
    """A cgroup that may hold so much, and the leaves below it."""

    cgroup: CgroupName
    most: float
    leaves: list[int]


def reasons_against_memory(plan: Plan, workloads: Mapping[CgroupName, Workload]) -> list[str]:
    """Why memory cannot be computed beside steps, one sentence each."""
    found = []
    for name, workload in workloads.items():
        if workload.memory is not None and workload.memory.cache is not None:
            found.append(f"{name}: page cache is reclaimed as memory runs short")
        if workload.io is not None or workload.network is not None:
            found.append(f"{name}: disk and network traffic are flows of their own")
    most = {name: float(corners(load.memory.anon)[1].max()) for name, load in workloads.items()
            if load.memory is not None and load.memory.anon is not None}  # fmt: skip
    for name, spec in plan.cgroups.items():
        high = spec.memory_high
        if high is not None and high != "max" and sum(
            held for leaf, held in most.items() if _below(leaf, name)
        ) > high:  # fmt: skip
            found.append(f"{name}: memory.high slows what grows beyond it")
    return found


def held_by(
    plan: Plan, workloads: Mapping[CgroupName, Workload], memory_bytes: float | None, until: float
) -> Held:
    """What each leaf holds up to ``until`` seconds; 80Mi growing by 1Mi/s under 100Mi are killed at 20 s."""
    held = Held()
    for name, workload in workloads.items():
        if workload.memory is not None and workload.memory.anon is not None:
            times, values = corners(workload.memory.anon)
            held.cgroups.append(name)
            held.times.append(times)
            held.values.append(values)
    limits = [
        limit
        for limit in _limits(plan, held.cgroups, memory_bytes)
        if sum(float(held.values[leaf].max()) for leaf in limit.leaves) > limit.most
    ]
    now = 0.0
    while limits:
        crossed = [(_crossing(held, limit, now, until), place) for place, limit in enumerate(limits)]
        now, place = min(crossed)
        if now > until:
            break
        if not _kill(held, plan, limits[place], now):
            limits.pop(place)
    return held


def _limits(plan: Plan, leaves: Sequence[CgroupName], memory_bytes: float | None) -> list[_Limit]:
    found = []
    for name in dict.fromkeys(above for leaf in leaves for above in _upwards(leaf)):
        spec = plan.cgroups.get(name)
        below = [place for place, leaf in enumerate(leaves) if _below(leaf, name)]
        if spec is not None and spec.memory_max is not None and spec.memory_max != "max":
            found.append(_Limit(name, float(spec.memory_max), below))
    if memory_bytes is not None:
        found.append(_Limit(ROOT, memory_bytes, list(range(len(leaves)))))
    return found


def _crossing(held: Held, limit: _Limit, begin: float, until: float) -> float:
    """The first time from ``begin`` on at which a limit is exceeded, inf if there is none."""
    corners_of = [held.times[leaf] for leaf in limit.leaves]
    inside = np.unique(np.concatenate([*corners_of, [begin, until]]))
    knots = inside[(inside >= begin) & (inside <= until)]
    first, last = np.zeros(len(knots)), np.zeros(len(knots))
    for leaf in limit.leaves:
        first += _at(held.times[leaf], held.values[leaf], knots, after=True)
        last += _at(held.times[leaf], held.values[leaf], knots)
    most = limit.most * (1.0 + _OTHERS)
    for place in range(len(knots)):
        if first[place] > most:
            return float(knots[place])
        if place + 1 < len(knots) and last[place + 1] > most:
            part = (limit.most - first[place]) / (last[place + 1] - first[place])
            return float(knots[place] + part * (knots[place + 1] - knots[place]))
    return math.inf


def _kill(held: Held, plan: Plan, limit: _Limit, now: float) -> bool:
    """Kill the worst below a limit; whether there was one."""
    adj = plan.oom_score_adj
    alive = {
        leaf: float(_at(held.times[leaf], held.values[leaf], np.array([now]))[0])
        for leaf in limit.leaves
        if adj.get(held.cgroups[leaf], 0) > _UNKILLABLE
        and not _dead(held, leaf, now)
    }  # fmt: skip
    if not alive:
        return False
    victim = max(alive, key=lambda leaf: alive[leaf] + adj.get(held.cgroups[leaf], 0) * limit.most / 1000.0)
    name = held.cgroups[victim]
    together = _together(plan, name, limit.cgroup)
    short = name.rpartition("/")[2]
    if limit.cgroup == ROOT:
        reason = f"{short} killed: the machine's {in_bytes(limit.most)} are used up"
    else:
        whose = "memory.max" if limit.cgroup == name else f"memory.max of {limit.cgroup},"
        reason = f"{short} killed: {whose} {in_bytes(limit.most)} reached"
    reason += f", {in_bytes(alive[victim])} anonymous"
    _end(held, victim, Kill(now, "global_oom_kill" if limit.cgroup == ROOT else "oom_kill", name, reason))
    for leaf, other in enumerate(held.cgroups):
        if together is not None and leaf != victim and _below(other, together) and not _dead(held, leaf, now):
            why = f"{other.rpartition('/')[2]} killed together with {name}: memory.oom.group"
            _end(held, leaf, Kill(now, "oom_kill", other, why))
    return True


def _together(plan: Plan, name: CgroupName, top: CgroupName) -> CgroupName | None:
    """The highest cgroup at or above a leaf, not above ``top``, whose tasks are killed together."""
    found = None
    for above in _upwards(name):
        spec = plan.cgroups.get(above)
        if spec is not None and spec.memory_oom_group:
            found = above
        if above == top:
            break
    return found


def _dead(held: Held, leaf: int, now: float) -> bool:
    return any(kill.cgroup == held.cgroups[leaf] and kill.time <= now for kill in held.kills)


def _end(held: Held, leaf: int, kill: Kill) -> None:
    """From the kill on the leaf holds nothing."""
    times, values = held.times[leaf], held.values[leaf]
    held.kills.append(kill)
    now = np.array([kill.time])
    before = times < kill.time
    last = _at(times, values, now)
    held.times[leaf] = np.concatenate([times[before], now, now])
    held.values[leaf] = np.concatenate([values[before], last, np.zeros(1)])


def _at(times: Floats, values: Floats, at: Floats, *, after: bool = False) -> Floats:
    """A polygon's value at each time: just before a step there, or after it."""
    if len(times) == 1:
        return np.full(len(at), values[0])
    right = np.clip(np.searchsorted(times, at, side="right" if after else "left"), 1, len(times) - 1)
    left = right - 1
    width = times[right] - times[left]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(width > 0.0, (at - times[left]) / width, 1.0)
    found: Floats = values[left] + np.clip(part, 0.0, 1.0) * (values[right] - values[left])
    return found


def _upwards(name: CgroupName) -> list[CgroupName]:
    found = []
    while name != ROOT:
        found.append(name)
        name = parent(name)
    return found


def _below(leaf: CgroupName, top: CgroupName) -> bool:
    return leaf == top or leaf.startswith(f"{top}/") or top == ROOT

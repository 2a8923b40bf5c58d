"""As :func:`qos.policy.shares.node_shares`, of a node planned in parts: three numbers a pod are held."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from qos.model.cgroup import CgroupName, parent
from qos.model.node import Node
from qos.policy.base import BEST_EFFORT, BURSTABLE, KUBEPODS, PlanDetails
from qos.policy.fair_share import ceilings_of, own_limit, shares_below, water_fill, weight_of
from qos.policy.shares import cpus_shared_out, limit_of, set_apart

_LEVELS: Final = (KUBEPODS, BEST_EFFORT, BURSTABLE)


def _numbers() -> dict[CgroupName, array[float]]:
    return {level: array("d") for level in _LEVELS}


@dataclass(slots=True)
class PartedShares:
    """CPUs that cgroups are sure to get: first every part is added, then all is shared out, then told.

    Parts are told in the order in which they were added.
    """

    node: Node
    _weights: dict[CgroupName, array[float]] = field(default_factory=_numbers)
    _ceilings: dict[CgroupName, array[float]] = field(default_factory=_numbers)
    _shares: dict[CgroupName, array[float]] = field(default_factory=_numbers)
    _exclusive: dict[CgroupName, int] = field(default_factory=lambda: dict.fromkeys(_LEVELS, 0))
    _told: dict[CgroupName, int] = field(default_factory=lambda: dict.fromkeys(_LEVELS, 0))

    def add(self, details: PlanDetails) -> None:
        """One more part: its pods' weights and what they can use."""
        done, exclusive = set_apart(details.pods, self.node)
        ceilings = ceilings_of(details.plan, {*done, *exclusive})
        for pod in details.pods:
            level = parent(pod.cgroup)
            self._weights[level].append(weight_of(details.plan.cgroups[pod.cgroup]))
            self._ceilings[level].append(ceilings[pod.cgroup])
        for name, count in exclusive.items():
            self._exclusive[parent(parent(name))] += count

    def share_out(self, levels: PlanDetails) -> dict[CgroupName, float]:
        """The shares of the levels, whose plan is given, when every part was added."""
        exclusive = sum(self._exclusive.values())
        specs = levels.plan.cgroups
        weights: dict[CgroupName | int, float] = {}
        ceilings: dict[CgroupName | int, float] = {}
        for level in (BEST_EFFORT, BURSTABLE):
            weights[level] = weight_of(specs[level])
            ceilings[level] = min(sum(self._ceilings[level]), own_limit(specs[level]))
        weights.update(enumerate(self._weights[KUBEPODS]))
        ceilings.update(enumerate(self._ceilings[KUBEPODS]))
        left = max(cpus_shared_out(self.node) - exclusive, 0.0)
        amount = min(left, own_limit(specs[KUBEPODS]), sum(ceilings.values()))
        given = water_fill(amount, weights, ceilings)
        self._shares[KUBEPODS] = _in_order(given[number] for number in range(len(self._weights[KUBEPODS])))
        for level in (BEST_EFFORT, BURSTABLE):
            inside = water_fill(
                given[level], dict(enumerate(self._weights[level])), dict(enumerate(self._ceilings[level]))
            )
            self._shares[level] = _in_order(inside.values())
        self._told = dict.fromkeys(_LEVELS, 0)
        return {
            KUBEPODS: amount + exclusive,
            **{level: given[level] + self._exclusive[level] for level in (BEST_EFFORT, BURSTABLE)},
        }

    def of(self, details: PlanDetails) -> dict[CgroupName, float]:
        """The shares of the next part's pods and containers."""
        done, exclusive = set_apart(details.pods, self.node)
        tops = {pod.cgroup: self._next(parent(pod.cgroup)) for pod in details.pods}
        shares = shares_below(details.plan, tops, ceilings_of(details.plan, {*done, *exclusive}))
        for name, count in exclusive.items():
            shares[name] += count
            shares[parent(name)] += count
        for name, pod_cgroup in done.items():
            shares[name] = min(shares[pod_cgroup], limit_of(details, name))
        return shares

    def _next(self, level: CgroupName) -> float:
        number = self._told[level]
        self._told[level] += 1
        return self._shares[level][number]


def _in_order(values: Iterable[float]) -> array[float]:
    return array("d", values)

"""When does it run out? The same cluster with more and more pods, to the day."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from qos.capacity.fit import NodesNeeded
from qos.capacity.pack import Scoring, pack
from qos.errors import InputError
from qos.experiment.plan import needed_of, packed_of, unplaced_by_reason
from qos.experiment.plan_cluster import MOST_PODS, Cluster, unbound

DAYS: Final = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "quarter": 365.25 / 4, "year": 365.25}
_TEXT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%\s*/\s*(day|week|month|quarter|year)")
_MOST_STEPS: Final = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """Compound growth: ``part`` more pods every ``unit``."""

    part: float
    unit: str

    def factor(self, days: float) -> float:
        """How many times as many after so many days: 3 % a month, after a year, 1.43."""
        return float((1.0 + self.part) ** (days / DAYS[self.unit]))


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of the curve.

    Attributes:
        day: when.
        factor: times as many pods as at the start.
        pods: all, those that lie there and DaemonSets' included.
        nodes: needed of the one class, None where that is not one question.
        fits: every pod finds a node.
        shares: resource → requested part of what all nodes offer.
    """

    day: date
    factor: float
    pods: int
    nodes: NodesNeeded | None
    fits: bool
    shares: dict[str, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth curve.

    Attributes:
        rate: as asked.
        steps: one a unit, the first is the start.
        runs_out: the first day on which a pod finds no node; None: not within the horizon.
        binding: what is lacking then.
        have: nodes there are.
    """

    rate: Rate
    steps: tuple[Step, ...]
    runs_out: date | None
    binding: str
    have: int


def parse_rate(text: str) -> Rate:
    """``3%/month``; also day, week, quarter, year.

    Raises:
        InputError: not of that form, or no growth.
    """
    found = _TEXT.fullmatch(text.strip())
    if not found or not 0 < float(found[1]) <= 1000:
        raise InputError(
            "is no rate of growth", field="--growth", value=text, expected="3%/month (or day, week, year)"
        )
    return Rate(float(found[1]) / 100, found[2])


def grow(
    cluster: Cluster, rate: Rate, horizon: int, start: date, scoring: Scoring = "least-allocated"
) -> Growth:
    """The growth curve of a cluster.

    All kinds grow together; of pods that lie there already further ones of their kind come. DaemonSets' pods
    do not grow, and what no node would take today is left out.

    Args:
        cluster: nodes and pods as they are at the start.
        rate: how fast.
        horizon: so many units of the rate are looked at.
        start: the first day.
        scoring: which node a pod takes.

    Raises:
        InputError: too many pods, or too far.
    """
    unit = DAYS[rate.unit]
    if not 1 <= horizon <= _MOST_STEPS:
        raise InputError("is too far or not at all", field="--horizon", value=horizon, expected="1 to 1000")
    last = rate.factor(horizon * unit)
    if last * (len(cluster.replicas()) + len(cluster.lying)) > MOST_PODS:
        raise InputError(
            f"grows to {last:.3g} times as many pods", field="--growth", expected=f"at most {MOST_PODS} pods"
        )
    cluster = unbound(_placeable(cluster))
    looks: dict[float, tuple[bool, str, Cluster]] = {}

    def look(days: float) -> tuple[bool, str, Cluster]:
        factor = rate.factor(days)
        if days not in looks:
            grown = grown_by(cluster, factor)
            looks[days] = (*_fits(grown, scoring), grown)
        return looks[days]

    steps = []
    for number in range(horizon + 1):
        days = number * unit
        fits, _, grown = look(days)
        steps.append(_step(grown, fits, rate.factor(days), start + timedelta(days=round(days))))
    first = next((number for number, step in enumerate(steps) if not step.fits), None)
    if first is None:
        return Growth(rate, tuple(steps), None, "", len(cluster.nodes))
    low, high = max(0, math.floor((first - 1) * unit)), math.ceil(first * unit)
    while first and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if look(middle)[0] else (low, middle)
    day = high if first else 0
    return Growth(rate, tuple(steps), start + timedelta(days=day), look(day)[1], len(cluster.nodes))


def _placeable(cluster: Cluster) -> Cluster:
    specs = tuple(
        replace(spec, replicas=0) if spec.replicas and cluster.why_not(kind) else spec
        for kind, spec in enumerate(cluster.specs)
    )
    return replace(cluster, specs=specs)


def grown_by(cluster: Cluster, factor: float) -> Cluster:
    """The cluster with ``factor`` times its pods in all; lying ones are joined by more like them."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for kind, _ in cluster.lying:
        if not cluster.specs[kind].stays:
            row = cluster.table[kind].tolist()
            key = (*row, int(cluster.allowed_class[kind]), cluster.specs[kind].qos_class)
            groups.setdefault(key, []).append(kind)
    kinds = [(kind, spec.replicas) for kind, spec in enumerate(cluster.specs) if spec.replicas]
    kinds += [(alike[0], len(alike)) for alike in groups.values()]
    more = Counter[int]()
    for (kind, count), grown in zip(kinds, apportioned([count for _, count in kinds], factor), strict=True):
        more[kind] += grown - count
    specs = tuple(
        replace(spec, replicas=spec.replicas + more[kind]) for kind, spec in enumerate(cluster.specs)
    )
    return replace(cluster, specs=specs)


def apportioned(counts: Sequence[int], factor: float) -> list[int]:
    """``factor`` times as many in all, to the nearest; those who are nearest to a further one get it.

    Rounding each up would double everybody who is alone.

    >>> apportioned([1, 1, 10], 1.1)
    [1, 1, 11]
    """
    exact = [count * factor for count in counts]
    found = [math.floor(each + 1e-9) for each in exact]
    left = math.floor(sum(exact) + 0.5) - sum(found)
    nearest = sorted(range(len(counts)), key=lambda index: (found[index] - exact[index], -index))
    for index in nearest[:left]:
        found[index] += 1
    return found


def _fits(cluster: Cluster, scoring: Scoring) -> tuple[bool, str]:
    """Whether all find a node, and what the others lack."""
    kinds = cluster.replicas()
    placement = pack(
        cluster.fleet, cluster.demand(kinds), scoring, used=cluster.used, used_scored=cluster.used_scored
    )
    if placement.placed == len(kinds) or packed_of(cluster, kinds) == len(kinds):
        return True, ""
    return False, next(iter(unplaced_by_reason(cluster.fleet, placement)), "")


def _step(cluster: Cluster, fits: bool, factor: float, day: date) -> Step:
    counts = np.array([spec.replicas for spec in cluster.specs], dtype=np.int64)
    requested = (cluster.table * counts[:, None]).sum(axis=0) + cluster.used.sum(axis=0)
    offered = cluster.fleet.allocatable.sum(axis=0)
    shares = {
        name: float(requested[index]) / float(offered[index])
        for index, name in enumerate(cluster.fleet.resources)
        if offered[index] > 0
    }
    return Step(day, factor, int(counts.sum()) + len(cluster.lying), needed_of(cluster), fits, shares)


def growth_sentence(growth: Growth, node: str) -> str:
    """When it runs out, in words."""
    rate = f"{100 * growth.rate.part:g} % more a {growth.rate.unit}"
    have = "one node" if growth.have == 1 else f"{growth.have} nodes"
    last = growth.steps[-1]
    need = ""
    if last.nodes and node:
        count = last.nodes.nodes
        need = f" On {last.day} it takes {count} {'node' if count == 1 else 'nodes'} like {node}."
    if growth.runs_out is None:
        return f"With {rate}, {have} will do until {last.day} and longer.{need}"
    if growth.runs_out == growth.steps[0].day:
        return f"Room is short today already: {growth.binding}."
    return f"With {rate}, {have} will do until {growth.runs_out}; then {growth.binding} runs out.{need}"


def growth_rows(growth: Growth) -> list[list[str]]:
    """A line a step: day, pods, nodes needed, the fullest resource, whether all fit."""
    rows = []
    for step in growth.steps:
        name, share = max(step.shares.items(), key=lambda each: each[1], default=("", 0.0))
        nodes = str(step.nodes.nodes) if step.nodes else "-"
        rows.append(
            [str(step.day), f"{step.pods:,}", nodes, f"{name} {share:.0%}", "yes" if step.fits else "no"]
        )
    return rows


GROWTH_HEADERS: Final = ("DAY", "PODS", "NODES NEEDED", "FULLEST", "ALL FIT")


def days_of(steps: Sequence[Step]) -> list[str]:
    """The days as text, for a picture's axis."""
    return [step.day.isoformat() for step in steps]

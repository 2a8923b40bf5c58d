"""Strategies compared on what they have not seen: fitted on the first part of a trace, run on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qos.capacity.price import Price
from qos.capacity.recommend import STRATEGIES, Objectives, Resources
from qos.capacity.replay import Replayed, replay
from qos.model.usage import Usage


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy on one series."""

    series: str
    strategy: str
    resources: Resources
    replayed: Replayed


@dataclass(frozen=True, slots=True)
class Total:
    """One strategy over all series; waste is summed, lateness averaged over those with CPU.

    Attributes:
        series: how many.
        killed: series with a kill.
    """

    strategy: str
    series: int
    oom_kills: int
    killed: int
    late: float
    worst_late: float
    wasted_cpus: float
    wasted_bytes: float
    cost_a_month: float


def back_test(
    usages: Iterable[Usage],
    *,
    fitted: float = 0.7,
    strategies: Sequence[str] = tuple(STRATEGIES),
    objectives: Objectives | None = None,
    price: Price | None = None,
) -> list[Row]:
    """Every strategy on every series, one series at a time in memory.

    Args:
        usages: of containers; one whose first part or rest is empty is left out.
        fitted: the part of the time that is fitted on.
        strategies: names of :data:`qos.capacity.recommend.STRATEGIES`.
        objectives: what `slo` holds.
        price: of what is requested.
    """
    rows = []
    for usage in usages:
        seen, rest = usage.until(fitted)
        if not (len(seen.cpu) or len(seen.memory)) or not (len(rest.cpu) or len(rest.memory)):
            continue
        for name in strategies:
            resources = STRATEGIES[name](seen, objectives or Objectives())
            rows.append(
                Row(
                    usage.name, name, resources,
                    replay(rest, resources.cpu_milli, resources.memory_bytes, price or Price()),
                )
            )  # fmt: skip
    return rows


def totals(rows: Sequence[Row]) -> list[Total]:
    """One line a strategy."""
    found = []
    for name in dict.fromkeys(row.strategy for row in rows):
        mine = [row.replayed for row in rows if row.strategy == name]
        late = [each.late for each in mine if each.late is not None]
        kills = [each.oom_kills or 0 for each in mine]
        found.append(
            Total(
                name, len(mine), sum(kills), sum(kill > 0 for kill in kills),
                sum(late) / len(late) if late else 0.0, max(late, default=0.0),
                sum(each.wasted_cpus for each in mine), sum(each.wasted_bytes for each in mine),
                sum(each.cost_a_month for each in mine),
            )
        )  # fmt: skip
    return found

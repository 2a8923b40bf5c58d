"""A sweep's rows as the lines that its page draws."""

from __future__ import annotations

from collections.abc import Sequence

from qos.experiment.simulate import describe
from qos.experiment.sweep_result import SweepResult
from qos.model.duration import parse_duration_seconds
from qos.model.quantity import Quantity
from qos.record.spread import CONFIDENCE, METHOD
from qos.report.sweep_page import SweepAxis, SweepLine, SweepReport


def pictured(found: SweepResult, command: str) -> SweepReport:
    """What the page of a sweep tells; ``command`` is what the user typed."""
    sweep = found.sweep
    meta = describe(sweep.scenario, sweep.seeds[0], command)
    versions = ", ".join(f"{name} {version}" for name, version in meta["versions"].items())
    many = len(sweep.seeds) > 1
    facts = (
        ("scenario", sweep.scenario.name),
        ("scenario hash", sweep.scenario.hash),
        ("swept", "; ".join(f"{axis.text} = {', '.join(map(str, axis.values))}" for axis in sweep.axes)),
        ("seeds", f"{len(sweep.seeds)}, spawned from the scenario's" if many else str(sweep.seeds[0])),
        ("interval", f"{CONFIDENCE:.0%} confidence interval of the mean, {METHOD}" if many else ""),
        ("profile", str(meta["profile"])),
        ("versions", versions),
        ("command", command),
    )
    return SweepReport(
        title=sweep.scenario.name,
        question=sweep.scenario.question,
        axes=tuple(
            SweepAxis(
                axis.text, tuple(map(str, axis.values)), _positions([str(each) for each in axis.values])
            )
            for axis in sweep.axes
        ),
        policies=sweep.policies,
        seeds=len(sweep.seeds),
        interval=f"{CONFIDENCE:.0%} confidence interval of the mean ({METHOD})",
        lines=tuple(_lines(found)),
        facts=tuple((name, text) for name, text in facts if text),
    )


def _lines(found: SweepResult) -> list[SweepLine]:
    lines = []
    for workload in found.classes:
        figures = found.figures(workload)
        for figure in figures:
            if figure.startswith("latency") and "completion_seconds" in figures:
                continue
            for policy in found.sweep.policies:
                rows = found.of(workload, figure, policy)
                spreads = [
                    rows[point].spread if point in rows else None for point in range(len(found.sweep.points))
                ]
                lines.append(
                    SweepLine(
                        workload, figure, policy,
                        tuple(each.mean if each else None for each in spreads),
                        tuple(each.low if each else None for each in spreads),
                        tuple(each.high if each else None for each in spreads),
                    )
                )  # fmt: skip
    return lines


def _positions(values: Sequence[str]) -> tuple[float, ...] | None:
    """Where values stand on an axis: amounts or seconds; None where they are but names."""
    for read in (_amount, parse_duration_seconds):
        try:
            return tuple(read(value) for value in values)
        except ValueError:
            continue
    return None


def _amount(text: str) -> float:
    return Quantity.parse(text).nano / 1e9

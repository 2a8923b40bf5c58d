"""A sweep's runs as spreads: a row for each point, policy, workload and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from qos.experiment.sweep import Sweep
from qos.record.run_store import StoredRun
from qos.record.spread import CONFIDENCE, METHOD, Spread, spread

KILLED: Final = "killed"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one workload at one point under one policy, over the seeds.

    Attributes:
        point: its number.
        figure: as in `-o json`; ``killed`` is OOM kills and evictions together.
        spread: over the runs that have a value.
        runs: how many ran; more than ``spread.n`` where some have none.
    """

    point: int
    policy: str
    workload: str
    figure: str
    spread: Spread
    runs: int


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The rows of a sweep, in order of point, policy, workload and figure."""

    sweep: Sweep
    rows: tuple[Row, ...]
    classes: Mapping[str, str]

    def of(self, workload: str, figure: str, policy: str) -> dict[int, Row]:
        """Point → row of one figure of one workload under one policy."""
        return {
            row.point: row
            for row in self.rows
            if row.workload == workload and row.figure == figure and row.policy == policy
        }

    def figures(self, workload: str) -> tuple[str, ...]:
        """The figures that a workload has, in order."""
        return tuple(dict.fromkeys(row.figure for row in self.rows if row.workload == workload))

    def place(self, point: int) -> dict[str, str]:
        """Axis → value of a point."""
        values = self.sweep.points[point].values
        return {axis.text: value for axis, value in zip(self.sweep.axes, values, strict=True)}

    def to_json(self) -> dict[str, Any]:
        """The stable machine form of a sweep; nothing in it depends on when or where it ran."""
        sweep = self.sweep
        return {
            "scenario": sweep.scenario.name,
            "axes": [{"path": axis.text, "values": list(axis.values)} for axis in sweep.axes],
            "policies": list(sweep.policies),
            "seeds": list(sweep.seeds),
            "interval": {"method": METHOD, "confidence": CONFIDENCE},
            "points": [
                {
                    "at": self.place(point),
                    "policy": policy,
                    "workloads": {
                        workload: {
                            row.figure: asdict(row.spread) | {"runs": row.runs}
                            for row in self.rows
                            if (row.point, row.policy, row.workload) == (point, policy, workload)
                        }
                        for workload in self.classes
                    },
                }
                for point in range(len(sweep.points))
                for policy in sweep.policies
            ],
        }

    def csv_rows(self) -> list[tuple[Any, ...]]:
        """A heading and a line a row, the swept values in front."""
        heads = ("policy", "workload", "figure", "mean", "low", "high", "sd", "least", "most", "n", "runs")
        lines: list[tuple[Any, ...]] = [(*(axis.text for axis in self.sweep.axes), *heads)]
        for row in self.rows:
            found = row.spread
            lines.append(
                (
                    *self.place(row.point).values(), row.policy, row.workload, row.figure, found.mean,
                    found.low, found.high, found.sd, found.least, found.most, found.n, row.runs,
                )
            )  # fmt: skip
        return lines


def result(sweep: Sweep, runs: Mapping[str, StoredRun]) -> SweepResult:
    """The spreads over the seeds of a sweep whose runs are all there.

    Raises:
        KeyError: a run is missing.
    """
    groups: dict[tuple[int, str], list[StoredRun]] = {}
    for run in sweep.runs:
        groups.setdefault((run.point, run.policy), []).append(runs[run.key])
    rows: list[Row] = []
    classes: dict[str, str] = {}
    for (point, policy), found in groups.items():
        for workload in dict.fromkeys(name for run in found for name in run.figures):
            rows += _rows(point, policy, workload, [run.figures.get(workload, {}) for run in found])
        classes |= {name: class_ for run in found for name, class_ in run.classes.items()}
    return SweepResult(sweep, tuple(rows), classes)


def _rows(point: int, policy: str, workload: str, runs: Sequence[Mapping[str, float | None]]) -> list[Row]:
    rows = []
    with_killed = [
        {**figures, KILLED: (figures.get("oom_kills") or 0) + (figures.get("evictions") or 0)}
        for figures in runs
    ]
    for figure in dict.fromkeys(name for figures in with_killed for name in figures):
        values = [float(value) for figures in with_killed if (value := figures.get(figure)) is not None]
        if values:
            rows.append(Row(point, policy, workload, figure, spread(values), len(runs)))
    return rows

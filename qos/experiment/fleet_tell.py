"""A fleet's runs told: the answer, two tables, the machine form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from qos.errors import RecordingError
from qos.model.fleet_run import FleetRun
from qos.record.compare import Difference, compare_figures
from qos.record.fleet_summary import class_of, classes, pools, to_json, workloads
from qos.record.words import bytes_text, digits, duration_text, percent_text

TABLE_HEADERS: Final = (
    "WORKLOAD",
    "CPU",
    "P99",
    "DELAY99",
    "THROTTLED",
    "WAITED",
    "MEMORY",
    "OOM",
)
POOL_HEADERS: Final = ("POOL", "NODES", "CONTAINERS", "BUSY50", "BUSY99", "WAITED", "MEMORY")
MOST_POOLS: Final = 12
_WORTH_SAYING: Final = 0.0005
Figures = Mapping[str, float | int | None]


def table_rows(runs: Sequence[FleetRun]) -> list[tuple[str, ...]]:
    """Cells of :data:`TABLE_HEADERS`: a line a workload, and below it a line a policy; 80 columns wide.

    CPU is the mean of one container, P99 is over containers and steps; DELAY99 is the 99th
    percentile of how long what waits would take; WAITED is the part of the wanted time that busy nodes cost.
    """
    found = [workloads(run) for run in runs]
    rows = []
    for name in dict.fromkeys(name for each in found for name in each):
        of, count = class_of(runs[0], name), next(each[name]["containers"] for each in found if name in each)
        rows.append((f"{name} ({of}), {count:,} containers", *[""] * (len(TABLE_HEADERS) - 1)))
        rows += [
            (f"  {run.policy}", *_cells(each[name]))
            for run, each in zip(runs, found, strict=True)
            if name in each
        ]
    return rows


def _cells(found: Figures) -> tuple[str, ...]:
    return (
        _cpus(found["cpu_mean_cpus"]),
        _cpus(found["cpu_p99_cpus"]),
        _seconds(found["delay_p99_seconds"]),
        _percent(found["throttled_ratio"]),
        _percent(found["waited_for_cpu"]),
        _bytes(found["memory_bytes"]),
        str(found["oom_kills"] or "-"),
    )


def pool_rows(run: FleetRun) -> list[tuple[str, ...]]:
    """Cells of :data:`POOL_HEADERS` of one run, the busiest pools first."""
    ranked = sorted(pools(run).items(), key=lambda item: -(item[1]["busy_p99"] or 0.0))
    rows: list[tuple[str, ...]] = [
        (
            name, f"{found['machines']:,}", f"{found['containers']:,}", _percent(found["busy_p50"]),
            _percent(found["busy_p99"]), _percent(found["waited_for_cpu"]), _bytes(found["memory_bytes"]),
        )
        for name, found in ranked[:MOST_POOLS]
    ]  # fmt: skip
    if len(ranked) > MOST_POOLS:
        rows.append((f"… {len(ranked) - MOST_POOLS} more", *[""] * (len(POOL_HEADERS) - 1)))
    return rows


def answer(runs: Sequence[FleetRun]) -> list[str]:
    """The sentences that answer first."""
    meta = runs[0].meta
    size = f"{meta['nodes']:,} nodes with {meta['pods']:,} pods"
    return [
        *(f"{run.policy}: {'; '.join(_clauses(run))}" for run in runs),
        f"{size}, {meta['steps']:,} steps of {duration_text(float(meta['step_seconds']))}",
        *_notes(runs[0]),
    ]


def _clauses(run: FleetRun) -> list[str]:
    found = workloads(run)
    said = []
    for title, figure in (
        ("waiting for busy nodes", "waited_for_cpu"),
        ("throttled by its own limit", "throttled_ratio"),
    ):
        worst = sorted(((each[figure] or 0.0, name) for name, each in found.items()), reverse=True)
        told = [f"{name} {percent_text(part)}" for part, name in worst[:3] if part >= _WORTH_SAYING]
        if told:
            unit = " of periods" if figure == "throttled_ratio" else " of its time"
            said.append(f"{title}: {told[0]}{unit}" + "".join(f", {each}" for each in told[1:]))
    killed = int(run.kills.sum())
    if killed:
        first = run.events[0]
        said.append(f"{killed:,} containers OOM-killed, first {first.cgroup} at {duration_text(first.time)}")
    return said or ["hardly any wait for the CPU"]


def _notes(run: FleetRun) -> list[str]:
    notes = []
    if run.unplaced:
        why = ", ".join(f"{count:,} {reason}" for reason, count in run.unplaced.items())
        notes.append(f"{sum(run.unplaced.values()):,} pods found no node and did not run: {why}")
    if run.kills.sum():
        notes.append("what was killed stays down: steps run no agents")
    return notes


def write_page(runs: Sequence[FleetRun], path: Path) -> None:
    """Write the self-contained HTML report.

    Raises:
        qos.errors.RecordingError: the disk refused.
    """
    from qos.report.fleet_page import write_fleet_page
    from qos.report.picture import Table

    tables = (Table(TABLE_HEADERS, tuple(table_rows(runs))), Table(POOL_HEADERS, tuple(pool_rows(runs[0]))))
    write_fleet_page(runs, answer(runs), tables, path)


def fleet_json(runs: Sequence[FleetRun]) -> dict[str, Any]:
    """The machine form of `qos simulate -o json` for fleets."""
    meta = runs[0].meta
    keys = ("scenario", "seed", "profile", "kernel", "nodes", "pods", "steps", "step_seconds")
    return {**{key: meta.get(key) for key in keys}, "runs": [to_json(run) for run in runs]}


def find_fleets(path: Path) -> list[Path]:
    """The fleet runs at ``path`` or directly below it, by name; none where there are none."""
    from qos.record.fleet_store import is_fleet_run

    if is_fleet_run(path):
        return [path]
    return [child for child in sorted(path.iterdir()) if is_fleet_run(child)] if path.is_dir() else []


def read_fleets(paths: Sequence[Path]) -> list[FleetRun]:
    """The runs of folders, to be told together; none where the folders hold none.

    Raises:
        qos.errors.RecordingError: one is damaged or did not end, or they are not of one scenario and nodes.
    """
    from qos.record.fleet_store import read_fleet

    found = {path: find_fleets(path) for path in paths}
    without = [path for path, runs in found.items() if not runs]
    if len(without) == len(found):
        return []
    if without:
        raise RecordingError(f"{without[0]}: no fleet's run, but others are; tell them apart")
    runs = [read_fleet(each) for path in paths for each in found[path]]
    scenario, nodes = runs[0].meta.get("scenario"), runs[0].pools
    for run in runs:
        if (run.meta.get("scenario"), run.pools) != (scenario, nodes):
            raise RecordingError(
                f"runs of {scenario} and of {run.meta.get('scenario')} on other nodes in one report; "
                "expected those of one scenario (qos compare takes any two)"
            )
    return runs


def fleet_differences(before: FleetRun, after: FleetRun) -> tuple[Difference, ...]:
    """What differs between two runs: pools, then classes, then workloads, the largest change first in each.

    A pool, class or workload that only one run has is told with nothing on the other side.
    """
    found: list[Difference] = []
    for word, of in (("pool", pools), ("class", classes), ("workload", workloads)):
        sides = [
            {f"{word} {name}": _known(each) for name, each in of(run).items()} for run in (before, after)
        ]
        found += sorted(compare_figures(*sides), key=lambda each: -abs(each.change or math.inf))
    return tuple(found)


def _known(found: Figures) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if value is not None}


def _cpus(value: float | None) -> str:
    return "-" if value is None else digits(value)


def _seconds(value: float | None) -> str:
    return "-" if not value else duration_text(value).replace(" ", "")


def _percent(value: float | None) -> str:
    return "-" if value is None else percent_text(value)


def _bytes(value: float | None) -> str:
    return "-" if value is None else bytes_text(value)

"""`qos simulate` of many nodes: aggregated tables, curves of what is asked for, a page."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from qos.cli.table import text_table, wrapped

if TYPE_CHECKING:
    from qos.model.fleet_run import FleetRun
    from qos.scenario.scenario import Scenario


def simulate_fleet(
    scenario: Scenario,
    *,
    policies: Sequence[str],
    seed: int | None,
    keep: Sequence[str],
    output: str,
    out: Path,
    report: bool,
    record: bool,
) -> None:
    """Every policy in steps on all nodes: the answer, the tables, the files."""
    from qos.errors import InputError
    from qos.experiment.fleet import run_fleet
    from qos.experiment.fleet_place import place
    from qos.record.fleet_store import FleetWriter

    globs = tuple(keep) or scenario.keep
    if globs and keep and not record:
        raise InputError("keeps nothing", field="--no-record", expected="curves to be stored for --keep")
    for warning in scenario.warnings:
        print(f"qos: warning: {warning}", file=sys.stderr)
    if len(scenario.nodes) == 1 and scenario.agents:
        print(f"qos: steps run no agents: no {' or '.join(scenario.agents)}", file=sys.stderr)
    placement = place(scenario)
    command = shlex.join(["qos", *sys.argv[1:]])
    folder = out / scenario.name
    runs: list[FleetRun] = []
    for policy in tuple(policies) or scenario.policies:
        writer = FleetWriter(folder / policy) if record else None
        with _progress(policy) as progress:
            run = run_fleet(
                scenario, policy, scenario.seed if seed is None else seed, placement=placement, keep=globs,
                sink=writer, command=command, progress=progress,
            )  # fmt: skip
        if writer:
            writer.finish(run)
        runs.append(run)
    _print(runs, output)
    if record:
        print(f"recording: {folder}", file=sys.stderr)
    if report:
        from qos.experiment.fleet_tell import write_page

        path = folder.with_suffix(".html")
        write_page(runs, path)
        print(f"report: {path}", file=sys.stderr)


def _print(runs: Sequence[FleetRun], output: str) -> None:
    from qos.experiment.fleet_tell import (
        POOL_HEADERS,
        TABLE_HEADERS,
        answer,
        fleet_json,
        pool_rows,
        table_rows,
    )

    if output == "json":
        print(json.dumps(fleet_json(runs)))
        return
    print(wrapped(answer(runs)))
    print()
    print(text_table(TABLE_HEADERS, table_rows(runs)))
    print()
    print(text_table(POOL_HEADERS, pool_rows(runs[0])))


@contextmanager
def _progress(policy: str) -> Iterator[Callable[[float], None] | None]:
    """A bar on a terminal, a line at the end elsewhere where it took long."""
    if not sys.stderr.isatty():
        begin = time.monotonic()
        yield None
        if (spent := time.monotonic() - begin) > 10:
            print(f"{policy}: {spent:.0f} s", file=sys.stderr)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(policy, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)

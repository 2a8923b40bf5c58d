"""`qos simulate --sweep … --seeds N`: many runs of one scenario, and what they say together."""

from __future__ import annotations

import csv
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qos.cli.table import text_table, wrapped

if TYPE_CHECKING:
    from qos.experiment.sweep_result import SweepResult

_SAID_EVERY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What was typed behind `qos simulate SCENARIO` that makes it a sweep."""

    sweeps: Sequence[str]
    seeds: int | None
    workers: int | None
    engine: str
    shard: str | None

    @property
    def asked(self) -> bool:
        """Whether this is a sweep at all."""
        return bool(self.sweeps) or self.seeds is not None or self.shard is not None


def sweep(
    scenario: str,
    options: SweepOptions,
    *,
    policies: Sequence[str],
    seed: int | None,
    output: str,
    out: Path,
    report: bool,
    record: bool,
) -> None:
    """Run a sweep and print it; Ctrl-C keeps what is finished."""
    from qos.errors import InputError, Interrupted
    from qos.experiment.sweep import plan_sweep, run_sweep
    from qos.experiment.sweep_engine import engine_of, parse_shard
    from qos.record.run_store import RunStore

    if options.shard and not record:
        raise InputError("keeps nothing", field="--no-record", expected="a shard's runs to be stored")
    engine = engine_of(options.engine, options.workers)
    plan = plan_sweep(scenario, options.sweeps, seeds=options.seeds, seed=seed, policies=policies)
    folder = out / f"{plan.scenario.name}.sweep"
    runs = plan.shard(*parse_shard(options.shard)) if options.shard else plan.runs
    store = RunStore(folder / "runs") if record else None
    done = [0]
    try:
        with _progress(done) as progress:
            found = run_sweep(plan, engine, store=store, runs=runs, progress=progress)
    except KeyboardInterrupt:
        kept = f"kept below {folder}; the same command goes on" if record else "lost: --no-record"
        raise Interrupted(f"interrupted: {done[0]} of {len(runs)} runs are done and {kept}") from None
    if options.shard:
        print(f"shard {options.shard}: {len(runs)} of {len(plan.runs)} runs below {folder}", file=sys.stderr)
        return
    from qos.experiment.sweep_result import result
    from qos.experiment.sweep_tell import answer

    told = result(plan, found)
    sentences = answer(told)
    _print(told, sentences, output)
    if record:
        print(f"runs: {folder}", file=sys.stderr)
    if report:
        from qos.experiment.sweep_picture import pictured
        from qos.report.sweep_page import write_sweep_page

        path = folder.with_name(f"{folder.name}.html")
        write_sweep_page(pictured(told, shlex.join(["qos", *sys.argv[1:]])), sentences, path)
        print(f"report: {path}", file=sys.stderr)


def _print(told: SweepResult, sentences: Sequence[str], output: str) -> None:
    from qos.experiment.sweep_tell import table

    if output == "json":
        print(json.dumps(told.to_json()))
    elif output == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows(told.csv_rows())
    else:
        print(wrapped(sentences))
        print()
        print(text_table(*table(told)))


@contextmanager
def _progress(done: list[int]) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; elsewhere a line at the start, at the end, and every ten seconds between."""
    begin = time.monotonic()
    told: list[float] = []
    if not sys.stderr.isatty():

        def say(count: int, total: int) -> None:
            done[0] = count
            now = time.monotonic()
            if not told:
                told.append(now)
                there = f", {count} of them done before" if count else ""
                print(f"{total} runs{there}", file=sys.stderr, flush=True)
            elif count == total:
                print(f"{total} runs in {now - begin:.1f} s", file=sys.stderr)
            elif now - told[-1] >= _SAID_EVERY_SECONDS:
                told.append(now)
                print(f"{count} of {total} runs, {now - begin:.0f} s", file=sys.stderr, flush=True)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("runs")

        def show(count: int, total: int) -> None:
            done[0] = count
            bar.update(task, completed=count, total=total)

        yield show

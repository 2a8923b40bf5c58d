"""`qos simulate`: predict what contention does."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from qos.scenario.scenario import Scenario


class Kernel(StrEnum):
    """Which simulated kernel runs a scenario."""

    AUTO = "auto"
    EVENTS = "events"
    STEPS = "steps"


class Output(StrEnum):
    """Formats of `qos simulate`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


SweepOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH=VALUES", help="Run at each value: A..B:N or A,B,C; repeat for a grid."),
]
SeedsOption = Annotated[
    int | None, typer.Option(help="Run with so many seeds; means and intervals.", min=1, max=100_000)
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Processes of a sweep; else one a CPU.", min=1, max=1024)
]
EngineOption = Annotated[
    str, typer.Option(metavar="ENGINE", help="Where a sweep runs: local or dask://HOST:PORT.")
]
ShardOption = Annotated[
    str | None, typer.Option(metavar="I/N", help="Only this part of a sweep's runs (docs/sweeps.md).")
]
KernelOption = Annotated[
    Kernel, typer.Option(help="events, or steps of sampleInterval; auto: steps for several nodes.")
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="In steps: full curves of these pods, workloads or cgroups."),
]


def simulate(
    scenario: Annotated[str, typer.Argument(help="Scenario file (kind: Scenario).", metavar="SCENARIO")],
    policy: Annotated[
        list[str] | None, typer.Option("--policy", "-p", help="Run this policy instead; repeat for several.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's own seed.", min=0)] = None,
    sweep: SweepOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    shard: ShardOption = None,
    kernel: KernelOption = Kernel.AUTO,
    keep: KeepOption = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
    out: Annotated[Path, typer.Option(help="Where report and recordings go.")] = Path("reports/out"),
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report.")] = True,
    record: Annotated[bool, typer.Option("--record/--no-record", help="Write the recordings.")] = True,
) -> None:
    """Predict what contention does: run a scenario on the simulated kernel, policies side by side.

    Prints the answer first, writes a recording (Parquet) of each run and one self-contained HTML report.

    With --sweep or --seeds it runs many times over and prints means with confidence intervals.

    Several nodes run in steps, aggregated over pools, classes and workloads (docs/fleets.md).

    Example: qos simulate scenarios/contention.yaml

    Example: qos simulate scenarios/contention.yaml --sweep pods[web].limits.cpu=200m..800m:4 --seeds 20
    """
    from qos.cli.sweep import SweepOptions
    from qos.cli.sweep import sweep as run_sweep

    options = SweepOptions(sweep or (), seeds, workers, engine, shard)
    if not options.asked and (output is Output.CSV or workers or engine != "local"):
        raise typer.BadParameter("-o csv, --workers and --engine belong to --sweep and --seeds")
    if options.asked and (keep or kernel is not Kernel.AUTO):
        raise typer.BadParameter("--keep and --kernel belong to single runs, not to --sweep and --seeds")
    files: dict[str, Any] = {"out": out, "report": report, "record": record}
    if options.asked:
        run_sweep(scenario, options, policies=policy or (), seed=seed, output=output, **files)
    else:
        _once(scenario, kernel, policy or (), seed, keep or (), output, **files)


def _once(
    scenario: str, kernel: Kernel, policies: Sequence[str], seed: int | None, keep: Sequence[str],
    output: Output, **files: Any,
) -> None:  # fmt: skip
    """One run a policy, on the kernel that is asked for or that can run it."""
    from qos.experiment.simulate import compile_seconds, load

    loaded = load(scenario)
    if kernel is Kernel.STEPS or (kernel is Kernel.AUTO and len(loaded.nodes) > 1):
        from qos.cli.fleet import simulate_fleet

        simulate_fleet(loaded, policies=policies, seed=seed, keep=keep, output=output, **files)
    elif keep:
        raise typer.BadParameter("--keep belongs to steps; in events every curve is kept")
    else:
        _simulate(loaded, policies, seed, output, **files)
    if spent := compile_seconds():
        print(f"compiled the simulator in {spent:.1f} s, once: later runs load it", file=sys.stderr)


def _simulate(
    loaded: Scenario,
    policies: Sequence[str],
    seed: int | None,
    output: Output,
    *,
    out: Path,
    report: bool,
    record: bool,
) -> None:
    """One run a policy: the answer, the table, the files."""
    from qos.cli.table import text_table, wrapped
    from qos.experiment.simulate import simulate as run
    from qos.experiment.tell import TABLE_HEADERS, table_rows, tell, write_results

    with _progress() as progress:
        recordings = run(
            loaded,
            policies=tuple(policies),
            seed=seed,
            baseline=True,
            command=shlex.join(["qos", *sys.argv[1:]]),
            progress=progress,
        )
    told = tell(recordings)
    written = write_results(told, out / loaded.name, report=report, record=record)
    if output is Output.JSON:
        print(json.dumps(told.to_json()))
    else:
        print(wrapped(told.answer))
        print()
        print(text_table(TABLE_HEADERS, table_rows(told)))
    for what, path in written.items():
        print(f"{what}: {path}", file=sys.stderr)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None] | None]:
    """A bar a policy on a terminal that watches; nothing elsewhere, and nothing for short runs."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def tell(policy: str, fraction: float) -> None:
            if policy not in tasks:
                tasks[policy] = bar.add_task(policy, total=1.0)
            bar.update(tasks[policy], completed=fraction)

        yield tell

"""`qos validate`: how far the prediction is from a real kernel."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qos.experiment.validate import Validation


class Output(StrEnum):
    """Formats of `qos validate`."""

    TABLE = "table"
    JSON = "json"


class OnKernel(StrEnum):
    """Where the scenario is measured."""

    UML = "uml"
    QEMU = "qemu"
    BUILT = "built"
    HOST = "host"


Seconds = Annotated[
    float | None,
    typer.Option(help="Seconds until a guest is ended; else boot and runs, generously.", min=1.0),
]

Folder = Annotated[Path | None, typer.Option(help="Folder for the recordings of all runs.", metavar="DIR")]


def validate(
    scenario: Annotated[str, typer.Argument(help="Scenario file (kind: Scenario).", metavar="SCENARIO")],
    kernel: Annotated[
        OnKernel | None,
        typer.Option(help="A guest of the kernel lab, or this machine; else the quickest guest that fits."),
    ] = None,
    repeat: Annotated[int, typer.Option(help="Measured runs; their median counts.", min=1, max=100)] = 3,
    policy: Annotated[str | None, typer.Option("--policy", "-p", help="Instead of the first.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's own seed.", min=0)] = None,
    tolerance: Annotated[
        list[str] | None, typer.Option(help="METRIC=FRACTION instead of the default; repeat for several.")
    ] = None,
    timeout: Seconds = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("reports/out"),
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report.")] = False,
    record: Folder = None,
    measure_only: Annotated[bool, typer.Option("--measure-only", hidden=True)] = False,
) -> None:
    """Run a scenario in the simulator and on a real kernel, and print the error of every metric.

    Both sides have the same plan, the same demand and the same readings. Exit code 1 when a metric is farther
    off than its tolerance and than the measurement's own noise.

    Example: qos validate scenarios/fidelity/weights-1-to-3.yaml --report
    """
    from enforcer.lab.launcher import unwind_on_signals
    from qos.experiment import validate as run

    if measure_only:
        _measure_only(scenario, policy, seed, repeat)
        return
    unwind_on_signals()
    found = run.validate(
        scenario,
        kernel=None if kernel is None else kernel.value,
        repeat=repeat,
        policy=policy,
        seed=seed,
        tolerances=run.parse_tolerances(tolerance or ()),
        timeout_seconds=timeout,
        talk=_say,
    )
    _tell(found, output, record)
    if report:
        path = out / f"{found.scenario}-{found.kernel}.html"
        run.write_validation_page(found, path)
        _say(f"report: {path}")
    raise typer.Exit(1 if found.outside else 0)


def _measure_only(scenario: str, policy: str | None, seed: int | None, repeat: int) -> None:
    """What runs inside a guest."""
    from qos.experiment.validate_guest import measure_here

    for line in measure_here(scenario, policy=policy, seed=seed, repeat=repeat):
        print(line, flush=True)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _tell(found: Validation, output: Output, record: Path | None) -> None:
    """Print the lines and leave the recordings."""
    from qos.cli.validate_text import validation_text
    from qos.experiment.validate import write_runs

    if output is Output.JSON:
        print(json.dumps(found.to_json(), indent=1))
    else:
        print(validation_text(found))
    if record is not None:
        write_runs(found, record)
        _say(f"recording: {record}")

"""`qos test`: policy regression in CI."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """Formats of `qos test`."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    MARKDOWN = "markdown"
    GITLAB = "gitlab"
    TAP = "tap"


def test(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Scenario files or folders.", metavar="[PATH]...")
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TEXT,
    seeds: Annotated[int, typer.Option(help="Runs of a scenario in which chance has a part.", min=1)] = 3,
    baseline: Annotated[
        Path | None, typer.Option(help="Folder of committed figures to compare with.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Rewrite the baseline instead of comparing.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core.", min=0)] = 0,
) -> None:
    """Test policies: run scenarios and judge their `expect:` blocks and baselines.

    Exit code 0 when all hold, 1 when one does not or none was judged, 2 for bad input.

    Example: qos test scenarios --baseline reports/baseline -o junit > report.xml
    """
    from qos.check.formats import FORMATS
    from qos.errors import InputError
    from qos.experiment.check import CheckOptions, check

    if accept and baseline is None:
        raise InputError(
            "--accept needs a folder to write to", field="--baseline", expected="reports/baseline"
        )
    outcomes = check(paths or ["scenarios"], CheckOptions(seeds, baseline, accept, workers))
    print(FORMATS[output](outcomes), end="")
    if not outcomes:
        print("qos: no promise was judged: the scenarios have no expect: block", file=sys.stderr)
    raise typer.Exit(1 if not outcomes or any(outcome.failed for outcome in outcomes) else 0)

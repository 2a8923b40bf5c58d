"""`qos test`: policy regression in CI."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qos.check.outcome import Outcome


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
        list[str] | None,
        typer.Argument(help="Scenarios, or manifests with --rules; files or folders.", metavar="[PATH]..."),
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TEXT,
    seeds: Annotated[int, typer.Option(help="Runs of a scenario in which chance has a part.", min=1)] = 3,
    baseline: Annotated[
        Path | None, typer.Option(help="Folder of committed figures to compare with.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Rewrite the baseline or ratchet instead of comparing.")
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="Judge manifests by the lint rules instead of scenarios.")
    ] = False,
    ratchet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --rules: old findings that may stay.")
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --rules: a v1 Node; else the input's, or a small one."),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="With --rules: the version, such as 1.36.")] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core.", min=0)] = 0,
) -> None:
    """Test policies: run scenarios and judge their `expect:` blocks and baselines; --rules judges manifests.

    Exit code 0 when all hold, 1 when one does not or none was judged, 2 for bad input.

    Example: qos test scenarios --baseline reports/baseline -o junit > report.xml
    """
    from qos.check.formats import FORMATS

    outcomes = (
        _rules(paths, node, profile, ratchet, baseline, accept)
        if rules
        else _scenarios(paths, seeds, baseline, accept, workers, (ratchet, node, profile))
    )
    sys.stdout.write(FORMATS[output](outcomes))
    if not outcomes:
        print("qos: no promise was judged: the scenarios have no expect: block", file=sys.stderr)
    raise typer.Exit(1 if not outcomes or any(outcome.failed for outcome in outcomes) else 0)


def _scenarios(
    paths: list[str] | None,
    seeds: int,
    baseline: Path | None,
    accept: bool,
    workers: int,
    only_for_rules: tuple[object, ...],
) -> list[Outcome]:
    from qos.errors import InputError
    from qos.experiment.check import CheckOptions, check

    if any(only_for_rules):
        raise InputError("--ratchet, --node and --profile belong to --rules", expected="--rules with them")
    if accept and baseline is None:
        raise InputError(
            "--accept needs a folder to write to", field="--baseline", expected="reports/baseline"
        )
    outcomes = check(paths or ["scenarios"], CheckOptions(seeds, baseline, accept, workers))
    return outcomes if any(outcome.status != "noted" for outcome in outcomes) else []


def _rules(
    paths: list[str] | None,
    node: str | None,
    profile: str | None,
    ratchet: Path | None,
    baseline: Path | None,
    accept: bool,
) -> list[Outcome]:
    from qos.errors import InputError
    from qos.experiment.rules import RuleOptions, check_rules

    if not paths:
        raise InputError("--rules needs manifests", expected="qos test --rules deploy/")
    if baseline is not None:
        raise InputError("a baseline is of scenarios", field="--baseline", expected="--ratchet FILE")
    if accept and ratchet is None:
        raise InputError("--accept needs a file to write", field="--ratchet", expected="a file")
    return check_rules(paths, RuleOptions(node, profile, ratchet, accept))

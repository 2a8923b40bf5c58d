"""`qos test`: policy regression in CI."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qos.check.outcome import Outcome
    from qos.experiment.check import CheckOptions

Profiles = Annotated[
    str | None,
    typer.Option(help="Versions to judge under: 1.33..1.37 or 1.35,1.36; one with --rules.", metavar="A..B"),
]
Runtimes = Annotated[str | None, typer.Option(help="Runtimes to judge under.", metavar="runc-1.2,...")]
Kernels = Annotated[str | None, typer.Option(help="Kernels to judge under.", metavar="6.1,...")]

Advice = Annotated[
    bool, typer.Option(help="For a broken promise, search the smallest change that would keep it.")
]


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
    profile: Profiles = None,
    runtime: Runtimes = None,
    kernel: Kernels = None,
    advice: Advice = True,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core.", min=0)] = 0,
) -> None:
    """Test policies: run scenarios and judge their `expect:` blocks and baselines; --rules judges manifests.

    Exit code 0 when all hold, 1 when one does not or none was judged, 2 for bad input.

    With several --profile, --runtime or --kernel every promise is judged under every combination.

    Example: qos test scenarios --baseline reports/baseline -o junit > report.xml
    """
    from qos.check.formats import FORMATS
    from qos.experiment.check import CheckOptions

    if rules:
        outcomes = _rules(paths, node, profile, (runtime, kernel), ratchet, baseline, accept)
    else:
        options = CheckOptions(seeds, baseline, accept, workers, _variants(profile, runtime, kernel), advice)
        outcomes = _scenarios(paths, options, (ratchet, node))
    sys.stdout.write(FORMATS[output](outcomes))
    if not outcomes:
        print("qos: no promise was judged: the scenarios have no expect: block", file=sys.stderr)
    raise typer.Exit(1 if not outcomes or any(outcome.failed for outcome in outcomes) else 0)


def _variants(profile: str | None, runtime: str | None, kernel: str | None) -> tuple[str, ...]:
    from qos.experiment.matrix import variants

    return variants(profile, runtime, kernel)


def _scenarios(
    paths: list[str] | None, options: CheckOptions, only_for_rules: tuple[object, ...]
) -> list[Outcome]:
    from qos.errors import InputError
    from qos.experiment.check import check

    if any(only_for_rules):
        raise InputError("--ratchet and --node belong to --rules", expected="--rules with them")
    if options.accept and options.baseline is None:
        raise InputError(
            "--accept needs a folder to write to", field="--baseline", expected="reports/baseline"
        )
    if options.variants and options.baseline is not None:
        raise InputError(
            "a baseline is of the scenario's own versions", field="--baseline",
            expected="no --profile, --runtime or --kernel with it",
        )  # fmt: skip
    outcomes = check(paths or ["scenarios"], options)
    return outcomes if any(outcome.status != "noted" for outcome in outcomes) else []


def _rules(
    paths: list[str] | None,
    node: str | None,
    profile: str | None,
    only_for_scenarios: tuple[object, ...],
    ratchet: Path | None,
    baseline: Path | None,
    accept: bool,
) -> list[Outcome]:
    from qos.errors import InputError
    from qos.experiment.rules import RuleOptions, check_rules

    if not paths:
        raise InputError("--rules needs manifests", expected="qos test --rules deploy/")
    if any(only_for_scenarios):
        raise InputError(
            "--runtime and --kernel are for scenarios", expected="--profile 1.36/runc-1.2/linux-6.12"
        )
    if baseline is not None:
        raise InputError("a baseline is of scenarios", field="--baseline", expected="--ratchet FILE")
    if accept and ratchet is None:
        raise InputError("--accept needs a file to write", field="--ratchet", expected="a file")
    return check_rules(paths, RuleOptions(node, profile, ratchet, accept))

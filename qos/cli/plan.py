"""`qos plan`: how many copies fit, how many nodes a set needs, until which objective breaks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qos.cli.plan_fit import Asked, fit
from qos.cli.plan_limits import limits
from qos.cli.plan_recommend import recommend

if TYPE_CHECKING:
    from qos.experiment.plan_load import PlanInput


class Output(StrEnum):
    """Formats of `qos plan`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


Files = Annotated[
    list[str] | None,
    typer.Option(
        "-f", "--filename", metavar="FILE|DIR|-",
        help="Pods, Nodes, a live dump (kubectl get nodes,pods -o json), a Scenario; repeat for several.",
    ),
]  # fmt: skip
NodeFiles = Annotated[
    list[str] | None,
    typer.Option("--node", metavar="FILE", help="A v1 Node: a class of node; repeat to choose."),
]
Count = Annotated[int, typer.Option(help="Nodes of the first class there are.", min=1, max=100_000)]
Spare = Annotated[int, typer.Option(help="Nodes that may be lost.", min=0, max=100_000)]
Slo = Annotated[
    list[str] | None,
    typer.Option(metavar="OBJECTIVE", help="web.p99=100ms, throttled=5%, oom=0; repeat. Simulates copies."),
]
ScenarioFile = Annotated[
    str | None, typer.Option("--scenario", metavar="FILE", help="With --slo: a Scenario, for what pods want.")
]
PolicyName = Annotated[
    str, typer.Option("--policy", "-p", help="With --slo: instead of the scenario's first.")
]
Seeds = Annotated[int, typer.Option(help="With --slo: runs a number of copies.", min=1, max=1000)]
Confidence = Annotated[str, typer.Option(metavar="PERCENT", help="With --slo: that an objective holds.")]
CopiesOf = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="With --slo: copies of these only; the others stay as they are."),
]
Beyond = Annotated[
    bool, typer.Option("--beyond-requests", help="With --slo: go on past full requests, on one node.")
]
Most = Annotated[int, typer.Option(help="With --slo: copies looked at, at most.", min=1, max=5000)]
Workers = Annotated[int, typer.Option(help="With --slo: processes; 0 is one a core.", min=0)]
OpenbNodes = Annotated[str | None, typer.Option(metavar="FILE", help="Node table of the openb trace.")]
OpenbPods = Annotated[str | None, typer.Option(metavar="FILE", help="Pod table of the openb trace.")]
ScoringName = Annotated[str, typer.Option("--scoring", help="Which fitting node is taken.")]
Load = Annotated[
    int | None,
    typer.Option(metavar="PERCENT", help="With --openb-*: resample pods to this GPU load.", min=1, max=1000),
]
Seed = Annotated[int, typer.Option(help="With --openb-*: of all that is random.", min=0)]
GrowthRate = Annotated[
    str,
    typer.Option("--growth", metavar="RATE", help="3%/month: when does it run out? Also day, week, year."),
]
Horizon = Annotated[int, typer.Option(help="With --growth: so many months (weeks …) are looked at.", min=1)]
Start = Annotated[str, typer.Option("--from", metavar="DATE", help="With --growth: from this day; today.")]
LoseWhat = Annotated[
    str, typer.Option("--lose", metavar="node|zone", help="Does everything find a place if one is lost?")
]
Zones = Annotated[int, typer.Option(help="The nodes lie in so many zones, in turn.", min=0, max=100)]
Isolate = Annotated[
    str,
    typer.Option(
        metavar="OVERHEAD", help="What does a VM a pod cost? cpu=250m,memory=160Mi, or a RuntimeClass of -f."
    ),
]
PriceText = Annotated[
    str, typer.Option("--price", metavar="cpu=N,memory=N", help="An hour of a CPU and of a GiB.")
]
NodePrices = Annotated[
    list[str] | None, typer.Option("--node-price", metavar="NAME=N", help="An hour of a class; repeat.")
]
Sensitivity = Annotated[bool, typer.Option("--sensitivity", help="What other requests and counts would do.")]
PagePath = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="All of it as a page, sensitivity too.")
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]

plan_app = typer.Typer(rich_markup_mode=None)
plan_app.command()(recommend)
plan_app.command()(limits)


@plan_app.callback(invoke_without_command=True)
def plan(
    context: typer.Context,
    filename: Files = None,
    node: NodeFiles = None,
    count: Count = 1,
    spare: Spare = 0,
    slo: Slo = None,
    scenario: ScenarioFile = None,
    policy: PolicyName = "",
    seeds: Seeds = 5,
    confidence: Confidence = "95%",
    copies_of: CopiesOf = None,
    beyond_requests: Beyond = False,
    most: Most = 1000,
    workers: Workers = 0,
    openb_nodes: OpenbNodes = None,
    openb_pods: OpenbPods = None,
    scoring: ScoringName = "least-allocated",
    load: Load = None,
    seed: Seed = 0,
    growth: GrowthRate = "",
    horizon: Horizon = 12,
    start: Start = "",
    lose: LoseWhat = "",
    zones: Zones = 0,
    isolate: Isolate = "",
    price: PriceText = "",
    node_price: NodePrices = None,
    sensitivity: Sensitivity = False,
    report: PagePath = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say how many copies of each pod fit, what is full first, how many nodes all need, when it runs out.

    Exit code 0 when all pods fit (--slo: when one copy holds), 1 when they do not, 2 for bad input.
    Example: qos plan -f deploy/ --node node.yaml --count 3 --spare 1
    """
    if context.invoked_subcommand:
        return
    if openb_nodes or openb_pods or not (filename or scenario):
        _openb(openb_nodes, openb_pods, scoring, seed, load, output)
    read = _read(filename, node, (count, zones), scenario)
    if slo:
        only = tuple(copies_of or ())
        _slo(read, slo, (policy, seeds, confidence, only, beyond_requests, most, workers), output)
    asked = Asked(
        spare, scoring, growth, horizon, start, lose, zones, isolate, price, tuple(node_price or ()),
        sensitivity or report is not None, report,
    )  # fmt: skip
    fit(read, asked, output)


def _read(
    filename: list[str] | None, node: list[str] | None, nodes: tuple[int, int], scenario: str | None
) -> PlanInput:
    from qos.experiment.plan_load import load_plan

    count, zones = nodes
    stdin = sys.stdin.buffer
    return load_plan(
        filename or [], node or [], count=count, scenario=scenario or "", stdin=stdin, zones=zones
    )


def _openb(
    nodes: str | None, pods: str | None, scoring: str, seed: int, load: int | None, output: Output
) -> None:
    from qos.cli.plan_text import fleet_text
    from qos.errors import InputError
    from qos.experiment.plan_openb import plan_openb

    if not (nodes and pods):
        raise InputError(
            "nothing to plan", expected="-f FILE --node FILE, or --openb-nodes FILE --openb-pods FILE"
        )
    fleet = plan_openb(nodes, pods, scoring=scoring, seed=seed, load=load)
    print(json.dumps(asdict(fleet), indent=2) if output is Output.JSON else fleet_text(fleet))
    raise typer.Exit(0 if fleet.placed == fleet.pods else 1)


def _slo(
    read: PlanInput,
    slo: list[str],
    options: tuple[str, int, str, tuple[str, ...], bool, int, int],
    output: Output,
) -> None:
    from qos.cli.plan_common import plain_json
    from qos.cli.plan_text import slo_text
    from qos.errors import InputError
    from qos.experiment.plan_slo import SloQuestion, objectives_of, plan_slo

    if not read.scenario:
        raise InputError(
            "--slo needs what the pods want", field="--scenario", expected="a file of a Scenario"
        )
    policy, seeds, confidence, only, beyond, most, workers = options
    question = SloQuestion(
        objectives_of(slo), read.scenario, policy, seeds, _confidence(confidence), only, beyond, most, workers
    )
    answer = plan_slo(read.cluster(), question)
    print(json.dumps(plain_json(asdict(answer)), indent=2) if output is Output.JSON else slo_text(answer))
    raise typer.Exit(0 if answer.found.sure else 1)


def _confidence(text: str) -> float:
    from qos.errors import InputError
    from qos.model.expectation import parse_value

    try:
        value = parse_value(text)
    except ValueError:
        value = -1.0
    if not 0.5 <= value < 1:
        raise InputError("is no confidence", field="--confidence", value=text, expected="50% to 99.9%")
    return value

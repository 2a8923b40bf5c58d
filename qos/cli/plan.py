"""`qos plan`: how many copies fit, how many nodes a set needs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from qos.cli.table import text_table, wrapped

if TYPE_CHECKING:
    from qos.experiment.plan import CapacityPlan, FleetPlan


class Output(StrEnum):
    """Formats of `qos plan`."""

    TABLE = "table"
    JSON = "json"


def plan(
    filename: Annotated[
        list[str] | None,
        typer.Option("-f", "--filename", metavar="FILE|DIR|-", help="Manifests; repeat for several."),
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="FILE", help="A v1 Node: the class of node.")] = None,
    count: Annotated[int, typer.Option(help="Nodes of that class there are.", min=1, max=100_000)] = 1,
    spare: Annotated[int, typer.Option(help="Nodes that may be lost.", min=0, max=100_000)] = 0,
    openb_nodes: Annotated[
        str | None, typer.Option(metavar="FILE", help="Node table of the openb trace.")
    ] = None,
    openb_pods: Annotated[
        str | None, typer.Option(metavar="FILE", help="Pod table of the openb trace.")
    ] = None,
    scoring: Annotated[
        str, typer.Option(help="With --openb-*: which fitting node is taken.")
    ] = "least-allocated",
    load: Annotated[
        int | None,
        typer.Option(
            metavar="PERCENT", help="With --openb-*: resample pods to this GPU load.", min=1, max=1000
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="With --openb-*: of all that is random.", min=0)] = 0,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
) -> None:
    """Say how many copies of each pod fit a class of node, what is full first, and how many nodes all need.

    Exit code 0 when all pods fit --count nodes, 1 when they do not, 2 for bad input.

    Example: qos plan -f deploy/ --node node.yaml --count 3 --spare 1
    """
    from qos.errors import InputError

    if openb_nodes and openb_pods and not filename and not node:
        from qos.experiment.plan import plan_openb

        fleet = plan_openb(openb_nodes, openb_pods, scoring=scoring, seed=seed, load=load)
        print(json.dumps(asdict(fleet), indent=2) if output is Output.JSON else _fleet_text(fleet))
        raise typer.Exit(0 if fleet.placed == fleet.pods else 1)
    if openb_nodes or openb_pods or not filename or not node:
        raise InputError(
            "nothing to plan", expected="-f FILE --node FILE, or --openb-nodes FILE --openb-pods FILE"
        )
    answer = _plan(filename, node, count, spare)
    print(json.dumps(asdict(answer), indent=2) if output is Output.JSON else _text(answer))
    # None also where the DaemonSets alone overfill a node.
    raise typer.Exit(0 if answer.needed is not None and answer.placed == answer.wanted else 1)


def _plan(filename: list[str], node: str, count: int, spare: int) -> CapacityPlan:
    from qos.experiment.plan import plan_capacity
    from qos.scenario.manifest import read_manifests
    from qos.scenario.nodes import read_node
    from qos.scenario.validation import one_or_all

    manifests = read_manifests(filename, sys.stdin.buffer)
    if manifests.errors:
        raise one_or_all(manifests.errors)
    return plan_capacity(manifests, read_node(node), count=count, spare=spare)


def _text(answer: CapacityPlan) -> str:
    sentences = [_needed(answer)]
    nodes = "1 node" if answer.count == 1 else f"{answer.count} nodes"
    sentences.append(f"{answer.placed} of {answer.wanted} pods fit on {nodes} like {answer.node}.")
    for spec in answer.specs:
        if spec.copies_per_node:
            sentences.append(
                f"{spec.name}: {spec.copies_per_node} fit on one node; {spec.binding} is full first."
            )
        else:
            sentences.append(f"{spec.name}: fits no such node: {spec.binding}.")
    rows = []
    for index, name in enumerate(answer.resources):
        by_class = [row[index] for row in answer.requested.values()]
        have = answer.allocatable[index]
        rows.append([name, *(_amount(name, value) for value in (have, *by_class, have - sum(by_class)))])
    table = text_table(
        ["RESOURCE", "ALLOCATABLE", *(each.upper() for each in answer.requested), "FREE"], rows
    )
    return f"{wrapped(sentences)}\n\n{table}"


def _needed(answer: CapacityPlan) -> str:
    if answer.needed is None:
        return f"No number of nodes like {answer.node} holds all {answer.wanted} pods."
    needed = answer.needed
    exact = "; fewer cannot" if needed.nodes == needed.at_least else f"; fewer than {needed.at_least} cannot"
    lost = f" With {answer.spare} to lose: {needed.nodes + answer.spare}." if answer.spare else ""
    return f"All {answer.wanted} pods need {needed.nodes} nodes like {answer.node}{exact}.{lost}"


def _amount(resource: str, value: int) -> str:
    """CPUs to the thousandth, bytes in MiB to the tenth, pieces as they are."""
    if resource == "cpu":
        return f"{value / 1000:.3f}".rstrip("0").rstrip(".")
    if resource in {"memory", "ephemeral-storage"} or resource.startswith("hugepages-"):
        return f"{value / (1 << 20):.1f}Mi"
    return str(value)


def _fleet_text(fleet: FleetPlan) -> str:
    have = (fleet.cpu_milli / 1000, fleet.memory_bytes / (1 << 30), float(fleet.gpus))
    want = (
        fleet.cpu_milli_wanted / 1000,
        fleet.memory_bytes_wanted / (1 << 30),
        fleet.gpu_milli_wanted / 1000,
    )
    got = (
        fleet.cpu_milli_placed / 1000,
        fleet.memory_bytes_placed / (1 << 30),
        fleet.gpu_milli_placed / 1000,
    )
    rows = [
        [
            name,
            *(f"{value:,.3f}" for value in (have[index], want[index], got[index])),
            _percent(got[index], have[index]),
        ]
        for index, name in enumerate(("cpu", "memory GiB", "gpu"))
    ]
    table = text_table(["RESOURCE", "NODES HAVE", "PODS WANT", "PLACED", "ALLOCATED"], rows)
    return f"{fleet.placed} of {fleet.pods} pods fit on the {fleet.nodes} nodes.\n\n{table}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "-"

"""`qos plan` by requests, with growth, losses, classes of node, isolation, costs and sensitivity."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from qos.capacity.pack import Scoring
    from qos.experiment.plan import CapacityPlan
    from qos.experiment.plan_load import PlanInput
    from qos.experiment.plan_loss import Loss
    from qos.experiment.plan_report import Extras


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options ask, as typed."""

    spare: int
    scoring: str
    growth: str
    horizon: int
    start: str
    lose: str
    zones: int
    isolate: str
    price: str
    node_prices: tuple[str, ...]
    sensitivity: bool
    report: Path | None


def fit(read: PlanInput, asked: Asked, output: str) -> None:
    """Answer and leave: exit code 0 when all pods fit, 1 when not."""
    from qos.cli.plan_text import plan_text
    from qos.experiment.plan import plan_capacity
    from qos.experiment.plan_openb import scoring_named
    from qos.experiment.plan_report import (
        as_json,
        csv_rows,
        extra_sentences,
        markdown,
        sections,
        write_plan_page,
    )

    scoring = scoring_named(asked.scoring)
    plan = plan_capacity(read.cluster(), spare=asked.spare, scoring=scoring)
    extras = _extras(read, asked, scoring, plan)
    told = extra_sentences(plan, extras)
    first, *rest = plan_sentences_of(plan)
    sentences = [first, *told, *rest]
    found = sections(plan, extras)
    if output == "json":
        print(json.dumps(as_json(plan, extras), indent=2, default=str))
    elif output == "csv":
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(csv_rows(found))
        print(stream.getvalue().rstrip())
    elif output == "markdown":
        print(markdown(sentences, found))
    else:
        print(plan_text(plan, told, [each for each in found if not each.title.startswith("Allocation")]))
    if asked.report:
        write_plan_page(plan, extras, sentences, shlex.join(["qos", *sys.argv[1:]]), asked.report)
        print(f"report: {asked.report}", file=sys.stderr)
    raise typer.Exit(0 if plan.all_fit else 1)


def plan_sentences_of(plan: CapacityPlan) -> list[str]:
    """The first sentences, as on the terminal."""
    from qos.cli.plan_text import plan_sentences

    return plan_sentences(plan)


def _extras(read: PlanInput, asked: Asked, scoring: Scoring, plan: CapacityPlan) -> Extras:
    from qos.cli.plan_common import price_of
    from qos.experiment.plan_choice import choose_class, isolate, moves, overhead_of, pool_costs
    from qos.experiment.plan_growth import grow, parse_rate
    from qos.experiment.plan_report import Extras

    price, own = price_of(asked.price), _node_prices(asked.node_prices)
    cluster, first = read.cluster(), read.classes[0]
    growth = loss = isolation = None
    if asked.growth:
        growth = grow(cluster, parse_rate(asked.growth), asked.horizon, _day(asked.start), scoring)
    if asked.lose:
        loss = _loss(read, asked, scoring, one_class=plan.needed is not None)
    if asked.isolate:
        overhead = overhead_of(asked.isolate, read.manifests)
        isolation = isolate(read.manifests, first, overhead, price, own)
    return Extras(
        growth, loss, tuple(choose_class(read.manifests, read.classes, price, own)), isolation,
        tuple(moves(cluster, scoring)) if asked.sensitivity else (), price,
        pool_costs(read.nodes, price, own, first),
    )  # fmt: skip


def _loss(read: PlanInput, asked: Asked, scoring: Scoring, *, one_class: bool) -> Loss:
    from dataclasses import replace

    from qos.errors import InputError
    from qos.experiment.plan_loss import lose, nodes_to_survive

    if asked.lose not in {"node", "zone"}:
        raise InputError("cannot be lost", field="--lose", value=asked.lose, expected="node or zone")
    what = "node" if asked.lose == "node" else "zone"
    found = lose(read.cluster(), "node" if what == "node" else "zone", scoring)
    if not one_class or (what == "zone" and not asked.zones):
        return found
    first = read.classes[0]
    nodes = nodes_to_survive(
        read.manifests, first, "node" if what == "node" else "zone", asked.zones, scoring
    )
    return replace(found, nodes=nodes)


def _day(text: str) -> date:
    from qos.errors import InputError

    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("is no day", field="--from", value=text, expected="2027-01-31") from None


def _node_prices(texts: tuple[str, ...]) -> dict[str, float]:
    from qos.errors import InputError

    found = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not equals or not name or not 0 <= value < float("inf"):
            raise InputError(
                "is no price of a class of node", field="--node-price", value=text, expected="m5-large=0.192"
            )
        found[name] = value
    return found

"""A capacity plan with all that was asked beside it, as sections that every format tells alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from qos.capacity.price import Price
from qos.experiment.plan import CapacityPlan
from qos.experiment.plan_choice import ClassChoice, Isolation, Move
from qos.experiment.plan_growth import GROWTH_HEADERS, Growth, days_of, growth_rows, growth_sentence
from qos.experiment.plan_loss import Loss, loss_sentence
from qos.report.charts import AnswerPage, bars, curve, series_keys, write_answer
from qos.report.numbers import percent
from qos.report.picture import Panel, Picture, Table

GIB: Final = float(1 << 30)


@dataclass(frozen=True, slots=True)
class Extras:
    """What was asked beside how many fit; None or empty where it was not.

    Attributes:
        growth: the curve.
        loss: of a node or zone.
        classes: of node, the best first.
        isolation: containers against virtual machines.
        moves: the answer with something else.
        price: of a CPU and a GiB an hour.
        node_costs: pool → what its nodes cost a month.
    """

    growth: Growth | None = None
    loss: Loss | None = None
    classes: tuple[ClassChoice, ...] = ()
    isolation: Isolation | None = None
    moves: tuple[Move, ...] = ()
    price: Price = field(default_factory=Price)
    node_costs: Mapping[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A titled table."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def extra_sentences(plan: CapacityPlan, extras: Extras) -> list[str]:
    """A sentence for each thing that was asked."""
    told = []
    if extras.growth:
        told.append(growth_sentence(extras.growth, plan.node if plan.needed else ""))
    if extras.loss:
        told.append(loss_sentence(extras.loss))
    if len(extras.classes) > 1:
        told.append(_class_sentence(extras.classes))
    if extras.isolation:
        told.append(_isolation_sentence(extras.isolation))
    return told


def _class_sentence(classes: tuple[ClassChoice, ...]) -> str:
    best = classes[0]
    if best.nodes is None:
        return "No class of node holds every pod."
    cost = "" if best.cost_a_month is None else f" for {best.cost_a_month:,.2f} a month"
    others = ", ".join(_told(each) for each in classes[1:])
    return f"Take {best.nodes} of {best.name}{cost}; instead of it {others}."


def _told(each: ClassChoice) -> str:
    if each.nodes is None:
        return f"{each.name} does not hold every pod"
    cost = "" if each.cost_a_month is None else f" ({each.cost_a_month:,.2f})"
    return f"{each.nodes} of {each.name}{cost}"


def _isolation_sentence(found: Isolation) -> str:
    cpu, memory = found.overhead
    each = f"{cpu}m CPU and {memory / (1 << 20):g}Mi"
    before, after = found.nodes
    if before is None or after is None:
        whom = "isolated" if after is None else "plain"
        return f"Isolation costs {each} a pod; {whom}, some pod fits no such node."
    cost = ""
    if found.cost_a_month:
        cost = f", {found.cost_a_month[1] - found.cost_a_month[0]:+,.2f} a month"
    return (
        f"A virtual machine for each of the {found.pods} pods costs {each} a pod: {after} nodes instead of "
        f"{before}{cost}."
    )


def sections(plan: CapacityPlan, extras: Extras) -> list[Section]:
    """Every table of the report, in order."""
    found = [_allocation(plan)]
    if plan.pools:
        found.append(_pools(plan, extras))
    if extras.price.known:
        found.append(_costs(plan, extras.price))
    if len(extras.classes) > 1:
        choices = tuple(
            (each.name, _count(each.nodes), _money(each.cost_a_month), _free(each)) for each in extras.classes
        )
        found.append(Section("Class of node", ("CLASS", "NODES", "COST A MONTH", "FREE"), choices))
    if extras.isolation:
        held = tuple(
            (name, str(a), str(b), f"{b - a:+d}") for name, (a, b) in extras.isolation.copies.items()
        )
        heads = ("POD", "A NODE HOLDS", "ISOLATED", "DIFFERENCE")
        found.append(Section("Isolation in virtual machines", heads, held))
    if extras.growth:
        found.append(Section("Growth", GROWTH_HEADERS, tuple(map(tuple, growth_rows(extras.growth)))))
    if extras.moves:
        moved = tuple(
            (each.what, f"{100 * each.factor - 100:+.0f} %", _count(each.nodes), str(each.left_over))
            for each in extras.moves
        )
        found.append(Section("Sensitivity", ("WHAT", "BY", "NODES NEEDED", "LEFT OVER NOW"), moved))
    return found


def _allocation(plan: CapacityPlan) -> Section:
    """A line a resource: offered, requested by each class, free."""
    rows = []
    for index, name in enumerate(plan.resources):
        classes = [row[index] for row in plan.requested.values()]
        have = plan.allocatable[index]
        cells = [_amount(name, value) for value in (have, *classes, have - sum(classes))]
        rows.append((name, *cells, percent(1 - sum(classes) / have) if have else "-"))
    heads = ("RESOURCE", "ALLOCATABLE", *(each.upper() for each in plan.requested), "FREE", "HEADROOM")
    return Section("Allocation by QoS class", heads, tuple(rows))


def _pools(plan: CapacityPlan, extras: Extras) -> Section:
    rows = []
    for pool in plan.pools:
        cells = [pool.name, str(pool.nodes)]
        for index in (0, 1):
            used, have = sum(row[index] for row in pool.requested.values()), pool.allocatable[index]
            cells += [_amount(plan.resources[index], have - used), percent(used / have) if have else "-"]
        costs = extras.node_costs or {}
        rows.append((*cells, _money(costs.get(pool.name))))
    heads = ("POOL", "NODES", "CPU FREE", "REQUESTED", "MEMORY FREE", "REQUESTED", "COST A MONTH")
    return Section("Allocation by pool", heads, tuple(rows))


def _costs(plan: CapacityPlan, price: Price) -> Section:
    """What requests of each class cost a month, and what is paid for and free."""
    rows = []
    used = [0.0, 0.0]
    for name, row in plan.requested.items():
        cpus, count = row[0] / 1000, float(row[1])
        used = [used[0] + cpus, used[1] + count]
        rows.append(_cost_row(name, cpus, count, price))
    have = (plan.allocatable[0] / 1000, float(plan.allocatable[1]))
    rows.append(_cost_row("free", have[0] - used[0], have[1] - used[1], price))
    rows.append(_cost_row("all", *have, price))
    return Section("Cost a month", ("CLASS", "CPUS", "GIB", "CPU COST", "MEMORY COST", "COST"), tuple(rows))


def _cost_row(name: str, cpus: float, count: float, price: Price) -> tuple[str, ...]:
    cpu, memory = price.a_month(cpus, 0.0), price.a_month(0.0, count)
    return (name, f"{cpus:,.3f}", f"{count / GIB:,.3f}", _money(cpu), _money(memory), _money(cpu + memory))


def _amount(name: str, value: float) -> str:
    if name == "cpu":
        return f"{value / 1000:,.3f}".rstrip("0").rstrip(".")
    return f"{value / GIB:,.2f}Gi" if name in {"memory", "ephemeral-storage"} else f"{value:,.0f}"


def _count(nodes: int | None) -> str:
    return "-" if nodes is None else f"{nodes:,}"


def _money(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:,.2f}"


def _free(each: ClassChoice) -> str:
    return ", ".join(f"{name} {percent(part)}" for name, part in each.free.items()) or "-"


def as_json(plan: CapacityPlan, extras: Extras) -> dict[str, Any]:
    """Everything in whole numbers and plain lists."""
    more = {name: value for name, value in asdict(extras).items() if value not in (None, (), [])}
    return asdict(plan) | (more if extras != Extras() else {})


def markdown(sentences: list[str], found: list[Section]) -> str:
    """The report for a pull request or a wiki."""
    parts = ["\n\n".join([f"**{sentences[0]}**", *sentences[1:]])]
    for each in found:
        lines = [each.headers, tuple("---" for _ in each.headers), *each.rows]
        table = "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )
        parts.append(f"## {each.title}\n\n{table}")
    return "\n\n".join(parts)


def csv_rows(found: list[Section]) -> list[tuple[str, ...]]:
    """One long table: table, row, column, value."""
    rows: list[tuple[str, ...]] = [("table", "row", "column", "value")]
    for each in found:
        for line in each.rows:
            keys = 2 if each.title == "Sensitivity" else 1
            row = " ".join(line[:keys])
            rows += [
                (each.title, row, head, cell)
                for head, cell in zip(each.headers[keys:], line[keys:], strict=True)
            ]
    return rows


def write_plan_page(
    plan: CapacityPlan, extras: Extras, sentences: list[str], command: str, path: Path
) -> None:
    """The report as one self-contained page.

    Raises:
        RecordingError: the disk refused.
    """
    tables = {each.title: _table(each) for each in sections(plan, extras)}
    pictures = [("allocation", _allocation_picture(plan, tables))]
    if extras.growth:
        pictures.append(("growth", _growth_picture(extras.growth, tables["Growth"])))
    if extras.moves:
        pictures.append(("sensitivity", _moves_picture(extras, tables["Sensitivity"])))
    asked = {
        "Cost a month": "What does it cost?",
        "Class of node": "Which class of node?",
        "Isolation in virtual machines": "What does a virtual machine a pod cost?",
    }
    pictures += [
        (title.split()[0].lower(), Picture(question, "", (), table=tables[title]))
        for title, question in asked.items()
        if title in tables
    ]
    said = (
        f"{plan.wanted:,} pods to be placed, {plan.lying:,} that lie there, {plan.count:,} nodes; by requests"
    )
    page = AnswerPage(
        "Capacity plan", "How many fit, and when does it run out?", said, tuple(sentences),
        tuple(pictures), (("command", command),),
    )  # fmt: skip
    write_answer(page, path)


def _table(each: Section) -> Table:
    return Table(tuple(head.lower() for head in each.headers), each.rows)


def _allocation_picture(plan: CapacityPlan, tables: Mapping[str, Table]) -> Picture:
    names = list(plan.requested)
    shown = [index for index, have in enumerate(plan.allocatable) if have > 0]
    series = [
        (name, [100 * plan.requested[name][index] / plan.allocatable[index] for index in shown])
        for name in names
    ]
    panels = [
        Panel(
            "All nodes, by resource",
            bars(
                [plan.resources[index] for index in shown],
                series,
                "% of allocatable",
                _of_hundred,
                stacked=True,
            ),
        )
    ]
    if len(plan.pools) > 1:
        for index in (0, 1):
            per = [
                (
                    name,
                    [
                        100 * pool.requested[name][index] / max(1, pool.allocatable[index])
                        for pool in plan.pools
                    ],
                )
                for name in names
            ]
            title = f"{plan.resources[index]} by pool"
            panels.append(
                Panel(
                    title,
                    bars([p.name for p in plan.pools], per, "% of allocatable", _of_hundred, stacked=True),
                )
            )
    both = Table(tables["Allocation by QoS class"].heads, tables["Allocation by QoS class"].rows)
    return Picture(
        "Who has requested what, and what is left?",
        "Requested part of what the nodes offer, by QoS class; the rest of each bar is headroom.",
        tuple(panels), series_keys(names), table=both,
    )  # fmt: skip


def _of_hundred(value: float) -> str:
    return percent(value / 100)


def _growth_picture(growth: Growth, table: Table) -> Picture:
    days = days_of(growth.steps)
    mark = (growth.runs_out.isoformat(), "runs out") if growth.runs_out else None
    if all(step.nodes for step in growth.steps):
        lines = [("nodes needed", [float(step.nodes.nodes) for step in growth.steps if step.nodes])]
        limit = (f"{growth.have} there are", float(growth.have))
        figure = curve(days, lines, ("", "nodes"), limit=limit, mark=mark)
    else:
        names = [name for name in growth.steps[0].shares if name in {"cpu", "memory", "pods"}]
        lines = [(name, [100 * step.shares[name] for step in growth.steps]) for name in names]
        figure = curve(days, lines, ("", "% of allocatable"), limit=("all there is", 100.0), mark=mark)
    return Picture(
        "When does it run out?",
        f"{100 * growth.rate.part:g} % more pods in all every {growth.rate.unit}.",
        (Panel("", figure),), series_keys([name for name, _ in lines]), wide=True, table=table,
    )  # fmt: skip


def _moves_picture(extras: Extras, table: Table) -> Picture:
    kinds = list(dict.fromkeys(each.what for each in extras.moves))
    needed = all(each.nodes is not None for each in extras.moves)
    panels = []
    for what in kinds:
        mine = [each for each in extras.moves if each.what == what]
        rows = [f"{100 * each.factor - 100:+.0f} %" for each in mine]
        values = [float(each.nodes or 0) if needed else float(each.left_over) for each in mine]
        axis = "nodes needed" if needed else "pods left over on the nodes there are"
        panels.append(Panel(what, bars(rows, [(what, values)], axis)))
    return Picture(
        "What moves the answer most?", "One thing changed at a time, all else as it is.", tuple(panels),
        table=table,
    )  # fmt: skip

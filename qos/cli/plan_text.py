"""What `qos plan` says on a terminal: sentences first, then tables, within 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qos.cli.table import text_table, wrapped
from qos.record.words import digits, duration_text, percent_text

if TYPE_CHECKING:
    from qos.capacity.objective import Judged, Objective
    from qos.experiment.plan import CapacityPlan, SpecFit
    from qos.experiment.plan_openb import FleetPlan
    from qos.experiment.plan_report import Section
    from qos.experiment.plan_slo import SloPlan

MIB = 1 << 20


def counted(number: int, thing: str) -> str:
    """A number and its thing.

    >>> counted(1, "node"), counted(2, "copy")
    ('1 node', '2 copies')
    """
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else many}"


def plan_sentences(answer: CapacityPlan) -> list[str]:
    """How many fit and how many nodes are needed, in sentences."""
    return [
        *_needed(answer), _placed(answer), *_set(answer), *(_spec(answer, spec) for spec in answer.specs),
    ]  # fmt: skip


def plan_text(answer: CapacityPlan, more: Sequence[str] = (), tables: Sequence[Section] = ()) -> str:
    """How many fit and how many nodes are needed, then what else was asked."""
    table = text_table(
        ["RESOURCE", "ALLOCATABLE", *(each.upper() for each in answer.requested), "FREE"],
        resource_rows(answer),
    )
    first, *rest = plan_sentences(answer)
    parts = [f"{wrapped([first, *more, *rest])}\n\n{table}{_pools(answer)}"]
    parts += [f"{each.title}\n{text_table(each.headers, each.rows)}" for each in tables]
    return "\n\n".join(parts)


def resource_rows(answer: CapacityPlan) -> list[list[str]]:
    """A line a resource: allocatable, requested by each class, free."""
    rows = []
    for index, name in enumerate(answer.resources):
        by_class = [row[index] for row in answer.requested.values()]
        have = answer.allocatable[index]
        rows.append([name, *(amount_text(name, value) for value in (have, *by_class, have - sum(by_class)))])
    return rows


def _pools(answer: CapacityPlan) -> str:
    if len(answer.pools) < 2:
        return ""
    rows = []
    for pool in answer.pools:
        cells = [pool.name, str(pool.nodes)]
        for index in (0, 1):
            used = sum(row[index] for row in pool.requested.values())
            cells += [
                amount_text(answer.resources[index], pool.allocatable[index] - used),
                _share(used, pool.allocatable[index]),
            ]
        rows.append(cells)
    return "\n\n" + text_table(["POOL", "NODES", "CPU FREE", "USED", "MEMORY FREE", "USED"], rows)


def _like(answer: CapacityPlan) -> str:
    nodes = counted(answer.count, "node")
    return f"{nodes} like {answer.node}" if answer.node else f"the {nodes}"


def _needed(answer: CapacityPlan) -> list[str]:
    if answer.needed is None:
        if answer.node and not answer.lying and any(not spec.copies_per_node for spec in answer.specs):
            return [f"No number of nodes like {answer.node} holds all {answer.wanted} pods."]
        return []
    needed = answer.needed
    exact = "; fewer cannot" if needed.nodes == needed.at_least else f"; fewer than {needed.at_least} cannot"
    lost = f" With {answer.spare} to lose: {needed.nodes + answer.spare}." if answer.spare else ""
    return [f"All {answer.wanted} pods need {counted(needed.nodes, 'node')} like {answer.node}{exact}.{lost}"]


def _placed(answer: CapacityPlan) -> str:
    beside = f", beside the {answer.lying:,} there" if answer.lying else ""
    if not answer.wanted:
        return f"{answer.lying:,} pods lie on {_like(answer)}; none are to be placed."
    most = max(answer.placed, answer.packed)
    text = f"{most} of {answer.wanted} pods fit on {_like(answer)}{beside}."
    if answer.placed < most:
        text += f" The default scheduler's order and scores place {answer.placed}."
    if most < answer.wanted and answer.unplaced:
        why = ", ".join(f"{count} for {reason}" for reason, count in answer.unplaced.items())
        text += f" Left over: {why}."
    return text


def _set(answer: CapacityPlan) -> list[str]:
    if len([spec for spec in answer.specs if not spec.every_node]) < 2 or not answer.set.copies:
        return []
    least = "at least " if answer.set.at_least else ""
    end = f"; then {answer.set.spec} lacks {answer.set.binding}" if answer.set.spec else ""
    return [f"The whole set fits {least}{counted(answer.set.copies, 'time')}, its ratio kept{end}."]


def _spec(answer: CapacityPlan, spec: SpecFit) -> str:
    if not spec.copies_per_node:
        return f"{spec.name}: fits no such node: {spec.binding}."
    if answer.count == 1 or answer.node:
        return f"{spec.name}: {spec.copies_per_node} fit on one node; {spec.binding} is full first."
    return f"{spec.name}: {spec.copies:,} fit what is free; {spec.binding} is full first."


def amount_text(resource: str, value: float) -> str:
    """CPUs to the thousandth, bytes in MiB or, from 1 GiB, in GiB; pieces as they are."""
    if resource == "cpu":
        return f"{value / 1000:.3f}".rstrip("0").rstrip(".")
    if resource in {"memory", "ephemeral-storage"} or resource.startswith("hugepages-"):
        scaled, unit = (value / MIB, "Mi") if value < 1024 * MIB else (value / 1024 / MIB, "Gi")
        return f"{scaled:.2f}".rstrip("0").rstrip(".") + unit
    return str(value)


def _share(part: float, whole: float) -> str:
    return percent_text(part / whole) if whole else "-"


def slo_text(answer: SloPlan) -> str:
    """How many copies hold the objectives, what breaks first, and the headroom there."""
    found = answer.found
    rows = []
    edge = {found.sure, found.sure + 1, found.broken}
    for copies, judged in found.probed.items():
        if copies in edge:
            rows += [[str(copies), each.objective.text, *_interval(each), _verdict(each)] for each in judged]
    table = text_table(["COPIES", "OBJECTIVE", "MEAN", "FROM", "TO", "VERDICT"], rows)
    room = [
        [
            name,
            amount_text("cpu", answer.requests[name][0]),
            f"{digits(answer.use[name][0])}",
            f"{answer.requests[name][1] / MIB:.0f}Mi",
            f"{answer.use[name][1] / MIB:.0f}Mi",
        ]
        for name in answer.use
    ]
    offer = f"The busiest node with {max(1, found.sure)}: it offers "
    offer += f"{amount_text('cpu', answer.offer[0])} CPUs and {answer.offer[1] / MIB:.0f}Mi."
    classes = text_table(["CLASS", "CPU REQUESTED", "USED", "MEMORY REQUESTED", "PEAK"], room)
    parts = [wrapped(slo_sentences(answer)), table if rows else "", f"{wrapped([offer])}\n{classes}"]
    return "\n\n".join(part for part in parts if part)


def slo_sentences(answer: SloPlan) -> list[str]:
    """The answer, in sentences."""
    found = answer.found
    runs = f"{answer.seeds} runs each, {answer.confidence:.0%} confidence" if answer.seeds > 1 else "exact"
    what = " + ".join(
        name if count == 1 else f"{count} {name}" for name, count in answer.pods_per_set.items()
    )
    unit = "copy" if len(answer.pods_per_set) == 1 and set(answer.pods_per_set.values()) == {1} else "set"
    held = "holds" if found.sure == 1 else "hold"
    told = [f"{counted(found.sure, unit)} of {what} {held} every objective under {answer.policy} ({runs})."]
    if found.binding:
        told.append(f"At {found.sure + 1}: " + "; ".join(_breaks(each) for each in found.binding) + ".")
        if found.broken is None:
            told.append(f"Up to {found.most} none is sure to break; more runs (--seeds) would tell.")
        elif found.broken > found.sure + 1:
            last = found.broken - 1
            unsure = f"{last}" if last == found.sure + 1 else f"{found.sure + 1} to {last}"
            told.append(f"Of {unsure}, more runs (--seeds) would tell; {found.broken} surely break.")
    full = f"Requests are full at {counted(answer.full, unit)} ({answer.full_binding})"
    if answer.full < 1:
        told.append(f"Not one fits by its requests: {answer.full_binding}.")
    elif found.binding:
        told.append(full + ("." if found.sure <= answer.full else ": they are larger than the use."))
    elif found.most >= answer.full and not answer.beyond:
        told.append(full + ", before any objective breaks; --beyond-requests looks further.")
    else:
        told.append(f"{full}; no more than {found.most} were looked at.")
    return told


def _breaks(each: Judged) -> str:
    sure = "is" if each.breaks else "may be"
    return f"{each.objective.text} {sure} broken ({figure(each.objective, each.interval.mean)})"


def _verdict(each: Judged) -> str:
    return "holds" if each.holds else "breaks" if each.breaks else "not sure"


def _interval(each: Judged) -> list[str]:
    found = each.interval
    return [figure(each.objective, value) for value in (found.mean, max(0.0, found.low), found.high)]


def figure(objective: Objective, value: float) -> str:
    """A value in the objective's unit."""
    if math.isinf(value):
        return "never"
    if objective.kind == "latency":
        return duration_text(value)
    return percent_text(value) if objective.kind == "ratio" else digits(value)


def fleet_text(fleet: FleetPlan) -> str:
    """The openb trace."""
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
            f"{100 * got[index] / have[index]:.2f}%" if have[index] else "-",
        ]
        for index, name in enumerate(("cpu", "memory GiB", "gpu"))
    ]
    table = text_table(["RESOURCE", "NODES HAVE", "PODS WANT", "PLACED", "ALLOCATED"], rows)
    return f"{fleet.placed} of {fleet.pods} pods fit on the {fleet.nodes} nodes.\n\n{table}"

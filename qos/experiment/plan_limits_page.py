"""The answer of `qos plan limits` in sentences, and on one picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos.capacity.limits import BURST, WITH, WITHOUT, Fared
from qos.experiment.plan_limits import POLICIES, LimitsPlan, Member
from qos.record.words import duration_text, percent_text
from qos.report.charts import AnswerPage, bars, series_keys, write_answer
from qos.report.picture import Panel, Picture, Table

ASSUMED: Final = (
    (
        "Assumed, because no recording tells it: work comes at random (Poisson) in pieces of exponential "
        "size, each on one thread; the p99 is that of such a piece, not of a request as its user sees it."
    ),
    "Memory, disks and network are not replayed, and nobody changes behaviour when it becomes faster.",
)
_MOST_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class Said:
    """The answer for a terminal: sentences, a table, and what was assumed."""

    sentences: list[str]
    headers: tuple[str, ...]
    rows: list[list[str]]
    assumed: list[str]


def said(plan: LimitsPlan) -> Said:
    """All that is printed."""
    assumed = [f"{each.name}: {each.wanted.assumed}." for each in plan.members]
    return Said(sentences(plan), HEADERS, rows(plan), [*assumed, *ASSUMED])


def sentences(plan: LimitsPlan) -> list[str]:
    """The answer first, then who gains and who pays, then what it rests on."""
    by_name = {member.name: member for member in plan.members}
    victim = by_name.get(plan.verdict.victim or "")
    neighbour = by_name.get(plan.verdict.neighbour or "")
    told = [_answer(plan, victim)]
    told += [_moves(who, member) for who, member in (("", victim), ("neighbour ", neighbour)) if member]
    told.append(_trust(plan))
    return told


def _answer(plan: LimitsPlan, victim: Member | None) -> str:
    if victim is None:
        return (
            "It makes no difference: no container was throttled in more than 1 % of its periods, so its "
            "limit cost it next to nothing here."
        )
    gained = f"{victim.name}'s p99 {_from_to(victim, WITHOUT)}"
    if plan.verdict.choice == "remove":
        return f"Yes, remove the CPU limits: {gained}, and nobody else gets slower by more than a tenth."
    if plan.verdict.choice == "burst":
        return (
            f"Keep the limits and give them burst (cpu.max.burst): {victim.name}'s p99 "
            f"{_from_to(victim, BURST)}, and nobody else gets slower by more than a tenth; "
            "without limits somebody does."
        )
    pay = [m.name for m in plan.members if m is not victim and _slower(m, WITHOUT)]
    if pay:
        return f"No, keep them: without limits {gained}, but {', '.join(pay[:3])} would pay for it."
    return f"No, it would not help: without limits {gained}."


def _slower(member: Member, policy: str) -> bool:
    before, after = member.fared[WITH].p99_seconds, member.fared[policy].p99_seconds
    return before is not None and after is not None and after > before * 1.1


def _moves(who: str, member: Member) -> str:
    parts = [f"{who}{member.name}:"]
    texts = []
    for policy in POLICIES:
        fared = member.fared[policy]
        p99 = f"p99 {_seconds(fared.p99_seconds)}, " if fared.p99_seconds is not None else ""
        texts.append(f"{policy} {p99}throttled in {percent_text(fared.throttled)} of periods")
    return " ".join([*parts, "; ".join(texts)]) + "."


def _trust(plan: LimitsPlan) -> str:
    """How well the replay under the recorded limits meets the recording."""
    throttled = max(
        (abs(m.fared[WITH].throttled - m.recorded.throttled) for m in plan.members), default=0.0
    )  # fmt: skip
    used = [
        abs(m.fared[WITH].cpus - m.recorded.cpus) / m.recorded.cpus
        for m in plan.members
        if m.recorded.cpus > 0.01
    ]
    # What the guess does not explain shows here, so that nobody trusts a bad one.
    return (
        f"The replay with the recorded limits differs from the recording by at most {100 * throttled:.0f} "
        f"points of throttled periods and {percent_text(max(used, default=0.0))} of CPU use."
    )


def _from_to(member: Member, policy: str) -> str:
    before, after = member.fared[WITH], member.fared[policy]
    if before.p99_seconds is None or after.p99_seconds is None:
        return f"is not known; it gets {after.cpus:.2f} CPUs instead of {before.cpus:.2f}"
    return f"goes from {_seconds(before.p99_seconds)} to {_seconds(after.p99_seconds)}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return duration_text(value) if math.isfinite(value) else "never"


HEADERS: Final = ("CONTAINER", "CPUS", "P50", "P99", "THROTTLED", "PRESSURE")


def rows(plan: LimitsPlan) -> list[list[str]]:
    """The table: a line a container as it was recorded, then one a policy."""
    found = []
    for member in plan.members:
        if member.wanted.kind == "idle":
            continue
        found.append([member.name, *_cells(member.recorded)])
        found += [[f"  {policy}", *_cells(member.fared[policy])] for policy in POLICIES]
    return found


def _cells(fared: Fared) -> list[str]:
    return [
        f"{fared.cpus:.2f}",
        _seconds(fared.p50_seconds),
        _seconds(fared.p99_seconds),
        percent_text(fared.throttled),
        "-" if fared.waited is None else percent_text(fared.waited),
    ]


def write_limits_page(plan: LimitsPlan, title: str, command: str, path: Path) -> None:
    """The page with the one picture.

    Raises:
        RecordingError: the disk refused.
    """
    measured = "measured on a real kernel" if plan.source == "measured" else "simulated"
    said = (
        f"{len(plan.members)} containers on {plan.cpus} CPUs · {plan.seconds:.0f} of "
        f"{plan.recorded_seconds:.0f} recorded seconds ({measured}), replayed {plan.seeds} times a policy"
    )
    facts = (
        ("command", command), ("replayed", said), ("beside the pods", f"{plan.beside_cpus:.2f} CPUs"),
        *((member.name, member.wanted.assumed) for member in plan.members[:_MOST_ROWS]),
    )  # fmt: skip
    page = AnswerPage(
        title,
        "Should I remove CPU limits?",
        said,
        tuple(sentences(plan)),
        (("limits", _picture(plan)),),
        facts,
    )
    write_answer(page, path)


def _picture(plan: LimitsPlan) -> Picture:
    shown = [member for member in plan.members if member.wanted.kind != "idle"][:_MOST_ROWS]
    names = [member.name for member in shown]
    timed = [member for member in shown if member.fared[WITH].p99_seconds is not None]
    panels = [
        Panel(
            "99th percentile of a piece of work",
            bars(
                [member.name for member in timed],
                [(policy, [m.fared[policy].p99_seconds for m in timed]) for policy in POLICIES],
                "seconds",
                _seconds,
            ),
        ),
        Panel(
            "Throttled by its own limit",
            bars(
                names,
                [(policy, [100 * m.fared[policy].throttled for m in shown]) for policy in POLICIES],
                "% of its periods",
                lambda value: f"{value:.1f} %",
            ),
        ),
        Panel(
            "Waits for the CPU (cpu.pressure some)",
            bars(
                names,
                [(policy, [100 * (m.fared[policy].waited or 0.0) for m in shown]) for policy in POLICIES],
                "% of the time",
                lambda value: f"{value:.1f} %",
            ),
        ),
    ]
    return Picture(
        "What does the same demand do with limits, without, and with burst?",
        "Shorter is better. The first container is the one that its limit hurt most.",
        tuple(panel for panel in panels if timed or panel is not panels[0]),
        series_keys(POLICIES),
        notes=ASSUMED,
        table=_table(shown),
    )


def _table(shown: list[Member]) -> Table:
    lines = []
    for member in shown:
        for name, fared in (("recorded", member.recorded), *member.fared.items()):
            lines.append(
                (member.name, name, *_cells(fared), member.wanted.assumed if name == "recorded" else "")
            )
    heads = ("container", "under", "CPUs", "p50", "p99", "throttled", "pressure", "taken to want")
    return Table(heads, tuple(lines))

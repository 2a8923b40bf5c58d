"""Tables and the gate's file from the stored measurements, with the predictions of today."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from fidelity_causes import CAUSES, cause_of

from qos.experiment.predict import predict_again
from qos.experiment.simulate import load
from qos.record.fidelity import RULES, Line, compare
from qos.record.measured import Measured

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "scenarios" / "fidelity"
RESULTS = ROOT / "docs" / "fidelity"
MARK = "<!-- made by: python benchmarks/fidelity_grid.py table -->"
END = "<!-- end of what was made -->"
KERNELS = ("uml", "qemu", "built")
VERDICTS = ("in noise", "lab effect", "close", "OUTSIDE")


@dataclass(frozen=True)
class Judged:
    """One stored measurement against the prediction of today."""

    kernel: str
    scenario: str
    release: str
    repeats: int
    lines: tuple[Line, ...]


def stored(kernel: str) -> dict[str, dict[str, Any]]:
    """The stored measurements of a kernel by scenario, skipped ones too."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((RESULTS / kernel).glob("*.json"))}


def judge(kernel: str, name: str, data: Mapping[str, Any]) -> Judged:
    """Predict and compare one.

    Raises:
        InputError: the scenario is another one than was measured.
    """
    kept = Measured.from_json(data)
    predicted = predict_again(load(str(SCENARIOS / f"{name}.yaml")), kept)
    return Judged(kernel, name, str(kept.meta["release"]), len(kept.runs), compare(predicted, kept))


def judged(kernel: str) -> list[Judged]:
    """All of a kernel that were measured."""
    return [judge(kernel, name, data) for name, data in stored(kernel).items() if "skipped" not in data]


def show(kernel: str, names: Sequence[str]) -> None:
    """Print the lines of some scenarios."""
    for name, data in stored(kernel).items():
        if name not in names:
            continue
        if "skipped" in data:
            print(f"{name}: {data['skipped']}")
            continue
        for line in judge(kernel, name, data).lines:
            print(line_text(name, line))


def line_text(name: str, line: Line) -> str:
    """One line of a scenario: predicted, measured, noise, error, verdict."""
    values = "".join(f"{_number(value):>13}" for value in (line.predicted, line.measured, line.noise))
    return f"{name:<40} {line.metric:<18} {line.subject:<12}{values} {_error(line):>16} {line.verdict}"


def write_tables() -> None:
    """The short table into docs/model.md, all misses into docs/fidelity.md."""
    everything = {kernel: judged(kernel) for kernel in KERNELS}
    _between(ROOT / "docs" / "model.md", list(_summary(everything)))
    _between(ROOT / "docs" / "fidelity.md", list(_details(everything)))


def _between(path: Path, rows: Sequence[str]) -> None:
    before, mark, rest = path.read_text().partition(MARK)
    _, end, after = rest.partition(END)
    if not mark or not end:
        msg = f"{path}: no place between {MARK} and {END}"
        raise SystemExit(msg)
    path.write_text(f"{before}{MARK}\n\n" + "\n".join(rows) + f"\n\n{END}{after}")


def _unit(metric: str) -> str:
    rule = RULES[metric]
    return "points" if rule.points else "% of runs" if rule.outcome else "%"


def _percent(fraction: float, metric: str, *, sign: bool = False) -> str:
    return f"{fraction * 100:{'+' if sign else ''}.2f} {_unit(metric)}"


def _error(line: Line) -> str:
    return _percent(line.error, line.metric, sign=True) if math.isfinite(line.error) else "one side only"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _summary(everything: Mapping[str, Sequence[Judged]]) -> Iterator[str]:
    yield (
        "| metric | kernel | lines | median error | target | worst error | target | worst scenario "
        "| in noise | misses, and what they come from |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for metric, rule in RULES.items():
        for kernel, found in everything.items():
            lines = [(line, one.scenario) for one in found for line in one.lines if line.metric == metric]
            if not lines:
                continue
            known = [abs(line.error) for line, _ in lines if math.isfinite(line.error)]
            worst, where = max(lines, key=lambda pair: abs(pair[0].error))
            middle = _percent(median(known), metric) if known else "–"
            noise = sum(line.verdict == "in noise" for line, _ in lines)
            outside = [_cause(kernel, name, line) for line, name in lines if line.verdict == "OUTSIDE"]
            why = ", ".join(f"{outside.count(each)} {each}" for each in dict.fromkeys(outside))
            yield (
                f"| {metric} | {kernel} | {len(lines)} | {middle} | {_percent(rule.target, metric)} "
                f"| {_error(worst)} | {_percent(rule.tolerance, metric)} | {where} | {noise} | {why or '–'} |"
            )


def _cause(kernel: str, scenario: str, line: Line) -> str:
    found = cause_of(kernel, scenario, line.metric)
    return found.name if found else "**unexplained**"


def unexplained() -> list[str]:
    """The stored lines outside their tolerance for which no cause is known."""
    return [
        f"{kernel} {one.scenario}: {line.metric} {line.subject} {_error(line)}"
        for kernel in KERNELS
        for one in judged(kernel)
        for line in one.lines
        if line.verdict == "OUTSIDE" and cause_of(kernel, one.scenario, line.metric) is None
    ]


def _causes() -> Iterator[str]:
    yield "| cause | of the | what happens |"
    yield "|---|---|---|"
    for cause in CAUSES:
        yield f"| {cause.name} | {cause.whose} | {cause.words} |"
    yield ""


def _details(everything: Mapping[str, Sequence[Judged]]) -> Iterator[str]:
    yield from _causes()
    for kernel, found in everything.items():
        if found:
            yield from _of_kernel(kernel, found)


def _of_kernel(kernel: str, found: Sequence[Judged]) -> Iterator[str]:
    lines = sum(len(one.lines) for one in found)
    repeats = sorted({one.repeats for one in found})
    what = f"{len(found)} scenarios, {lines} lines, repeats {repeats}"
    yield f"## {kernel}, Linux {found[0].release}: {what}\n"
    skipped = {name: data["skipped"] for name, data in stored(kernel).items() if "skipped" in data}
    if skipped:
        yield "Skipped: " + "; ".join(f"{name} ({why})" for name, why in skipped.items()) + ".\n"
    yield "| metric | lines | " + " | ".join(VERDICTS) + " |"
    yield "|---|---|" + "---|" * len(VERDICTS)
    for metric in RULES:
        mine = [line for one in found for line in one.lines if line.metric == metric]
        if mine:
            counts = (sum(line.verdict == word for line in mine) for word in VERDICTS)
            yield f"| {metric} | {len(mine)} | " + " | ".join(map(str, counts)) + " |"
    yield f"\n### Lines outside their tolerance on {kernel}\n"
    yield "| scenario | metric | whose | predicted | measured | noise | error | cause |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in found:
        for line in one.lines:
            if line.verdict == "OUTSIDE":
                told = (_number(value) for value in (line.predicted, line.measured, line.noise))
                values, why = " | ".join(told), _cause(kernel, one.scenario, line)
                yield (
                    f"| {one.scenario} | {line.metric} | {line.subject} | {values} | {_error(line)} | {why} |"
                )
    yield ""

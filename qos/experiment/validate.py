"""`qos validate`: one scenario predicted and measured, with the same plan, demand and seed; the errors told.

The measurement runs in a guest of the kernel lab, all repeats in one boot, or on this machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from qos.errors import InputError
from qos.experiment.laboratory import check_features, check_lane, choose_lane, guest_size, warnings_of
from qos.experiment.measure import check_this_machine, measure
from qos.experiment.predict import predictions
from qos.experiment.simulate import load
from qos.experiment.tell import tell
from qos.experiment.validate_guest import Task, measure_in_guest
from qos.model.sample import Recording
from qos.record.fidelity import RULES, Line, compare
from qos.record.likely import Facts, Likely, likely_cause
from qos.record.measured import Measured
from qos.record.words import bytes_text, digits, duration_text

HOST: Final = "host"
_FRACTIONS: Final = frozenset({"cpu_usage", "cpu_share", "throttled_ratio"})
_LATENCIES: Final = frozenset({"latency_p50", "latency_p99"})
HEADERS: Final = ("METRIC", "WHOSE", "PREDICTED", "MEASURED", "NOISE", "ERROR", "VERDICT")


@dataclass(frozen=True, slots=True)
class Validation:
    """One scenario under one policy, predicted and measured."""

    scenario: str
    policy: str
    kernel: str
    release: str
    emulator: str
    predicted: Recording
    measured: tuple[Recording, ...]
    kept: Measured
    lines: tuple[Line, ...]
    facts: Facts

    @property
    def outside(self) -> tuple[Line, ...]:
        """What is farther off than stated."""
        return tuple(line for line in self.lines if line.verdict == "OUTSIDE")

    def likely(self, line: Line) -> Likely | None:
        """What a line that is outside is likely off for; None: nothing that is known."""
        return likely_cause(line, self.facts)

    def to_json(self) -> dict[str, Any]:
        """The stable machine form; small enough to keep."""
        return {
            "scenario": self.scenario,
            "scenario_hash": self.predicted.meta.get("scenario_hash"),
            "policy": self.policy,
            "kernel": self.kernel,
            "release": self.release,
            "emulator": self.emulator,
            "clock_step_seconds": self.kept.clock_step_seconds,
            "measuring_cpus": self.kept.measuring_cpus,
            "repeats": len(self.measured),
            "seed": self.predicted.meta.get("seed"),
            "lines": [line.to_json() | {"likely_cause": self._cause_words(line)} for line in self.lines],
        }

    def sentences(self) -> list[str]:
        """The answer: how many lines are outside, then for each likely cause which."""
        counts = Counter(line.verdict for line in self.lines)
        within = [f"{counts[name]} {name}" for name in ("in noise", "close", "lab effect") if counts[name]]
        told = ", ".join(within) or "none within"
        if not self.outside:
            return [f"All {len(self.lines)} lines are within their tolerance: {told}."]
        by_cause: dict[str, list[Line]] = {}
        for line in self.outside:
            by_cause.setdefault(self._cause_words(line) or "no known cause fits", []).append(line)
        return [
            f"{len(self.outside)} of {len(self.lines)} lines are OUTSIDE, {told}. Likely causes:",
            *(f"{cause} → {_whose(lines)}" for cause, lines in by_cause.items()),
        ]

    def _cause_words(self, line: Line) -> str | None:
        cause = self.likely(line) if line.verdict == "OUTSIDE" else None
        return None if cause is None else f"{cause.name} ({cause.whose}): {cause.words}"

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of :data:`HEADERS`."""
        return [line_cells(line) for line in self.lines]


def parse_tolerances(words: Sequence[str]) -> dict[str, float]:
    """``METRIC=FRACTION`` as typed.

    >>> parse_tolerances(["cpu_share=0.005"])
    {'cpu_share': 0.005}

    Raises:
        InputError: no such metric, or no fraction.
    """
    found = {}
    for word in words:
        metric, _, number = word.partition("=")
        if metric not in RULES:
            raise InputError(
                "no such metric", field="--tolerance", value=word, expected="one of " + ", ".join(RULES)
            )
        try:
            found[metric] = float(number)
        except ValueError:
            found[metric] = -1.0
        if not 0.0 <= found[metric] <= 10.0:
            raise InputError(
                "not a tolerance", field="--tolerance", value=word, expected=f"{metric}=0.05 for 5 %"
            )
    return found


def validate(
    path: str,
    *,
    kernel: str | None = None,
    repeat: int = 3,
    policy: str | None = None,
    seed: int | None = None,
    tolerances: Mapping[str, float] | None = None,
    timeout_seconds: float | None = None,
    talk: Callable[[str], None] | None = None,
) -> Validation:
    """Predict a scenario, measure it, and compare.

    Args:
        path: the scenario's file.
        kernel: a lane of the kernel lab, or "host"; None: the quickest that can be the node.
        repeat: how often it is measured.
        policy: instead of the scenario's first.
        seed: instead of the scenario's own.
        tolerances: instead of those of :data:`qos.record.fidelity.RULES`.
        timeout_seconds: after which a guest is ended; None: generously what boot and runs may take.
        talk: told what is going on.

    Raises:
        InputError: something is wrong with the scenario, or its node is not as large as the kernel's machine.
        HostError: the guest did not start, or the measurement failed there.
    """
    scenario = load(path)
    name = policy or scenario.policies[0]
    used_seed = scenario.seed if seed is None else seed
    say = talk or (lambda _: None)
    kernel = kernel or choose_lane(scenario, name)
    task = Task(path, scenario, kernel, name, used_seed, repeat, timeout_seconds)
    kept = Measured.of(measured := _measured(task, say))
    release = str(kept.meta["release"])
    say(f"predicting {scenario.name} under {name} on Linux {release}")
    predicted = predictions(scenario, kept)
    lines = compare(predicted, kept, tolerances)
    emulator = str(kept.meta.get("emulator", ""))
    facts = Facts.of(predicted[0], measured, kept)
    return Validation(
        scenario.name, name, kernel, release, emulator, predicted[0], measured, kept, lines, facts
    )


def _measured(task: Task, say: Callable[[str], None]) -> tuple[Recording, ...]:
    """The runs, on this machine or in a guest; what it cannot be is refused before."""
    scenario, policy = task.scenario, task.policy
    many = f"measuring {task.repeat} × {scenario.duration_seconds:g} s on"
    if task.lane == HOST:
        check_this_machine(scenario)
        check_features(scenario, policy)
        say(f"{many} this machine")
        return tuple(measure(scenario, policy=policy, seed=task.seed, repeat=task.repeat))
    guest_size(scenario, task.lane)
    check_lane(scenario, policy, task.lane)
    for words in warnings_of(scenario, task.lane):
        say(f"warning: {words}")
    say(f"{many} {task.lane}")
    return measure_in_guest(task, say)


def _whose(lines: Sequence[Line]) -> str:
    """The metrics and whose they are: ``cpu_usage of a/c, b/c``."""
    by_metric: dict[str, list[str]] = {}
    for line in lines:
        by_metric.setdefault(line.metric, []).append(line.subject)
    return "; ".join(f"{metric} of {', '.join(whose)}" for metric, whose in by_metric.items())


def line_cells(line: Line) -> tuple[str, ...]:
    """Cells of :data:`HEADERS`."""
    metric = line.metric
    error = "-" if abs(line.error) == float("inf") else _error_text(line)
    values = (line.predicted, line.measured, line.noise)
    return (metric, line.subject, *(_value(metric, value) for value in values), error, line.verdict)


def _error_text(line: Line) -> str:
    if RULES[line.metric].points:
        return f"{line.error * 100:+.2f} pt"
    return f"{line.error * 100:+.2f} %"


def _value(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    if metric.startswith("memory"):
        return bytes_text(value)
    if metric.endswith("bytes_per_second"):
        return f"{bytes_text(value)}/s"
    if metric.endswith("_usec") or metric.startswith("psi_"):
        return duration_text(value / 1e6)
    if metric in _FRACTIONS:
        return f"{value:.4f}"
    return duration_text(value) if metric.endswith("_seconds") or metric in _LATENCIES else digits(value)


def write_validation_page(found: Validation, path: Path) -> None:
    """One report: what is outside and why, prediction and measurement over each other, then side by side.

    Raises:
        qos.errors.RecordingError: it cannot be written.
    """
    from qos.report.figures import fidelity
    from qos.report.page import write_report
    from qos.report.picture import Absent, Picture, Table
    from qos.report.registry import FIGURES
    from qos.report.run import Run

    def draw(runs: Sequence[Run]) -> Picture | Absent:
        picture = fidelity.draw(runs)
        table = Table(tuple(header.lower() for header in HEADERS), tuple(found.rows()))
        return picture if isinstance(picture, Absent) else replace(picture, table=table)

    told = tell(runs_to_show(found))
    others = {name: figure for name, figure in FIGURES.items() if name != "policies"}
    write_report(told.recordings, told.summaries, found.sentences(), path, {"fidelity": draw, **others})


def runs_to_show(found: Validation) -> list[Recording]:
    """The prediction and one measured run, named so that they can be told apart."""
    middle = found.measured[len(found.measured) // 2]
    return [
        replace(found.predicted, policy=f"{found.policy} (simulated)"),
        replace(middle, policy=f"{found.policy} (measured, {found.kernel})"),
    ]


def write_runs(found: Validation, folder: Path) -> None:
    """Leave all recordings below ``folder``.

    Raises:
        qos.errors.RecordingError: they cannot be written.
    """
    from qos.record.store import write_recording

    write_recording(found.predicted, folder / "simulated")
    for number, recording in enumerate(found.measured):
        write_recording(recording, folder / f"measured-{number}")

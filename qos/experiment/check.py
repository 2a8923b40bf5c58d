"""`qos test`: scenarios' promises and baselines, several seeds where chance has a part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from qos.check.baseline import compare, figures, from_text, to_text
from qos.check.expectations import evaluate
from qos.check.outcome import Outcome, of_verdicts
from qos.errors import InputError, SourceRef
from qos.experiment.advice import Adviser
from qos.experiment.fleet import is_fleet, run_fleet
from qos.experiment.fleet_check import as_recording
from qos.experiment.fleet_place import place
from qos.experiment.matrix import under
from qos.experiment.simulate import load, simulate
from qos.model.expectation import Expectation, Verdict
from qos.model.sample import Recording
from qos.record.store import write_text
from qos.record.summarize import summarize
from qos.scenario.load import read_bytes, read_documents
from qos.scenario.scenario import Scenario

SEEDS: Final = 3
Advise = Callable[[Outcome, Verdict], Outcome]
_KIND: Final = "Scenario"
_GROUP: Final = "qos.dev/"


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How `qos test` runs.

    Attributes:
        seeds: runs of a scenario in which chance has a part; others run once.
        baseline: folder of committed figures, None to compare with none.
        accept: rewrite the figures instead of comparing.
        workers: processes; 0 is one a core.
        advise: for a broken promise, also look for the smallest change that would keep it.
        variants: versions to judge the promises under instead of the scenario's own, as
            :func:`qos.experiment.matrix.variants` gives them; a baseline is of the scenario's own.
    """

    seeds: int = SEEDS
    baseline: Path | None = None
    accept: bool = False
    workers: int = 0
    variants: tuple[str, ...] = ()
    advise: bool = False


def check(paths: Sequence[str], options: CheckOptions) -> list[Outcome]:
    """Outcomes of every scenario found under ``paths``, in order of their paths.

    Raises:
        InputError: no scenario was found, or one is malformed.
    """
    files = find_scenarios(paths)
    if not files:
        raise InputError("no scenario found", value=" ".join(paths), expected="files of kind: Scenario")
    workers = options.workers or os.cpu_count() or 1
    if workers == 1 or len(files) == 1:
        checked: Iterable[list[Outcome]] = [check_scenario(file, options) for file in files]
        return [outcome for outcomes in checked for outcome in outcomes]
    with ProcessPoolExecutor(min(workers, len(files))) as pool:
        checked = pool.map(check_scenario, files, [options] * len(files))
        return [outcome for outcomes in checked for outcome in outcomes]


def find_scenarios(paths: Sequence[str]) -> list[str]:
    """Files of kind Scenario among ``paths``; folders are searched, other documents passed over."""
    found = []
    for document in read_documents(paths):
        if isinstance(document, InputError):
            raise document
        data = document.data
        if (
            isinstance(data, dict)
            and data.get("kind") == _KIND
            and str(data.get("apiVersion")).startswith(_GROUP)
        ):
            found.append(document.source.file)
    return list(dict.fromkeys(found))


def check_scenario(path: str, options: CheckOptions) -> list[Outcome]:
    """Outcomes of the scenario of a file: its promises, then its baseline.

    Raises:
        InputError: it is malformed, or asks for what does not exist.
    """
    scenario = load(path)
    if not options.variants:
        return judge(scenario, options, _adviser(path, scenario, options))
    return [
        replace(outcome, variant=variant)
        for variant in options.variants
        for outcome in judge(replace(scenario, profile=under(variant, scenario.profile)), options)
    ]


def judge(scenario: Scenario, options: CheckOptions, advise: Advise | None = None) -> list[Outcome]:
    """As :func:`check_scenario`, of a scenario that was loaded; ``advise`` adds to what failed."""
    runs = runs_of(scenario, options)
    return promises(scenario, runs, advise=advise) + against_baseline(scenario, runs, options)


def _adviser(path: str, scenario: Scenario, options: CheckOptions) -> Advise | None:
    seeds = options.seeds if is_random(scenario) else 1
    return Adviser(path, scenario, seeds) if options.advise else None


def runs_of(scenario: Scenario, options: CheckOptions) -> list[Recording]:
    """The scenario under all its policies, with several seeds where chance has a part."""
    count = options.seeds if is_random(scenario) else 1
    seeds = range(scenario.seed, scenario.seed + count)
    if is_fleet(scenario):
        placement = place(scenario)
        return [
            as_recording(run_fleet(scenario, policy, seed, placement=placement))
            for seed in seeds
            for policy in scenario.policies
        ]
    return [run for seed in seeds for run in simulate(scenario, seed=seed)]


def promises(
    scenario: Scenario,
    runs: Sequence[Recording],
    expect: Sequence[tuple[Expectation, SourceRef]] | None = None,
    advise: Advise | None = None,
) -> list[Outcome]:
    """One outcome a promise, policy and subject; each knows the line it stands on.

    Args:
        scenario: whose promises they are.
        runs: as :func:`runs_of` gives them.
        expect: some of its promises; None: all.
        advise: adds to what failed.
    """
    found = []
    for expectation, source in scenario.expect if expect is None else expect:
        verdicts = evaluate([expectation], runs)
        for outcome, verdict in zip(of_verdicts(scenario.name, verdicts, source), verdicts, strict=True):
            found.append(advise(outcome, verdict) if advise and outcome.failed else outcome)
    return found


def is_random(scenario: Scenario) -> bool:
    """Whether another seed could give another result."""
    shapes = [
        load.cpu for load in (*scenario.demand.values(), *scenario.system.values()) if load.cpu is not None
    ]
    return any(
        cpu.shape == "random"
        or (cpu.shape == "requests" and (cpu.arrivals == "poisson" or cpu.cost != "constant"))
        for cpu in shapes
    )


def against_baseline(scenario: Scenario, runs: Sequence[Recording], options: CheckOptions) -> list[Outcome]:
    """The figures against the committed ones, or written anew; empty where no folder was named.

    Raises:
        InputError: the committed file is malformed.
        qos.errors.RecordingError: it cannot be written.
    """
    if options.baseline is None:
        return []
    path = options.baseline / f"{scenario.name}.json"
    now = figures([summarize(run) for run in runs])
    if options.accept:
        write_text(path, to_text(now))
        return [Outcome(scenario.name, f"baseline written: {path.name}", "passed", "", "baseline")]
    source = SourceRef(str(path), 1)
    if not path.exists():
        if not scenario.expect:
            why = "no promise and no baseline, so nothing was judged"
            return [Outcome(scenario.name, "baseline", "noted", why, "baseline", source, "info")]
        why = "no baseline; write one with qos test --accept"
        return [Outcome(scenario.name, "baseline", "failed", why, "baseline", source)]
    text = read_bytes(path).decode("utf-8", "replace")
    return compare(scenario.name, from_text(text, source), now, source)

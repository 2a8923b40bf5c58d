"""Sweeps: one scenario at many points and seeds; what is finished is kept, and an interrupted one goes on.

A run is one policy at one point with one seed. The seeds are the same at every point and under every
policy, so that differences between them are not differences of luck.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np
import orjson

from qos.errors import InputError
from qos.experiment.agents import NAMES
from qos.experiment.policies import policy_named
from qos.experiment.sweep_task import Task, packed, stamp
from qos.policy.registry import policy_names
from qos.record.run_store import RunStore, StoredRun
from qos.scenario.overrides import Override
from qos.scenario.scenario import Scenario, load_scenario
from qos.scenario.sweep_values import Axis, parse_axis

MOST_RUNS: Final = 1_000_000
Engine = Callable[[Sequence[Task]], Iterator[StoredRun]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the grid: a value for each axis, and the scenario that it makes."""

    values: tuple[str, ...]
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Run:
    """One run: where it stands in the sweep, and its name in the store."""

    point: int
    policy: str
    seed: int
    key: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is to be run.

    Attributes:
        scenario: as the file has it, without any override.
        runs: in order of point, policy and seed.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]

    def shard(self, index: int, count: int) -> tuple[Run, ...]:
        """Every ``count``-th run from number ``index`` on: together the shards are the sweep."""
        return self.runs[index::count]


def plan_sweep(
    path: str | os.PathLike[str],
    sweeps: Sequence[str],
    *,
    seeds: int | None = None,
    seed: int | None = None,
    policies: Sequence[str] = (),
) -> Sweep:
    """Every point read and checked before anything runs.

    Args:
        path: the scenario's file.
        sweeps: ``PATH=VALUES``, one an axis; their product is the grid.
        seeds: how many, spawned from the scenario's; None: the scenario's own one.
        seed: instead of the scenario's own.
        policies: instead of the scenario's own.

    Raises:
        InputError: a path matches nothing, a value is impossible at its place, or the grid is too large.
    """
    axes = tuple(parse_axis(text) for text in sweeps)
    texts = [axis.text for axis in axes]
    for text in texts:
        if texts.count(text) > 1:
            raise InputError("is swept twice", field="--sweep", value=text, expected="each path once")
    plain = _load(path, ())
    names = tuple(policies) or plain.policies
    for name in names:
        policy_named(name, plain.policy_documents)
    first = plain.seed if seed is None else seed
    seeds_used = (first,) if seeds is None else spawned(first, seeds)
    size = len(names) * len(seeds_used)
    for axis in axes:
        size *= len(axis.values)
    if size > MOST_RUNS:
        raise InputError(f"makes {size} runs", field="--sweep", expected=f"at most {MOST_RUNS}")
    points = tuple(_points(path, axes))
    runs = tuple(
        Run(index, policy, one, _key(point.scenario, policy, one))
        for index, point in enumerate(points)
        for policy in names
        for one in seeds_used
    )
    return Sweep(plain, axes, points, names, seeds_used, runs)


def spawned(seed: int, count: int) -> tuple[int, ...]:
    """Seeds of independent runs, by numpy's SeedSequence.spawn; the first n of more are the same n.

    >>> spawned(4, 3)[:2] == spawned(4, 2)
    True
    """
    children = np.random.SeedSequence(seed).spawn(count)
    return tuple(int(child.generate_state(1, np.uint64)[0]) >> 1 for child in children)


def run_sweep(
    sweep: Sweep,
    engine: Engine,
    *,
    store: RunStore | None = None,
    runs: Sequence[Run] | None = None,
    progress: Progress | None = None,
) -> dict[str, StoredRun]:
    """The runs by key: those that are in the store, and the others, run now and stored as they finish.

    Args:
        sweep: the plan.
        engine: where tasks run.
        store: where finished runs are; None keeps nothing.
        runs: which; None: all.
        progress: told how many of them are there.

    Raises:
        QosError: a run failed, or cannot be stored.
    """
    wanted = {run.key: run for run in (sweep.runs if runs is None else runs)}
    done = store.finished(wanted) if store else {}
    tell = progress or (lambda _done, _all: None)
    tell(len(done), len(wanted))
    missing = [run for key, run in wanted.items() if key not in done]
    if missing:
        with closing(engine(_tasks(sweep, missing))) as finished:  # type: ignore[type-var]  # a generator
            for outcome in finished:
                if store:
                    store.keep(outcome, _about(sweep, wanted[outcome.key]))
                done[outcome.key] = outcome
                tell(len(done), len(wanted))
    return {key: done[key] for key in wanted}


def _tasks(sweep: Sweep, runs: Sequence[Run]) -> list[Task]:
    scenarios = {index: packed(sweep.points[index].scenario) for index in {run.point for run in runs}}
    return [Task(run.key, scenarios[run.point], run.policy, run.seed, stamp()) for run in runs]


def _about(sweep: Sweep, run: Run) -> dict[str, str | int]:
    values = zip(sweep.axes, sweep.points[run.point].values, strict=True)
    return {**{axis.text: value for axis, value in values}, "policy": run.policy, "seed": run.seed}


def _points(path: str | os.PathLike[str], axes: Sequence[Axis]) -> Iterator[Point]:
    for numbers in itertools.product(*(range(len(axis.values)) for axis in axes)):
        overrides = [
            each for axis, number in zip(axes, numbers, strict=True) for each in axis.overrides(number)
        ]
        values = tuple(str(axis.values[number]) for axis, number in zip(axes, numbers, strict=True))
        try:
            yield Point(values, _load(path, overrides))
        except InputError as error:
            said = " ".join(f"{axis.text}={value}" for axis, value in zip(axes, values, strict=True))
            raise InputError(str(error), field=f"--sweep {said}") from None


def _load(path: str | os.PathLike[str], overrides: Sequence[Override]) -> Scenario:
    return load_scenario(path, known_policies=policy_names(), known_agents=NAMES, overrides=overrides)


def _key(scenario: Scenario, policy: str, seed: int) -> str:
    """A run's name: SHA-256 of all that its result depends on."""
    return hashlib.sha256(orjson.dumps([scenario.hash, policy, seed, stamp()])).hexdigest()

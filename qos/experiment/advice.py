"""What to say of a broken promise: the values that led to it, and the smallest change that would keep it."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from qos.check.expectations import evaluate
from qos.check.outcome import Outcome
from qos.errors import InputError
from qos.experiment.admission import as_stored
from qos.experiment.policies import policy_named
from qos.experiment.simulate import load, simulate
from qos.model.expectation import Expectation, Verdict
from qos.model.pod import CPU, MEMORY, Container
from qos.model.quantity import Quantity
from qos.policy.registry import plan_node
from qos.scenario.field_path import parse_path
from qos.scenario.overrides import Override
from qos.scenario.scenario import Scenario

_FARTHEST: Final = 8.0
"""A value is tried up to so many times, and down to so small a part of, what it is."""

_PRECISION: Final = 0.02
"""The change is told to 2 %."""

_FILES: Final = {
    CPU: ("cpu.max", "cpu.weight"),
    MEMORY: ("memory.max", "memory.high", "memory.low", "memory.min"),
}
_UNIT: Final = {CPU: (1_000_000, "m"), MEMORY: (10**9 << 20, "Mi")}
"""Resource → nano units of what its values are told in, and its name."""


@dataclass(frozen=True, slots=True)
class _Knob:
    """One request or limit: its path, what is told of it, its value and how far it may go, in units."""

    path: str
    resource: str
    now: int
    low: int
    high: int

    def text(self, value: int) -> str:
        return f"{value}{_UNIT[self.resource][1]}"


@dataclass(frozen=True, slots=True)
class Adviser:
    """Adds to a failed outcome what led to it and what would mend it.

    Attributes:
        path: the scenario's file, read anew with other values.
        scenario: the same, loaded.
        seeds: runs a value is judged by, as the promise was.
    """

    path: str
    scenario: Scenario
    seeds: int

    def __call__(self, outcome: Outcome, verdict: Verdict) -> Outcome:
        """The outcome with the formulas behind it in its message, and the smallest change as its fix."""
        if not verdict.subject:
            return outcome
        told = "".join(f"\n{line}" for line in self._formulas(verdict))
        return replace(outcome, message=outcome.message + told, fix=self._smallest_change(verdict))

    def _formulas(self, verdict: Verdict) -> Iterator[str]:
        """``CGROUP FILE VALUE: FORMULA`` of the files that the promise is about."""
        scenario = self.scenario
        rules = policy_named(verdict.policy, scenario.policy_documents)
        details = plan_node(
            rules, as_stored(scenario.pods, scenario.limit_ranges), scenario.node, scenario.profile
        )
        formulas = details.formulas
        mine = _subject_containers(scenario, verdict)
        for index, name in mine[:2]:
            pod = details.pods[index]
            cgroup = next(each.cgroup for each in pod.containers if each.container.name == name)
            for where in (pod.cgroup, cgroup):
                files = details.plan.cgroups[where].files()
                for file in _FILES[_resource(verdict.expectation)]:
                    if file in files:
                        yield f"{where} {file} {files[file]}: {formulas[where].get(file, '')}"

    def _smallest_change(self, verdict: Verdict) -> str:
        """The request or limit that has to move least; "" where none of them alone keeps the promise."""
        best: tuple[float, str] | None = None
        for knob in self._knobs(verdict):
            for end in (knob.low, knob.high):
                value = self._nearest(knob, end, verdict, best[0] if best else math.inf)
                if value is not None:
                    change = abs(math.log(value / knob.now))
                    best = (change, f"{knob.path}: {knob.text(knob.now)} → {knob.text(value)} would keep it")
        return best[1] if best else ""

    def _knobs(self, verdict: Verdict) -> Iterator[_Knob]:
        resource = _resource(verdict.expectation)
        seen = set()
        for index, name in _subject_containers(self.scenario, verdict):
            placed = self.scenario.placed[index]
            container = next(each for each, _ in placed.pod.typed_containers() if each.name == name)
            alone = len(placed.pod.spec.containers) == 1
            where = f"spec.pods[{placed.owner_name}]" + ("" if alone else f".containers[{name}]")
            if where not in seen:
                seen.add(where)
                yield from _knobs_of(where, container, resource)

    def _nearest(self, knob: _Knob, end: int, verdict: Verdict, limit: float) -> int | None:
        """The value nearest to now, towards ``end``, that keeps the promise.

        None if none does, or only one farther off than ``limit`` (of the logarithm).

        More of a change is taken to keep what less of it kept.
        """
        farthest = min(abs(math.log(end / knob.now)), limit)
        sign = 1.0 if end > knob.now else -1.0
        reach = round(knob.now * math.exp(sign * farthest))
        if reach in (knob.now, 0) or not self._kept(knob, reach, verdict):
            return None
        kept, broken = reach, knob.now
        while abs(kept - broken) > 1 and abs(kept - broken) > _PRECISION * min(kept, broken):
            middle = round(math.sqrt(kept * broken))
            if middle in (kept, broken):
                break
            if self._kept(knob, middle, verdict):
                kept = middle
            else:
                broken = middle
        return kept

    def _kept(self, knob: _Knob, value: int, verdict: Verdict) -> bool:
        steps = parse_path(knob.path)[0]
        try:
            changed = load(self.path, overrides=[Override(steps, knob.text(value))])
        except InputError:
            # Not every value makes a valid pod: a limit below its request does not.
            return False
        expectation = verdict.expectation
        policies = dict.fromkeys(
            [verdict.policy, *([expectation.relative_to] if expectation.relative_to else [])]
        )
        runs = [
            run
            for seed in range(self.seeds)
            for run in simulate(changed, policies=sorted(policies), seed=changed.seed + seed)
        ]
        found = [
            each
            for each in evaluate([expectation], runs)
            if each.policy == verdict.policy and each.subject == verdict.subject
        ]
        return bool(found) and all(each.passed for each in found)


def _knobs_of(where: str, container: Container, resource: str) -> Iterator[_Knob]:
    """Limit and request of one container, each no farther than the other allows."""
    unit = _UNIT[resource][0]
    limit = container.resources.limits.get(resource, _NONE).nano // unit
    request = container.resources.requests.get(resource, _NONE).nano // unit
    if limit:
        low = max(request, math.ceil(limit / _FARTHEST))
        yield _Knob(f"{where}.limits.{resource}", resource, limit, low, round(limit * _FARTHEST))
    if request:
        high = min(limit or math.inf, request * _FARTHEST)
        yield _Knob(
            f"{where}.requests.{resource}", resource, request, math.ceil(request / _FARTHEST), round(high)
        )


_NONE: Final = Quantity.parse("0")


def _subject_containers(scenario: Scenario, verdict: Verdict) -> Sequence[tuple[int, str]]:
    """(Index of the pod, container name) of what the promise is about; empty for a cgroup's."""
    expectation = verdict.expectation
    if expectation.workload is not None:
        return [key for key, load_ in scenario.demand.items() if load_.name == expectation.workload]
    if expectation.pod is None:
        return []
    return [
        (index, container.name)
        for index, pod in enumerate(scenario.pods)
        if fnmatch.fnmatchcase(f"{pod.namespace}/{pod.name}", expectation.pod)
        for container in pod.spec.containers
    ]


def _resource(expectation: Expectation) -> str:
    """What a promise is about: memory, or the CPU."""
    memory = expectation.metric.startswith("memory") or expectation.event in {"oom_kill", "evict"}
    return MEMORY if memory else CPU

"""The pytest plugin: scenario files are collected as tests, and two fixtures simulate and plan.

``pytest scenarios/`` judges every promise of every scenario found, as `qos test` does. Loaded by pytest
itself (entry point ``pytest11``); nothing of qos is imported before a scenario is met or a fixture asked for.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from qos.check.outcome import Outcome
    from qos.experiment.check import CheckOptions
    from qos.model.sample import Recording
    from qos.model.summary import Summary
    from qos.scenario.scenario import Scenario

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_MARKS: Final = (b"apiVersion: qos.dev/", b"kind: Scenario")
"""What a file must hold to be read further: other YAML files beside tests are nobody's business."""

Simulate = Callable[..., "dict[str, Summary]"]
PlanManifests = Callable[..., "dict[str, Any]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--qos-seeds`` and ``--qos-baseline``, as `qos test` has them."""
    group = parser.getgroup("qos", "resource QoS scenarios")
    group.addoption(
        "--qos-seeds", type=_at_least_one, default=3, help="runs of a scenario in which chance has a part"
    )
    group.addoption("--qos-baseline", metavar="DIR", default=None, help="folder of committed figures")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is no number of seeds; expected 1 or more")
    return int(text)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A scenario file is a collector of its promises; every other file is left to others."""
    if file_path.suffix not in _SUFFIXES:
        return None
    from qos.errors import InputError
    from qos.scenario.load import read_bytes

    try:
        text = read_bytes(file_path)
    except InputError:
        return None
    return ScenarioFile.from_parent(parent, path=file_path) if all(mark in text for mark in _MARKS) else None


class ScenarioFile(pytest.File):
    """One scenario: simulated once, when the first of its promises is tested."""

    scenario: Scenario
    _runs: Sequence[Recording] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """A test a promise, one for the baseline; a scenario with neither is skipped, with a word."""
        from qos.errors import QosError
        from qos.experiment.simulate import load

        try:
            self.scenario = load(self.path)
        except QosError as error:
            raise self.CollectError(str(error)) from None
        for number, (expectation, source) in enumerate(self.scenario.expect):
            yield PromiseItem.from_parent(self, name=str(expectation), number=number, line=source.line)
        if self.options.baseline is not None:
            yield PromiseItem.from_parent(self, name="baseline", number=None, line=1)
        elif not self.scenario.expect:
            yield PromiseItem.from_parent(self, name="no promise", number=None, line=1)

    @property
    def options(self) -> CheckOptions:
        """What was asked for on pytest's command line."""
        from qos.experiment.check import CheckOptions

        baseline = self.config.getoption("--qos-baseline")
        return CheckOptions(
            seeds=self.config.getoption("--qos-seeds"),
            baseline=Path(baseline) if baseline else None,
        )

    def outcomes(self, number: int | None) -> list[Outcome]:
        """What came of the promise of this number; None: of the baseline."""
        from qos.experiment.check import against_baseline, promises, runs_of

        if self._runs is None:
            self._runs = runs_of(self.scenario, self.options)
        if number is None:
            return against_baseline(self.scenario, self._runs, self.options)
        return promises(self.scenario, self._runs, self.scenario.expect[number : number + 1])


class PromiseItem(pytest.Item):
    """One promise of a scenario, under every policy it is about."""

    parent: ScenarioFile

    def __init__(self, *, number: int | None, line: int | None, **more: Any) -> None:
        super().__init__(**more)
        self._number = number
        self._line = line or 1

    def runtest(self) -> None:
        """Judge it; the scenario is simulated before the first."""
        if self.name == "no promise":
            pytest.skip("the scenario has no expect: block and --qos-baseline names no folder")
        outcomes = self.parent.outcomes(self._number)
        if any(outcome.failed for outcome in outcomes):
            raise BrokenPromiseError(outcomes)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | Any:
        """The words of `qos test` instead of a traceback."""
        from qos.check.formats import failure_text
        from qos.errors import QosError

        if isinstance(excinfo.value, BrokenPromiseError):
            return "\n".join(failure_text([one]) for one in excinfo.value.outcomes if one.failed)
        if isinstance(excinfo.value, QosError):
            return f"qos: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The line of the promise, counted from 0 as pytest does."""
        return self.path, self._line - 1, f"{self.parent.scenario.name}: {self.name}"


class BrokenPromiseError(AssertionError):
    """Some outcome failed."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__("a promise does not hold")
        self.outcomes = tuple(outcomes)


@pytest.fixture
def qos_simulate() -> Simulate:
    """Simulate a scenario file: policy → Summary.

    ``qos_simulate("web.yaml", policies=["kubelet"], seed=2)["kubelet"].workloads["web"].throttled_ratio``
    """

    def run(path: str | Path, *, policies: Sequence[str] = (), seed: int | None = None) -> dict[str, Summary]:
        from qos.experiment.simulate import load, simulate
        from qos.record.summarize import summarize

        return {one.policy: summarize(one) for one in simulate(load(path), policies=policies, seed=seed)}

    return run


@pytest.fixture
def qos_plan() -> PlanManifests:
    """What a kubelet makes of manifests, as `qos explain -o json` prints it.

    ``qos_plan("deploy/", profile="1.36")["pods"][0]["qosClass"]``
    """

    def plan(*paths: str | Path, **options: Any) -> dict[str, Any]:
        from qos.experiment.explain import explain

        return explain(paths, **options)

    return plan

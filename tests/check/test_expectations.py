"""Expectations: promises kept and broken, on recordings made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from qos.check.expectations import evaluate
from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.expectation import Expectation
from qos.model.sample import Completions, Recording, Samples

LEAF = CgroupName("kubepods/burstable/podu/web")
POD = CgroupName("kubepods/burstable/podu")


def _recording(policy: str = "kubelet", latency: float = 0.1, killed: int = 0) -> Recording:
    columns = {
        "cpu_stat_usage_usec": np.array([[0.0, 0.0], [5e6, 5e6]]),
        "cpu_stat_nr_periods": np.array([[0.0, 0.0], [100.0, 100.0]]),
        "cpu_stat_nr_throttled": np.array([[0.0, 0.0], [30.0, 0.0]]),
        "memory_peak": np.array([[1.0, 1.0], [7.0, 9.0]]),
    }
    return Recording(
        policy=policy,
        meta={},
        pods=(
            {
                "namespace": "shop", "pod": "web-0", "container": "web",
                "cgroup": LEAF, "podCgroup": POD, "workload": "web",
            },
        ),
        files={},
        samples=Samples(np.array([0.0, 10.0]), (LEAF, POD), columns, "simulated"),
        events=tuple(Event(3.0, "oom_kill", LEAF, "memory.max reached") for _ in range(killed)),
        completions=Completions((LEAF,), np.zeros(4, dtype=np.int32), np.arange(4.0), np.full(4, latency)),
    )  # fmt: skip


def _promise(**fields: object) -> Expectation:
    return Expectation.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "observed"),
    [
        ({"workload": "web", "metric": "latency_seconds", "percentile": 99}, 0.1),
        ({"workload": "web", "metric": "completed"}, 4.0),
        ({"workload": "web", "metric": "completion_seconds"}, 3.1),
        ({"workload": "web", "metric": "throttled_ratio"}, 0.3),
        ({"workload": "web", "metric": "cpu_usage_cpus"}, 0.5),
        ({"pod": "shop/web-*", "metric": "memory_peak"}, 9.0),
        ({"cgroup": "*/web", "metric": "events", "event": "oom_kill"}, 2.0),
        ({"pod": "shop/*", "metric": "event_seconds", "event": "oom_kill"}, 3.0),
    ],
)
def test_each_metric_is_read_from_the_recording(fields: dict[str, object], observed: float) -> None:
    """Every named metric and any column has the value the recording holds."""
    (verdict,) = evaluate([_promise(**fields, comparator="==", value=observed)], [_recording(killed=2)])
    assert verdict.passed, verdict.why
    assert verdict.observed == pytest.approx(observed)


def test_a_selector_that_matches_nothing_fails() -> None:
    """An expectation about nothing is not a promise kept."""
    (verdict,) = evaluate(
        [_promise(workload="none", metric="completed", comparator=">=", value=0)], [_recording()]
    )
    assert not verdict.passed
    assert "matches nothing" in verdict.why


def test_a_promise_may_be_relative_to_another_policy() -> None:
    """`relativeTo` compares the same metric under two policies."""
    promise = _promise(
        workload="web",
        metric="latency_seconds",
        percentile=99,
        policy="b",
        comparator="<=",
        value=0.5,
        relativeTo="a",
    )
    kept = evaluate([promise], [_recording("a", 0.2), _recording("b", 0.1)])
    broken = evaluate([promise], [_recording("a", 0.2), _recording("b", 0.11)])
    assert [verdict.passed for verdict in (*kept, *broken)] == [True, False]


def test_one_lucky_seed_is_not_enough() -> None:
    """With several seeds the confidence bound must hold, not the mean."""
    promise = _promise(workload="web", metric="latency_seconds", percentile=50, comparator="<", value=0.11)
    noisy = [_recording(latency=value) for value in (0.05, 0.10, 0.15)]
    steady = [_recording(latency=value) for value in (0.099, 0.1, 0.101)]
    assert not evaluate([promise], noisy)[0].passed
    assert evaluate([promise], steady)[0].passed


def test_a_broken_promise_names_the_moment() -> None:
    """The first event of the subject is told with the failure: usually it is the cause."""
    (verdict,) = evaluate(
        [_promise(workload="web", metric="completed", comparator=">", value=100)], [_recording(killed=1)]
    )
    assert "at 3.0 s: oom_kill" in verdict.why


def test_unknown_metrics_and_policies_are_bad_input() -> None:
    """A misspelt metric or a policy that did not run is an error, never a pass."""
    with pytest.raises(InputError, match="unknown metric"):
        evaluate([_promise(workload="web", metric="nonsense", comparator=">", value=1)], [_recording()])
    with pytest.raises(InputError, match="did not run"):
        evaluate(
            [_promise(workload="web", metric="completed", policy="x", comparator=">", value=1)],
            [_recording()],
        )

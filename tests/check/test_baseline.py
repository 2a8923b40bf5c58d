"""Tests of qos.check.baseline: what is committed, what counts as moved, and which way is worse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.check.baseline import Figures, compare, from_text, to_text
from qos.check.expectations import half_width
from qos.errors import InputError, SourceRef

SOURCE = SourceRef("baseline.json", 1)
NAMES = st.sampled_from(["web.latency_seconds.p99", "web.completed", "db.oom_kills", "db.memory_peak_bytes"])
VALUES = st.lists(st.floats(0, 1e9).map(lambda value: float(f"{value:.6g}")), min_size=1, max_size=4)
FIGURES = st.dictionaries(
    st.sampled_from(["kubelet", "no-cpu-limits"]), st.dictionaries(NAMES, VALUES, max_size=4), max_size=2
)


def _one(name: str, values: list[float]) -> Figures:
    return {"kubelet": {name: values}}


def _status(before: list[float], now: list[float], name: str = "web.latency_seconds.p99") -> str:
    (outcome,) = compare("s", _one(name, before), _one(name, now), SOURCE)
    return outcome.status


@given(FIGURES)
def test_a_baseline_reads_back_as_it_was_written(figures: Figures) -> None:
    """Text and figures say the same, and the same figures are the same bytes."""
    text = to_text(figures)
    assert from_text(text, SOURCE) == figures
    assert to_text(from_text(text, SOURCE)) == text


@given(FIGURES)
def test_nothing_moved_is_all_passed(figures: Figures) -> None:
    """A run compared with itself has one passed outcome a figure."""
    outcomes = compare("s", figures, figures, SOURCE)
    assert len(outcomes) == sum(len(mine) for mine in figures.values())
    assert {outcome.status for outcome in outcomes} <= {"passed"}


def test_more_latency_is_worse_and_more_work_is_better() -> None:
    """The same move fails for one figure and is an improvement for the other; CPU may move neither way."""
    assert _status([1.0], [1.5]) == "failed"
    assert _status([1.5], [1.0]) == "improved"
    assert _status([100.0], [150.0], "web.completed") == "improved"
    assert _status([150.0], [100.0], "web.completed") == "failed"
    assert _status([100.0], [150.0], "web.cpu_seconds") == "failed"
    assert _status([150.0], [100.0], "web.cpu_seconds") == "failed"


@given(st.floats(1e-3, 1e6), st.floats(-0.019, 0.019))
def test_within_two_percent_nothing_moved(was: float, by: float) -> None:
    """The tolerance is relative to the committed value."""
    assert _status([was], [was * (1 + by)]) == "passed"


@given(st.floats(1e-3, 1e6), st.floats(0.021, 10))
def test_beyond_two_percent_of_a_run_without_chance_is_a_regression(was: float, by: float) -> None:
    """With one value a side there is no noise to hide in."""
    assert _status([was], [was * (1 + by)]) == "failed"


@given(st.lists(st.floats(0.5, 1.5), min_size=3, max_size=5), st.lists(st.floats(0.5, 1.5), min_size=3))
def test_a_move_within_the_confidence_of_both_sides_is_noise(before: list[float], now: list[float]) -> None:
    """What two samples of the same spread could show by chance does not fail; what is beyond, does."""
    was, is_now = sum(before) / len(before), sum(now) / len(now)
    allowed = 0.02 * was + half_width(before) + half_width(now)
    if abs(is_now - was) < allowed * 0.999:
        assert _status(before, now) == "passed"
    elif abs(is_now - was) > allowed * 1.001 + 1e-8:
        assert _status(before, now) == ("failed" if is_now > was else "improved")


def test_from_no_kill_to_one_is_a_regression() -> None:
    """Two percent of nothing is nothing: the first kill fails, and the message says so."""
    (outcome,) = compare("s", _one("db.oom_kills", [0.0]), _one("db.oom_kills", [1.0]), SOURCE)
    assert outcome.status == "failed"
    assert outcome.message.startswith("0 → 1 (from 0")


def test_figures_that_come_or_go_fail_until_they_are_accepted() -> None:
    """A renamed workload must not lose its protection in silence."""
    gone, new = compare("s", _one("a.completed", [1.0]), _one("b.completed", [1.0]), SOURCE)
    assert (gone.status, gone.name, new.status, new.name) == (
        "failed", "a.completed [kubelet]", "failed", "b.completed [kubelet]",
    )  # fmt: skip
    assert gone.message == "is gone; if that is meant, run qos test --accept"
    assert new.message == "is new; if that is meant, run qos test --accept"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"version": 1}', '{"version": 2, "figures": {}}'])
def test_what_is_no_baseline_is_one_clear_error(text: str) -> None:
    """Another file, or one of a later version, is refused with its name."""
    with pytest.raises(InputError, match=r"^baseline\.json:1: (is not a baseline|baseline of another)"):
        from_text(text, SOURCE)

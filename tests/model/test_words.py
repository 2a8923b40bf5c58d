"""The small words: durations, versions, expectations, samples, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qos.errors import InputError, SourceRef
from qos.model.cgroup import CgroupName
from qos.model.duration import parse_duration_seconds
from qos.model.expectation import Expectation, parse_value
from qos.model.profile import format_version, parse_version
from qos.model.sample import Samples


class TestDurations:
    """Durations are written as Go writes them."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("100ms", 0.1),
            ("1m30s", 90.0),
            ("2h", 7200.0),
            ("1.5s", 1.5),
            ("0", 0.0),
            (3, 3.0),
            ("250us", 0.00025),
        ],
    )
    def test_units(self, text: object, seconds: float) -> None:
        """Each unit counts as in time.ParseDuration; a bare number is seconds."""
        assert parse_duration_seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "ten", "5", "5 s", "-1s", "1s1", float("nan"), -3, True])
    def test_others_are_refused(self, text: object) -> None:
        """A text without a unit, a negative or a garbled one is not a duration."""
        with pytest.raises(ValueError, match="duration"):
            parse_duration_seconds(text)


class TestExpectations:
    """A promise names one selector, one metric, one bound."""

    @pytest.mark.parametrize(
        ("text", "value"), [("5%", 0.05), ("100ms", 0.1), ("512Mi", 2.0**29), (3, 3.0), ("100m", 0.1)]
    )
    def test_values_are_read_in_base_units(self, text: object, value: float) -> None:
        """Percentages, durations and quantities become plain numbers."""
        assert parse_value(text) == pytest.approx(value)

    @pytest.mark.parametrize(
        "fields",
        [
            {"metric": "completed", "comparator": ">", "value": 1},
            {"metric": "completed", "workload": "a", "cgroup": "b", "comparator": ">", "value": 1},
            {"metric": "latency_seconds", "workload": "a", "comparator": "<", "value": 1},
            {"metric": "events", "workload": "a", "comparator": "<", "value": 1},
            {"metric": "completed", "workload": "a", "comparator": "~", "value": 1},
            {"metric": "completed", "workload": "a", "comparator": "<", "value": "many"},
        ],
    )
    def test_half_said_promises_are_refused(self, fields: dict[str, object]) -> None:
        """No selector, two selectors, a missing percentile or event, an unknown comparator."""
        with pytest.raises(ValidationError):
            Expectation.model_validate(fields)


class TestSamples:
    """Readings join over the union of what they saw."""

    def test_gaps_are_nan(self) -> None:
        """A cgroup or column that one part lacks is NaN there, never 0."""
        first = Samples(np.array([0.0]), (CgroupName("a"),), {"x": np.array([[1.0]])}, "simulated")
        second = Samples(np.array([1.0]), (CgroupName("b"),), {"y": np.array([[2.0]])}, "simulated")
        joined = Samples.concat([first, second])
        assert joined.cgroups == ("a", "b")
        assert joined.column("x", "a").tolist()[0] == 1.0
        assert np.isnan(joined.column("x", "b")).all()
        assert np.isnan(joined.column("y", "a")).all()

    def test_simulated_and_measured_do_not_mix(self) -> None:
        """A series is one or the other, so that no picture passes a guess off as a measurement."""
        parts = [Samples(np.array([0.0]), (), {}, source) for source in ("simulated", "measured")]
        with pytest.raises(ValueError, match="cannot be joined"):
            Samples.concat(parts)

    def test_a_column_of_another_shape_is_refused(self) -> None:
        """Columns are times × cgroups."""
        with pytest.raises(ValueError, match="expected"):
            Samples(np.array([0.0]), (CgroupName("a"),), {"x": np.zeros((2, 1))}, "simulated")


class TestErrors:
    """One line that says where, what, and what would be right."""

    def test_an_input_error_is_one_line(self) -> None:
        """File, line, column, field, value and expectation stand in one line."""
        error = InputError(
            "is not a quantity",
            source=SourceRef("a.yaml", 3, 7),
            field="spec.cpu",
            value="1\nK",
            expected="500m",
        )
        assert str(error) == "a.yaml:3:7: spec.cpu: is not a quantity, got '1\\nK'; expected 500m"

    def test_a_long_value_is_cut(self) -> None:
        """A megabyte of garbage does not fill the terminal."""
        assert len(str(InputError("is wrong", value="x" * 10**6))) < 200


@given(st.lists(st.integers(0, 99999), min_size=1, max_size=4).map(tuple))
def test_versions_round_trip(version: tuple[int, ...]) -> None:
    """A version written and read is the same version, with or without a v."""
    assert parse_version("v" + format_version(version)) == version

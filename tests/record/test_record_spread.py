"""Means over seeds and their confidence intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.record.spread import spread, t_quantile

# Published tables (for instance NIST/SEMATECH e-Handbook 1.3.6.7.2), two-sided 95 %.
TABLE = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    10: 2.228,
    19: 2.093,
    30: 2.042,
    60: 2.000,
    100: 1.984,
}


@pytest.mark.parametrize(("degrees", "published"), TABLE.items())
def test_the_quantiles_are_those_of_published_tables(degrees: int, published: float) -> None:
    """Student's t for 97.5 % agrees with the printed table to its last digit."""
    assert t_quantile(0.975, degrees) == pytest.approx(published, abs=5.1e-4)


def test_many_degrees_come_near_the_normal_distribution() -> None:
    """For 10,000 degrees of freedom t is 1.96 to three digits."""
    assert t_quantile(0.975, 10_000) == pytest.approx(1.960, abs=5e-4)


def test_a_worked_interval() -> None:
    """1, 2, 3: 2 ± 2.484."""
    found = spread([1, 2, 3])
    assert (found.mean, found.sd) == (2, 1)
    assert found.half == pytest.approx(2.484, abs=5e-4)
    assert (found.least, found.most, found.n) == (1, 3, 3)


def test_one_run_has_no_interval() -> None:
    """Nothing is known about the spread of one value, and nothing is claimed."""
    found = spread([4.0])
    assert (found.mean, found.sd, found.low, found.high, found.half) == (4.0, None, None, None, None)


def test_no_values_and_impossible_quantiles_are_refused() -> None:
    """Nothing is not zero."""
    with pytest.raises(ValueError, match="no values"):
        spread([])
    with pytest.raises(ValueError, match="probability"):
        t_quantile(1.0, 3)
    with pytest.raises(ValueError, match="degree"):
        t_quantile(0.975, 0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_order_does_not_matter_to_the_bit(values: list[float]) -> None:
    """Runs may finish in any order: the mean is the same to the bit, and lies inside its interval."""
    found, again = spread(values), spread(sorted(values))
    assert found.mean == again.mean
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean <= found.high or math.isclose(found.low, found.high)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """Of 4,000 intervals over 8 normal draws, 95 % ± 1.4 % (four deviations) hold the true mean."""
    draws = np.random.default_rng(np.random.SeedSequence(6)).normal(3.0, 2.0, (4000, 8))
    found = [spread(row.tolist()) for row in draws]
    held = sum((each.low or 0) <= 3.0 <= (each.high or 0) for each in found) / len(found)
    assert held == pytest.approx(0.95, abs=0.014)

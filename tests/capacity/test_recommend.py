"""Requests from usage: known values of each strategy, and properties of the replay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.capacity.backtest import back_test, totals
from qos.capacity.histogram import CPU_BUCKETS, percentile
from qos.capacity.price import Price, parse_price
from qos.capacity.recommend import Objectives, by_percentile, by_slo, by_vpa, daily_peaks, surprise
from qos.capacity.replay import late_share, replay
from qos.model.usage import Usage

MIB = 1 << 20
CPUS = st.lists(st.floats(0, 8), min_size=2, max_size=40)


def _usage(cpu: list[float], memory_mib: list[float] = [], step: float = 300.0) -> Usage:  # noqa: B006
    times = np.arange(len(cpu)) * step
    return Usage("u", times, np.array(cpu), np.arange(len(memory_mib)) * step, np.array(memory_mib) * MIB)


def test_percentile_is_krrs_default() -> None:
    """CPU the 95th of 0.01 to 1.00 is 0.9505; memory 400Mi + 15 % is 460Mi."""
    found = by_percentile(_usage([index / 100 for index in range(1, 101)], [100, 400, 200]), Objectives())
    assert (found.cpu_milli, found.memory_bytes) == (951, 460 * MIB)


def test_vpa_target_is_the_end_of_a_bucket_and_a_margin() -> None:
    """A steady 0.5 CPUs is in bucket 25, which ends at 0.01 · (1.05^26 - 1)/0.05 = 0.511, with 15 % 0.588."""
    end = 0.01 * (1.05**26 - 1) / 0.05
    found = by_vpa(_usage([0.5] * 600), Objectives())
    assert found.cpu_milli == int(np.ceil(end * 1.15 * 1000 - 1e-6))
    assert found.cpu_bounds is not None
    assert found.cpu_bounds[0] <= found.cpu_milli <= found.cpu_bounds[1]


def test_a_day_halves_a_sample() -> None:
    """Three old samples of 1 CPU weigh less than one of 0.1 two days later: the median is the new one."""
    times = np.array([0.0, 0.0, 0.0, 2 * 86400.0])
    values = np.array([1.0, 1.0, 1.0, 0.1])
    assert percentile(values, times, 0.5, CPU_BUCKETS) < 0.2
    assert percentile(values, times, 0.9, CPU_BUCKETS) > 1.0


def test_an_oom_kill_raises_the_peak_of_its_day() -> None:
    """A kill at a limit of 200Mi counts as 300Mi (+100Mi), one at 1000Mi as 1200Mi (+20 %)."""
    usage = _usage([], [150.0, 160.0])
    for limit, peak in ((200, 300), (1000, 1200)):
        killed = Usage(
            "u", usage.cpu_times, usage.cpu, usage.memory_times, usage.memory, ((10.0, limit * MIB),)
        )
        assert daily_peaks(killed)[1].max() == pytest.approx(peak * MIB)


@given(cpu=CPUS, late=st.floats(0.01, 0.5))
def test_slo_is_the_smallest_that_holds(cpu: list[float], late: float) -> None:
    """With the recommended request no more than the promised part is late; with 5 thousandths less, more."""
    usage = _usage(cpu)
    found = by_slo(usage, Objectives(late))
    assert found.cpu_milli is not None
    assert late_share(usage.cpu, usage.cpu_times, found.cpu_milli / 1000) <= late + 1e-9
    if found.cpu_milli > 6:
        assert late_share(usage.cpu, usage.cpu_times, (found.cpu_milli - 5) / 1000) > late - 1e-6


@given(cpu=CPUS, low=st.floats(0.01, 4), more=st.floats(0, 4))
def test_more_cpu_is_never_later(cpu: list[float], low: float, more: float) -> None:
    """Lateness falls with the request, from everything to nothing."""
    usage = _usage(cpu)
    less = late_share(usage.cpu, usage.cpu_times, low)
    assert 0 <= late_share(usage.cpu, usage.cpu_times, low + more) <= less + 1e-9 <= 1 + 2e-9
    assert late_share(usage.cpu, usage.cpu_times, max(cpu)) == pytest.approx(0.0, abs=1e-9)


def test_memory_above_the_limit_kills_once_and_after_every_back_off() -> None:
    """One reading of five minutes above is a kill, three in a row are three, of one minute one."""
    for step, kills in ((300.0, 4), (60.0, 2)):
        memory = [100.0, 300.0, 100.0, 300.0, 300.0, 300.0, 100.0]
        replayed = replay(_usage([], memory, step), None, 200 * MIB, Price())
        assert replayed.oom_kills == kills


def test_memory_that_grows_gets_a_margin_as_large_as_its_surprises() -> None:
    """Steady memory gets 2 %, memory that grew by a fifth from one tenth of the time to the next a fifth."""
    assert surprise(_usage([], [100.0] * 50)) == pytest.approx(0.02)
    grown = [100.0] * 25 + [120.0] * 25
    assert surprise(_usage([], grown)) == pytest.approx(0.2)


def test_the_rest_of_a_trace_judges_the_strategies() -> None:
    """Fitted on low use and replayed on high: the maximum of the first part kills in the second."""
    rows = back_test([_usage([0.1] * 100, [100.0] * 70 + [400.0] * 30)], strategies=("percentile", "slo"))
    assert [row.replayed.oom_kills for row in rows] == [30, 30]
    assert [total.killed for total in totals(rows)] == [1, 1]


def test_a_month_has_a_price() -> None:
    """2 CPUs at 3 cents and 8 GiB at 0.4 an hour cost 67.16 a month of 730 hours."""
    replayed = replay(_usage([1.0] * 9, [1.0] * 9), 2000, 8 << 30, parse_price("cpu=0.03,memory=0.004"))
    assert replayed.cost_a_month == pytest.approx(67.16)


@pytest.mark.parametrize("text", ["gpu=1", "cpu", "cpu=x", "cpu=-1", "cpu=inf", "cpu=1,cpu=2"])
def test_what_is_no_price_is_refused(text: str) -> None:
    """Another resource, no number, below 0, or twice."""
    with pytest.raises(ValueError, match="price"):
        parse_price(text)


def test_slo_forgets_a_day_that_is_long_past() -> None:
    """Three weeks ago a day of 8 CPUs, since then a tenth: that day weighs less than 5 % and may break it."""
    cpu = [8.0] * 24 + [0.1] * 24 * 20
    usage = Usage("once", np.arange(len(cpu)) * 3600.0, np.array(cpu))
    found = by_slo(usage, Objectives(0.05))
    assert found.cpu_milli is not None
    assert 95 <= found.cpu_milli <= 100


def test_slo_holds_on_each_of_the_last_four_days() -> None:
    """A busy day four days ago weighs 2^-3 of 2: more than 5 %, so that it has to hold on it."""
    cpu = [0.1] * 24 * 10 + [2.0] * 24 + [0.1] * 24 * 3
    usage = Usage("busy", np.arange(len(cpu)) * 3600.0, np.array(cpu))
    found = by_slo(usage, Objectives(0.05))
    assert found.cpu_milli is not None
    assert found.cpu_milli > 1900

"""When the periods of cpu.max end on a real kernel."""

from __future__ import annotations

import platform
import time

import pytest

from enforcer.cgroupfs import CgroupFS
from enforcer.periods import observe_phases
from qos.model.profile import parse_version

PERIOD_SECONDS = 0.1
LATE_SECONDS = 0.02  # two ticks of User Mode Linux


def spin() -> None:
    """Use a CPU for ever."""
    while True:
        pass


def test_periods_end_at_multiples_or_where_the_kernel_drew(fs: CgroupFS, start, make) -> None:
    """Up to Linux 6.3 at multiples of the period on CLOCK_MONOTONIC, later at an offset that stays."""
    start(make("held", {"cpu.max": "50000 100000"}), spin)
    periods = {"held": PERIOD_SECONDS}
    first = observe_phases(fs, periods, time.monotonic)
    assert 0.0 < first["held"] <= PERIOD_SECONDS
    expected = PERIOD_SECONDS
    if parse_version(platform.release())[:2] >= (6, 4):
        expected = observe_phases(fs, periods, time.monotonic)["held"]
    off = (first["held"] - expected + PERIOD_SECONDS / 2) % PERIOD_SECONDS - PERIOD_SECONDS / 2
    assert off == pytest.approx(0.0, abs=LATE_SECONDS)

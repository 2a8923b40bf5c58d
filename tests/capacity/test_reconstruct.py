"""What a container wanted, guessed from usage and throttling."""

from __future__ import annotations

import numpy as np
import pytest

from qos.capacity.limits import BURST, WITH, WITHOUT, Fared, decide
from qos.capacity.reconstruct import Counted, always_running, busiest, stretches, wanted_of


def _counted(
    cpus: list[float],
    limit: float | None,
    throttled: float,
    queues: float,
    waited: float | None = None,
    completed: int = 0,
) -> Counted:
    times = np.arange(len(cpus) + 1.0) * 10.0
    return Counted(times, np.array(cpus), limit, throttled, queues, waited, completed)


def _fared(p99: float | None, throttled: float = 0.0, cpus: float = 1.0) -> Fared:
    return Fared(p99, p99, throttled, 0.0, 0.0, cpus)


class TestThreadsThatAlwaysRun:
    """At its limit all the time, threads are those that run and those that are throttled."""

    def test_threads_are_those_running_and_those_throttled(self) -> None:
        """Two threads under half a CPU: 0.5 run and 1.5 are throttled on average."""
        assert always_running(_counted([0.5] * 6, 0.5, 1.0, 1.5), 4) == 2

    def test_a_container_below_its_limit_waits_for_work(self) -> None:
        """Throttled in bursts only: it is no thread that always runs."""
        assert always_running(_counted([0.3, 0.31, 0.29], 0.5, 0.4, 0.2), 4) == 0

    def test_a_whole_cpu_without_a_limit_is_a_thread(self) -> None:
        """Exactly one CPU, second by second, is one thread that never waits."""
        assert always_running(_counted([1.0, 0.999, 1.0], None, 0.0, 0.0), 4) == 1


class TestPieces:
    """Work in pieces, sized so that the replay is throttled as the recording was."""

    def test_the_size_is_the_one_that_is_throttled_as_counted(self) -> None:
        """Of a kernel that throttles in piece · 5 of the periods, 20 % mean pieces of 40 ms."""
        counted = _counted([0.3] * 60, 1.0, 0.2, 0.1)
        wanted = wanted_of(counted, 4, lambda piece, _: (min(1.0, 5 * piece), 0.1))
        assert wanted.kind == "pieces"
        assert wanted.piece_seconds == pytest.approx(0.04, rel=0.02)

    def test_counted_requests_tell_their_size(self) -> None:
        """0.3 CPUs for 600 s over 3,600 requests are 50 ms each, whatever was throttled."""
        counted = _counted([0.3] * 60, 1.0, 0.2, 0.1, completed=3600)
        wanted = wanted_of(counted, 4, lambda *_: (0.9, 0.9))
        assert wanted.piece_seconds == pytest.approx(0.05)
        assert "counted" in wanted.assumed

    def test_what_was_never_throttled_says_that_its_size_is_assumed(self) -> None:
        """Nothing tells the size: 10 ms, and the words say that it was not found."""
        wanted = wanted_of(_counted([0.1, 0.11] * 6, None, 0.0, 0.0), 4, lambda *_: (0.0, 0.0))
        assert (wanted.piece_seconds, "not found" in wanted.assumed) == (0.01, True)

    def test_an_idle_container_is_left_out(self) -> None:
        """A container that used nothing wants nothing."""
        assert wanted_of(_counted([0.0] * 6, 1.0, 0.0, 0.0), 4, lambda *_: (0.0, 0.0)).kind == "idle"

    def test_stretches_keep_the_work(self) -> None:
        """Usage spread over longer stretches is as much as before."""
        counted = Counted(np.linspace(0, 30, 31), np.arange(30.0) / 30, None, 0.0, 0.0, None)
        times, rates = stretches(counted)
        assert (len(times), rates.sum() * 5) == (6, pytest.approx(counted.mean_cpus * 30))


def test_the_busiest_stretch_has_the_most() -> None:
    """Of 1, 5 and 2 in turn, the two seconds with most are the last two."""
    assert busiest([1.0, 5.0, 2.0], np.arange(4.0), 2.0) == (1, 3)


class TestVerdict:
    """Remove, burst or keep: by the victim's gain and the others' loss."""

    def test_limits_go_where_nobody_pays(self) -> None:
        """The victim's p99 falls, the neighbour's does not rise."""
        members = [
            ("web", {WITH: _fared(0.4, 0.3), WITHOUT: _fared(0.2), BURST: _fared(0.3)}),
            ("db", {WITH: _fared(0.1), WITHOUT: _fared(0.1), BURST: _fared(0.1)}),
        ]
        assert (decide(members).choice, decide(members).victim, decide(members).neighbour) == (
            "remove",
            "web",
            "db",
        )

    def test_burst_where_without_limits_a_neighbour_pays(self) -> None:
        """Without limits the neighbour's p99 doubles; with burst it stays."""
        members = [
            ("web", {WITH: _fared(0.4, 0.3), WITHOUT: _fared(0.2), BURST: _fared(0.3)}),
            ("db", {WITH: _fared(0.1), WITHOUT: _fared(0.2), BURST: _fared(0.1)}),
        ]
        assert decide(members).choice == "burst"

    def test_limits_stay_where_either_hurts(self) -> None:
        """Both hurt the neighbour: keep."""
        members = [
            ("web", {WITH: _fared(0.4, 0.3), WITHOUT: _fared(0.2), BURST: _fared(0.3)}),
            ("db", {WITH: _fared(0.1), WITHOUT: _fared(0.2), BURST: _fared(float("inf"))}),
        ]
        assert decide(members).choice == "keep"

    def test_a_limit_that_never_binds_does_not_matter(self) -> None:
        """Throttled in half a per cent of periods: no victim."""
        members = [("web", {WITH: _fared(0.4, 0.005), WITHOUT: _fared(0.4), BURST: _fared(0.4)})]
        assert (decide(members).choice, decide(members).victim) == ("no matter", None)

"""The arithmetic of calibrated load, and burning CPU time on this machine."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.load_cpu import RECORD, Burner, GapClock, ThreadClock, clock_step, make_clock, serve
from enforcer.load_memory import polygon_at
from enforcer.load_pace import Pace
from enforcer.load_pieces import CpuDemand, cut
from enforcer.load_shapes import anon_spec
from qos.experiment.load import cpu_demand
from qos.model.cgroup import CgroupName
from qos.model.workload import Anon, Batch, Constant, OnOff, Requests, Spin, Workload
from qos.simulate.demand import demand_of, in_ticks

costs = st.lists(st.floats(0.0, 5.0), min_size=1, max_size=20).map(np.array)


class TestPieces:
    @given(costs, st.integers(1, 8), st.sampled_from(["work", "batch", "requests"]))
    def test_no_work_is_lost_or_made(self, cost: np.ndarray, threads: int, kind: str) -> None:
        """Cutting a feed into the workers' pieces keeps its sum, and its order of time."""
        demand = CpuDemand(kind, threads, iter(()))  # type: ignore[arg-type]
        times, parts = cut(demand, np.arange(len(cost), dtype=np.float64), cost)
        assert parts.sum() == pytest.approx(cost.sum())
        assert (np.diff(times) >= 0).all()

    @given(st.floats(0.5, 1000.0), st.integers(1, 16))
    def test_a_batch_is_cut_fine_enough_to_end_together(self, seconds: float, threads: int) -> None:
        """Every thread gets the same number of pieces, each about 1 % of the job at most."""
        demand = CpuDemand("batch", threads, iter(()))
        _, parts = cut(demand, np.zeros(1), np.array([seconds]))
        assert len(parts) % threads == 0
        assert parts.max() <= max(0.02, seconds / 100)


class TestDemand:
    def test_it_is_the_simulator_s_own(self) -> None:
        """The same seed and cgroup give the same arrivals, another start others."""
        work = Workload(cpu=Requests(rate=10, cpu_per_request=0.01, cost="exponential"))
        name = CgroupName("kubepods/burstable/pod-a/web")
        feeds = [cpu_demand(work, 7, name, starts) for starts in (0, 0, 1)]
        chunks = [next(feed.feed) for feed in feeds if feed is not None]
        assert np.array_equal(chunks[0], chunks[1])
        assert not np.array_equal(chunks[0], chunks[2])

    @pytest.mark.parametrize(
        ("shape", "kind", "threads"),
        [
            (Spin(threads=3), "spin", 3),
            (Batch(cpu_time=1.0, threads=2), "batch", 2),
            (Requests(rate=1, cpu_per_request=0.1, workers=5), "requests", 5),
            (Constant(cpu="1500m"), "work", 2),
        ],
    )
    def test_kinds(self, shape: object, kind: str, threads: int) -> None:
        """Each shape comes as what the load's processes know."""
        demand = cpu_demand(Workload(cpu=shape), 1, CgroupName("a"), 0)  # type: ignore[arg-type]
        assert demand is not None
        assert (demand.kind, demand.threads) == (kind, threads)


class TestTicks:
    @given(st.floats(0.0, 3.0), st.sampled_from([0.005, 0.01, 0.02]))
    def test_a_steady_rate_comes_in_whole_ticks(self, rate: float, period: float) -> None:
        """Each piece is a tick, in order of time, and no more than half a tick is missing at any time."""
        tick = 0.01
        times = period * np.arange(1000)
        costs = np.full(1000, rate * period)
        chunks = list(in_ticks(iter([(times[:300], costs[:300]), (times[300:], costs[300:])]), tick))
        at, pieces = (np.concatenate([chunk[way] for chunk in chunks]) for way in (0, 1))
        assert set(pieces) <= {0.0, tick}
        assert (np.diff(at) >= 0).all()
        given_then = np.array([pieces[at <= moment].sum() for moment in times[::37]])
        due = rate * (times[::37] + period)
        assert np.abs(given_then - due).max() <= tick / 2 + 1e-9

    def test_only_where_the_clock_has_ticks(self) -> None:
        """Elsewhere, and for work that has bursts of its own, the pieces are those of the shape's period."""
        seeds = np.random.SeedSequence(1)
        for shape, tick, first in (
            (Constant(cpu="200m"), 0.0, 0.002),
            (Constant(cpu="200m"), 0.01, 0.01),
            (Constant(cpu="200m", period=0.1), 0.01, 0.02),
            (OnOff(burst=0.045, every=0.2, threads=2), 0.0, 0.09),
        ):
            feed = demand_of(shape, seeds, fluid_period=0.0, tick_seconds=tick).feed
            assert next(feed)[1][0] == pytest.approx(first)

    def test_bursts_are_whole_ticks_of_each_thread(self) -> None:
        """Of 45 ms on ticks of 10 ms a thread takes 40, then 50; two threads 80 and 100, not 90."""
        for threads in (1, 2, 3):
            shape = OnOff(burst=0.045, every=0.2, threads=threads)
            seeds = np.random.SeedSequence(1)
            feed = demand_of(shape, seeds, fluid_period=0.0, tick_seconds=0.01).feed
            for _ in range(2):  # goes on over the feed's chunks
                times, costs = next(feed)
                ticks = costs / threads / 0.01
                assert np.abs(ticks - np.round(ticks)).max() < 1e-6
                assert np.round(ticks[:4]).tolist() == [4, 5, 4, 5]
                assert np.allclose(np.diff(times), 0.2)


class TestBurning:
    def test_a_total_is_reached_and_not_overshot(self) -> None:
        """The thread's own CPU clock says so: never less, and more by a chunk at most, piece after piece."""
        clock = ThreadClock()
        burner = Burner(clock)
        burner.burn_to(0.02)  # learns how fast this machine is
        for total in np.arange(0.025, 0.06, 0.005):
            burner.burn_to(float(total))
            assert float(total) <= clock.used() < float(total) + 0.003

    def test_a_worker_takes_pieces_until_the_end_of_the_queue(self) -> None:
        """Each piece once, in order; its CPU time is used and its latency written."""
        queue, results = os.memfd_create("queue"), os.memfd_create("results")
        for arrival in (0.0, 0.005, 0.01, float("nan")):
            os.write(queue, RECORD.pack(arrival, 0.01))
        os.lseek(queue, 0, os.SEEK_SET)
        clock = ThreadClock()
        serve(queue, results, time.monotonic(), clock)
        done = list(RECORD.iter_unpack(os.pread(results, 4096, 0)))
        assert [arrival for arrival, _ in done] == [0.0, 0.005, 0.01]
        assert clock.used() >= 0.03
        assert all(latency > 0.009 for _, latency in done)
        os.close(queue)
        os.close(results)

    def test_the_coarse_clock_does_not_count_gaps(self) -> None:
        """Waiting longer than most of a tick is not work; readings close together are."""
        clock = GapClock(0.01)
        clock.start()
        threading.Event().wait(0.03)
        assert clock.used() == 0.0
        Burner(clock).burn_to(0.02)
        assert clock.used() >= 0.02

    def test_the_finer_clock_is_taken(self) -> None:
        """By the step that the thread's clock was seen to make; in ticks the kernel's, but for requests."""
        assert isinstance(make_clock(0.01, one_by_one=True), GapClock)
        assert isinstance(make_clock(0.01, one_by_one=False), ThreadClock)
        assert isinstance(make_clock(0.001, one_by_one=True), ThreadClock)
        assert isinstance(make_clock(1e-6, one_by_one=True), ThreadClock)
        assert clock_step() > 0.0


class TestShapesOverTime:
    @given(
        st.lists(st.tuples(st.floats(0.1, 5.0), st.floats(0.0, 100.0)), min_size=1, max_size=6),
        st.floats(0.0, 40.0),
    )
    def test_a_polygon_is_read_as_numpy_reads_it(self, steps: list[tuple[float, float]], at: float) -> None:
        """Linear between corners, level after the last."""
        times = np.cumsum([step for step, _ in steps])
        values = [value for _, value in steps]
        points = [[float(time_), value] for time_, value in zip(times, values, strict=True)]
        assert polygon_at(points, at) == pytest.approx(float(np.interp(at, times, values)))

    def test_growth_stops_at_its_limit(self) -> None:
        """From 10 MiB by 1 MiB a second from second 5 to 12 MiB: reached at second 7."""
        anon = Anon(start="10Mi", grow_per_second="1Mi", grow_at=5.0, limit="12Mi")
        spec = anon_spec(anon)
        assert spec["points"][-1] == [7.0, float(12 << 20)]
        assert spec["most"] == 12 << 20

    def test_a_rate_ends_at_its_stop(self) -> None:
        """No more is due once the stop is reached."""
        now = time.monotonic()
        assert not Pace(1e9, now - 1.0, now).wait(1.0)
        assert Pace(1e9, now, None).wait(1.0)

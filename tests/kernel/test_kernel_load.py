"""Calibrated load on a real kernel: what the kernel counts is what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import cpu_usage_usec, wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.control import kill
from enforcer.load import LoadProcess, Overhead, start_load
from qos.experiment.load import cpu_demand
from qos.model.cgroup import CgroupName
from qos.model.workload import (
    Anon,
    Batch,
    Cache,
    Constant,
    CpuShape,
    IoShape,
    MemoryShape,
    OnOff,
    Requests,
    Spin,
    Workload,
)

Make = Callable[..., str]
TICK_SECONDS = 0.01  # of User Mode Linux; a finer clock is no worse


@dataclass
class Running:
    """A load that was started, and the CPU time its cgroup had used then."""

    fs: CgroupFS
    cgroup: str
    load: LoadProcess
    overhead: Overhead

    def cpu_seconds(self) -> float:
        """CPU time used since the start."""
        return cpu_usage_usec(self.fs, self.cgroup) / 1e6 - self.overhead.cpu_seconds


Begin = Callable[[Sequence[tuple[str, Workload]]], list[Running]]


@pytest.fixture
def begin(fs: CgroupFS) -> Iterator[Begin]:
    """Starts loads in cgroups of the test, all at one moment; they are killed after it."""
    started: list[Running] = []

    def start(wanted: Sequence[tuple[str, Workload]], **options: object) -> list[Running]:
        loads = [
            (cgroup, start_load(fs, cgroup, work, cpu_demand(work, 1, CgroupName(cgroup), 0), **options))  # type: ignore[arg-type]
            for cgroup, work in wanted
        ]
        for _, load in loads:
            load.wait_ready()
        moment = time.monotonic() + 0.1
        started.extend(Running(fs, cgroup, load, load.go(moment)) for cgroup, load in loads)
        time.sleep(max(0.0, moment - time.monotonic()))
        return started[-len(loads) :]

    yield start
    for each in started:
        kill(fs, each.cgroup)
        each.load.child.wait(30.0)
        each.load.close()


def cpu(shape: CpuShape) -> Workload:
    """A workload of CPU alone."""
    return Workload(cpu=shape)


class TestCpu:
    def test_weights_share_a_contended_cpu(self, make: Make, begin: Begin) -> None:
        """Two loads of four threads each at weights 100 and 300 get a quarter and three quarters."""
        make("a", {"cpu.weight": "100"})
        make("b", {"cpu.weight": "300"})
        first, second = begin([("a", cpu(Spin(threads=4))), ("b", cpu(Spin(threads=4)))])
        time.sleep(3.0)
        share = second.cpu_seconds() / (first.cpu_seconds() + second.cpu_seconds())
        assert share == pytest.approx(0.75, abs=0.02)

    @pytest.mark.parametrize(
        ("shape", "threads", "piece_seconds"),
        [
            (Constant(cpu="300m", period=0.1), 1, 0.03),
            (OnOff(burst=0.05, every=0.2), 1, 0.05),
            (OnOff(burst=0.03, every=0.2, threads=2), 2, 0.03),
        ],
        ids=["constant", "on-off", "on-off on two threads"],
    )
    def test_the_kernel_counts_what_was_given(
        self, make: Make, begin: Begin, shape: CpuShape, threads: int, piece_seconds: float
    ) -> None:
        """Usage over six seconds is the CPU time of the pieces done, as near as each worker's clock can tell.

        A worker may have a piece half done; where the clock ticks at 10 ms it is up to two ticks off before
        it comes back to the kernel's count, by half a piece at a time, and that count moves by one tick.
        """
        make("a", {"cpu.weight": "100"})
        (running,) = begin([("a", cpu(shape))])
        time.sleep(6.0)
        running.load.results()
        used, given = running.cpu_seconds(), running.load.given_cpu_seconds
        assert given > 1.3
        of_a_worker = 1.5 * piece_seconds + 3 * TICK_SECONDS
        assert used == pytest.approx(given, abs=threads * of_a_worker + 0.01 * given)

    def test_a_batch_ends_when_its_work_is_done(self, make: Make, begin: Begin) -> None:
        """Half a second of CPU time on two threads under a quota of half a CPU takes about a second."""
        make("a", {"cpu.max": "50000 100000"})
        (running,) = begin([("a", cpu(Batch(cpu_time=0.5, threads=2)))])
        wait_until(lambda: running.load.poll() is not None, "the batch is done")
        assert running.load.poll() == 0
        arrivals, latencies = running.load.results()
        assert arrivals.tolist() == [0.0]
        assert latencies[0] == pytest.approx(1.0, rel=0.2)

    def test_requests_arrive_as_the_simulator_has_them_and_are_all_answered(
        self, make: Make, begin: Begin
    ) -> None:
        """Arrivals are the seeded stream itself; none is answered without its work."""
        make("a", {"cpu.weight": "100"})
        shape = Requests(rate=20, cpu_per_request=0.02, workers=4)
        (running,) = begin([("a", cpu(shape))])
        time.sleep(3.0)
        arrivals, latencies = running.load.results()
        demand = cpu_demand(cpu(shape), 1, CgroupName("a"), 0)
        assert demand is not None
        expected = next(demand.feed)[0]
        assert sorted(arrivals) == pytest.approx(expected[: len(arrivals)])
        assert len(arrivals) >= np.searchsorted(expected, 2.0)
        assert (
            latencies.min() > 0.005
        )  # a clock of 10 ms may take from one piece for another, half of it at most

    def test_requests_wait_when_a_quota_holds_them_up(self, make: Make, begin: Begin) -> None:
        """At a quota of half of what is offered the queue grows: later requests wait longer."""
        make("a", {"cpu.max": "20000 100000"})
        (running,) = begin(
            [("a", cpu(Requests(rate=20, arrivals="constant", cpu_per_request=0.02, workers=2)))]
        )
        time.sleep(3.0)
        arrivals, latencies = running.load.results()
        later = latencies[np.argsort(arrivals)]
        assert later[-5:].mean() > later[:5].mean() + 0.5


class TestMemory:
    def test_memory_stands_where_the_polygon_says(self, fs: CgroupFS, make: Make, begin: Begin) -> None:
        """20 MiB at once, then growth to 40 MiB: memory.current at the plateau is within 2 %."""
        make("a", {"memory.max": "max"})
        anon = Anon(start="20Mi", grow_per_second="20Mi", limit="40Mi")
        begin([("a", Workload(memory=MemoryShape(anon=anon)))])
        wanted = 40 << 20
        wait_until(lambda: int(fs.read("a", "memory.current")) > 0.97 * wanted, "it has grown")
        time.sleep(0.5)
        assert int(fs.read("a", "memory.current")) == pytest.approx(wanted, rel=0.02)

    def test_what_is_held_from_the_start_on_is_there_before_it(
        self, fs: CgroupFS, make: Make, begin: Begin
    ) -> None:
        """60 MiB are charged when time begins, under a cpu.max that lets them come in half a second."""
        make("a", {"cpu.max": "10000 100000", "memory.max": str(200 << 20)})
        begin([("a", Workload(memory=MemoryShape(anon=Anon(start="60Mi"))))])
        assert int(fs.read("a", "memory.current")) == pytest.approx(60 << 20, abs=4 << 20)

    def test_what_has_no_room_is_not_put_in_place(self, make: Make, begin: Begin) -> None:
        """60 MiB under a memory.max of 40: it comes at the start, and is killed there, not before."""
        make("a", {"memory.max": str(40 << 20)})
        (running,) = begin([("a", Workload(memory=MemoryShape(anon=Anon(start="60Mi"))))])
        wait_until(lambda: running.load.poll() is not None, "the load is killed")
        assert running.load.poll() == 137

    def test_growth_into_memory_max_ends_the_load(self, fs: CgroupFS, make: Make, begin: Begin) -> None:
        """The OOM killer takes the process that grows, and its parent ends the rest: exit code 137."""
        make("a", {"memory.max": str(16 << 20)})
        anon = Anon(start="1Mi", grow_per_second="40Mi", limit="64Mi")
        (running,) = begin([("a", Workload(memory=MemoryShape(anon=anon), cpu=Spin()))])
        wait_until(lambda: running.load.poll() is not None, "it is killed", 60.0)
        assert running.load.poll() == 137
        assert "oom_kill 1" in fs.read("a", "memory.events")


class TestDisk:
    def test_page_cache_is_read_and_charged(
        self, fs: CgroupFS, make: Make, disk_folder: object, begin: Begin
    ) -> None:
        """A file of 16 MiB read round and round is in the page cache, less what the processes hold."""
        make("a", {"memory.max": "max"})
        cache = Cache(file="16Mi", read_per_second="32Mi")
        begin([("a", Workload(memory=MemoryShape(cache=cache)))], scratch=disk_folder)  # type: ignore[call-arg]

        def file_bytes() -> int:
            lines = dict(line.split() for line in fs.read("a", "memory.stat").splitlines())
            return int(lines["file"])

        wait_until(lambda: file_bytes() >= 12 << 20, "the file is in the cache")
        wait_until(lambda: int(fs.read("a", "memory.current")) >= 15.6 * 2**20, "16 MiB are charged")
        assert int(fs.read("a", "memory.current")) == pytest.approx(16 << 20, rel=0.03)

    def test_direct_writes_are_limited_by_io_max(
        self, fs: CgroupFS, make: Make, disk_folder: object, begin: Begin, block_device: str
    ) -> None:
        """A writer that wants 32 MiB a second gets the 4 MiB of io.max."""
        make("a", {"io.max": f"{block_device} wbps={4 << 20}"})
        shape = IoShape(write_per_second="32Mi", block="64Ki")
        begin([("a", Workload(io=shape))], scratch=disk_folder)  # type: ignore[call-arg]

        def written() -> int:
            words = fs.read("a", "io.stat").split()
            return sum(int(word.removeprefix("wbytes=")) for word in words if word.startswith("wbytes="))

        wait_until(lambda: written() > 0, "it writes")
        time.sleep(1.0)
        before, began = written(), time.monotonic()
        time.sleep(3.0)
        rate = (written() - before) / (time.monotonic() - began)
        assert rate == pytest.approx(4 << 20, rel=0.15)


@pytest.mark.parametrize(("wanted", "limit", "there"), [(6, "max", 6), (30, "10", 10)])
def test_a_workload_has_as_many_tasks_as_it_wants_or_may_have(
    make: Make, begin: Begin, fs: CgroupFS, wanted: int, limit: str, there: int
) -> None:
    """Up to pids.max; a refusal is counted."""
    cgroup = make("tasks", {"pids.max": limit})
    begin([(cgroup, Workload(cpu=Constant(cpu="50m"), tasks=wanted))])
    wait_until(lambda: int(fs.read(cgroup, "pids.current")) == there, f"{there} tasks are there", 60.0)
    if wanted > there:
        wait_until(lambda: fs.read(cgroup, "pids.events").split()[1] != "0", "a refusal is counted", 60.0)
    else:
        assert fs.read(cgroup, "pids.events").split()[1] == "0"

"""Samples of real cgroups, and the kernel's announcements."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from conftest import Start, cpu_usage_usec, wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.control import freeze, kill
from enforcer.kept import KeptFiles
from enforcer.observe import Happening, Sampler, Watch
from qos.model.cgroup import CgroupName

Make = Callable[..., str]
A = CgroupName("a")
B = CgroupName("b")


def hold(count: int) -> Callable[[], None]:
    """Holds so many bytes for ever."""

    def work() -> None:
        kept = bytearray(count)
        kept[::4096] = b"\1" * len(kept[::4096])
        while True:
            signal_free_wait()

    return work


def signal_free_wait() -> None:
    """Sleep without a time limit."""
    os.read(os.pipe()[0], 1)


class TestSampler:
    def test_columns_are_what_the_files_say(self, fs: CgroupFS, make: Make, start: Start) -> None:
        """A reading of a frozen cgroup equals its files, number by number."""
        make("a", {"memory.max": "67108864", "cpu.max": "50000 100000", "pids.max": "10"})
        start("a", hold(8 << 20))
        wait_until(lambda: int(fs.read("a", "memory.current")) > 8 << 20, "the memory is held")
        freeze(fs, "a")
        with Sampler(fs, {A: "a"}) as sampler:
            samples = sampler.take()
        assert samples.source == "measured"
        assert samples.columns["cpu_stat_usage_usec"][0, 0] == cpu_usage_usec(fs, "a")
        assert samples.columns["memory_current"][0, 0] == int(fs.read("a", "memory.current"))
        assert samples.columns["pids_current"][0, 0] == 1
        assert samples.columns["cgroup_events_frozen"][0, 0] == 1
        events = dict(line.split() for line in fs.read("a", "memory.events").splitlines())
        for key, value in events.items():
            assert samples.columns[f"memory_events_{key}"][0, 0] == int(value)

    def test_pressure_where_the_kernel_has_it(
        self, fs: CgroupFS, make: Make, start: Start, needs: Callable[[str], None]
    ) -> None:
        """Two spinners under a quota wait: the total of cpu.pressure rises."""
        needs("cpu.pressure")
        make("a", {"cpu.max": "20000 100000"})
        start("a", lambda: [None for _ in iter(int, 1)])
        with Sampler(fs, {A: "a"}) as sampler:
            sampler.sample()
            wait_until(lambda: cpu_usage_usec(fs, "a") > 200_000, "it was throttled a while")
            sampler.sample()
            samples = sampler.take()
        assert samples.increase("cpu_pressure_some_total")[0] > 100_000

    def test_a_cgroup_that_comes_and_goes_is_nan_while_it_is_not_there(
        self, fs: CgroupFS, make: Make
    ) -> None:
        """NaN before it is made, its numbers, NaN after it is removed, and numbers again when it is back."""
        make("a", {"memory.max": "max"})
        with Sampler(fs, {A: "a", B: "b"}) as sampler:
            sampler.sample()
            fs.create("b")
            sampler.sample()
            fs.remove("b")
            sampler.sample()
            fs.create("b")
            sampler.sample()
            usage = sampler.take().column("cpu_stat_usage_usec", "b")
        assert np.isnan(usage).tolist() == [True, False, True, False]

    def test_descriptors_are_kept_and_released(self, fs: CgroupFS, make: Make) -> None:
        """A second reading opens nothing; closing gives back all."""
        make("a", {"memory.max": "max", "cpu.weight": "100", "pids.max": "max"})
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 — a count is all
        sampler = Sampler(fs, {A: "a"})
        sampler.sample()
        first = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        sampler.sample()
        assert len(os.listdir("/proc/self/fd")) == first > before  # noqa: PTH208
        sampler.close()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    def test_few_descriptors_are_slower_and_not_wrong(
        self, fs: CgroupFS, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With room for two descriptors the readings are the same."""
        make("a", {"memory.max": "max", "cpu.weight": "100", "pids.max": "max"})
        with Sampler(fs, {A: "a"}) as sampler:
            rich = sampler.take()
        monkeypatch.setattr("enforcer.observe.KeptFiles", lambda tree: KeptFiles(tree, most_kept=2))
        with Sampler(fs, {A: "a"}) as sampler:
            poor = sampler.take()
        assert {name: column.tolist() for name, column in rich.columns.items()} == {
            name: column.tolist() for name, column in poor.columns.items()
        }


class TestWatch:
    def test_an_oom_kill_is_announced_and_is_in_the_reading_before_the_cgroup_goes(
        self, fs: CgroupFS, make: Make, start: Start
    ) -> None:
        """The reading taken when the watcher is woken has the kill, though the cgroup is gone next."""
        make("a", {"memory.max": "16777216"})
        with Watch(fs, {A: "a"}) as watch, Sampler(fs, {A: "a"}) as sampler:
            child = start("a", hold(64 << 20))
            seen: list[Happening] = []

            def killed() -> bool:
                seen.extend(watch.wait(1.0))
                return any(one.key == "memory_events_oom_kill" for one in seen)

            wait_until(killed, "the kill is announced")
            sampler.sample()
            child.wait()
            fs.remove("a")
            samples = sampler.take()
        (kill_,) = (one for one in seen if one.key == "memory_events_oom_kill")
        assert (kill_.cgroup, kill_.old, kill_.new) == (A, 0, 1)
        assert samples.column("memory_events_oom_kill", "a")[-1] == 1

    def test_the_end_of_the_last_process_is_announced(self, fs: CgroupFS, make: Make, start: Start) -> None:
        """Populated goes from 1 to 0."""
        make("a")
        start("a", signal_free_wait)
        with Watch(fs, {A: "a"}) as watch:
            kill(fs, "a")
            assert watch.wait(10.0) == [Happening(A, "cgroup_events_populated", 1, 0)]

    def test_nothing_happens_until_the_time_is_up(self, fs: CgroupFS, make: Make) -> None:
        """An empty list, not an error."""
        make("a")
        with Watch(fs, {A: "a"}) as watch:
            assert watch.wait(0.05) == []

    def test_a_cgroup_that_is_removed_is_forgotten(self, fs: CgroupFS, make: Make) -> None:
        """Watching on does not spin or fail."""
        make("a")
        make("b")
        with Watch(fs, {A: "a", B: "b"}) as watch:
            fs.remove("a")
            watch.wait(0.05)
            assert watch.wait(0.05) == []

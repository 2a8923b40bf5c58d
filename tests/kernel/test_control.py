"""Freeze, thaw and kill of whole cgroups, confirmed by a real kernel."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from conftest import Start, cpu_usage_usec, wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.control import _kill_one_by_one, freeze, is_frozen, kill, thaw, wait_for
from qos.errors import CgroupError, HostError

Make = Callable[..., str]


def spin() -> None:
    """Use a CPU for ever."""
    while True:
        pass


def fork_for_ever() -> None:
    """Children that fork children, as fast as they can."""
    while True:
        if os.fork() == 0:
            signal.alarm(60)


@pytest.fixture
def busy(fs: CgroupFS, make: Make, start: Start) -> str:
    """A pod of two containers, each with a process that always runs."""
    for container in ("pod/web", "pod/log"):
        start(make(container, {"cpu.weight": "100"}), spin)
    wait_until(lambda: cpu_usage_usec(fs, "pod") > 20_000, "the pod uses CPU")
    return "pod"


class TestFreeze:
    def test_a_frozen_pod_uses_nothing_and_a_thawed_one_goes_on(self, fs: CgroupFS, busy: str) -> None:
        """From the confirmation on usage_usec stands still to the microsecond, until it is thawed."""
        freeze(fs, busy)
        assert is_frozen(fs, busy)
        assert is_frozen(fs, f"{busy}/web")
        before = cpu_usage_usec(fs, busy)
        assert not wait_for(fs, busy, "frozen", 0, 0.5)
        assert cpu_usage_usec(fs, busy) == before
        thaw(fs, busy)
        assert not is_frozen(fs, f"{busy}/log")
        wait_until(lambda: cpu_usage_usec(fs, busy) > before + 20_000, "it runs again")

    def test_one_container_can_be_frozen_alone(self, fs: CgroupFS, busy: str) -> None:
        """The other container of the pod goes on."""
        freeze(fs, f"{busy}/web")
        stopped, running = (cpu_usage_usec(fs, f"{busy}/{name}") for name in ("web", "log"))
        wait_until(lambda: cpu_usage_usec(fs, f"{busy}/log") > running + 20_000, "the other runs on")
        assert cpu_usage_usec(fs, f"{busy}/web") == stopped
        assert not is_frozen(fs, busy)

    def test_what_lies_in_a_frozen_cgroup_is_not_thawed_alone(self, fs: CgroupFS, busy: str) -> None:
        """The kernel does not confirm, and the error says why."""
        freeze(fs, busy)
        with pytest.raises(HostError, match=r"did not say 'frozen 0'.*a cgroup above it is frozen"):
            thaw(fs, f"{busy}/web", timeout_seconds=0.2)

    def test_freezing_twice_is_confirmed_at_once(self, fs: CgroupFS, busy: str) -> None:
        """What is so already needs no change to be waited for."""
        freeze(fs, busy)
        freeze(fs, busy, timeout_seconds=0.0)


class TestKill:
    @pytest.mark.parametrize("frozen", [False, True])
    def test_every_process_below_is_gone(self, fs: CgroupFS, busy: str, frozen: bool) -> None:
        """A whole pod in one command, frozen or not; afterwards nothing is populated."""
        if frozen:
            freeze(fs, busy)
        kill(fs, busy)
        assert not fs.is_populated(busy)
        assert [fs.procs(cgroup) for cgroup in fs.walk(busy)] == [(), (), ()]

    @pytest.mark.parametrize("by", [kill, lambda fs, cgroup: _kill_one_by_one(fs, cgroup, 20.0)])
    def test_forks_do_not_outrun_it(
        self, fs: CgroupFS, make: Make, start: Start, by: Callable[[CgroupFS, str], float]
    ) -> None:
        """A fork bomb is gone after one command, by cgroup.kill and by the way of kernels before 5.14."""
        make("bomb", {"pids.max": "40"})
        start("bomb", fork_for_ever)
        wait_until(lambda: len(fs.procs("bomb")) > 5, "it has forked")
        by(fs, "bomb")
        assert fs.procs("bomb") == ()

    def test_an_empty_cgroup_is_killed_at_once(self, fs: CgroupFS, make: Make) -> None:
        """Nothing to wait for."""
        kill(fs, make("empty"), timeout_seconds=0.0)

    def test_no_such_cgroup(self, fs: CgroupFS) -> None:
        """An error of that path."""
        with pytest.raises(CgroupError, match="nowhere"):
            kill(fs, "nowhere")

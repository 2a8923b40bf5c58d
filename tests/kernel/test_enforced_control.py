"""Tasks, freezing, killing and disk bandwidth do to real processes what their files promise."""

from __future__ import annotations

import mmap
import os
import signal
import time

import pytest
from conftest import cpu_usage_usec, wait_until

from enforcer.cgroup_text import parse_flat_keyed, parse_nested_keyed, parse_number

MIB = 1 << 20


def spin() -> None:
    """Use any CPU for ever."""
    while True:
        pass


def sleep() -> None:
    """Do nothing for ever."""
    while True:
        time.sleep(1)


class TestPids:
    def test_the_limit_counts_every_task(self, make, fs, start):
        """pids.max 5: a process forks four children, the fifth fork is EAGAIN and counted."""
        make("pod", {"pids.max": "5"})
        forks, told = os.pipe()

        def fork_on() -> None:
            count = 0
            try:
                while count < 20:
                    if os.fork() == 0:
                        sleep()
                    count += 1
            except BlockingIOError:
                os.write(told, bytes([count]))
            sleep()

        start("pod", fork_on)
        assert os.read(forks, 1) == bytes([4])
        os.close(forks)
        os.close(told)
        assert parse_number(fs.read("pod", "pids.current")) == 5
        assert parse_flat_keyed(fs.read("pod", "pids.events"))["max"] == 1


class TestFreeze:
    def test_frozen_tasks_use_nothing_and_thaw_runs_on(self, make, fs, start):
        """cgroup.freeze stops a whole subtree until it is thawed; the events file confirms it."""
        make("pod")
        for container in ("web", "sidecar"):
            start(make(f"pod/{container}"), spin)
        fs.write("pod", "cgroup.freeze", "1")
        wait_until(lambda: "frozen 1" in fs.read("pod", "cgroup.events"), "the pod is frozen")
        before = cpu_usage_usec(fs, "pod")
        time.sleep(0.5)
        assert cpu_usage_usec(fs, "pod") == before
        fs.write("pod", "cgroup.freeze", "0")
        wait_until(lambda: cpu_usage_usec(fs, "pod") > before + 20_000, "it runs again")

    def test_a_frozen_cgroup_can_be_killed(self, make, fs, start):
        """cgroup.kill reaches frozen tasks too."""
        make("pod")
        child = start("pod", spin)
        fs.write("pod", "cgroup.freeze", "1")
        wait_until(lambda: "frozen 1" in fs.read("pod", "cgroup.events"), "the pod is frozen")
        fs.write("pod", "cgroup.kill", "1")
        assert os.WTERMSIG(child.wait()) == signal.SIGKILL


class TestKill:
    def test_one_write_kills_a_whole_pod_and_nothing_else(self, make, fs, start):
        """cgroup.kill takes every descendant; a sibling lives."""
        children = [start(make(f"pod/{name}"), sleep) for name in ("web", "sidecar")]
        sibling = start(make("other"), sleep)
        fs.write("pod", "cgroup.kill", "1")
        assert [os.WTERMSIG(child.wait()) for child in children] == [signal.SIGKILL, signal.SIGKILL]
        wait_until(lambda: not fs.is_populated("pod"), "the pod is empty")
        assert not sibling.has_ended()


class TestIoMax:
    @pytest.mark.parametrize(
        ("limit", "writing", "request_bytes"),
        [
            ("rbps=5242880", False, MIB // 4),
            ("wbps=5242880", True, MIB // 4),
            ("riops=20", False, 4096),  # small, since the driver splits large ones
            ("wiops=20", True, 4096),
        ],
    )
    def test_direct_io_takes_as_long_as_the_limit_says(
        self, make, fs, start, block_device, disk_path, limit, writing, request_bytes
    ):
        """40 requests: two seconds at 20 a second, and, of 256 KiB each, at 5 MiB/s."""
        free_seconds = _timed(start(make("free"), lambda: _direct_io(disk_path, writing, request_bytes)))
        make("pod", {"io.max": f"{block_device} {limit}"})
        seconds = _timed(start("pod", lambda: _direct_io(disk_path, writing, request_bytes)))
        assert free_seconds < 1.0
        assert seconds == pytest.approx(2.0, abs=0.35)
        stat = parse_nested_keyed(fs.read("pod", "io.stat"))[block_device]
        assert stat["wbytes" if writing else "rbytes"] == 40 * request_bytes


def _timed(child) -> float:
    began = time.monotonic()
    assert child.wait() == 0
    return time.monotonic() - began


def _direct_io(path: str, writing: bool, size: int) -> None:
    buffer = mmap.mmap(-1, size)
    fd = os.open(path, (os.O_RDWR if writing else os.O_RDONLY) | os.O_DIRECT)
    move = os.pwritev if writing else os.preadv
    for number in range(40):
        move(fd, [buffer], number * size)

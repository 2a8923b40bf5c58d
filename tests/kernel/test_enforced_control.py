"""Tasks, freezing, killing and disk bandwidth do to real processes what their files promise."""

from __future__ import annotations

import itertools
import mmap
import os
import signal
import time

import pytest
from conftest import cpu_usage_usec, wait_until

from enforcer.cgroup_text import parse_flat_keyed, parse_nested_keyed, parse_number
from enforcer.cgroupfs import CgroupFS
from enforcer.lab.suite import own_tree

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
    def test_the_limit_counts_every_task(self, make, fs, start, measured):
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
        (forked,) = os.read(forks, 1)
        measured("4 forks, then EAGAIN", forked)
        assert forked == 4
        os.close(forks)
        os.close(told)
        assert parse_number(fs.read("pod", "pids.current")) == 5
        assert parse_flat_keyed(fs.read("pod", "pids.events"))["max"] == 1


class TestFreeze:
    def test_frozen_tasks_use_nothing_and_thaw_runs_on(self, make, fs, start, measured):
        """cgroup.freeze stops a whole subtree until it is thawed; the events file confirms it."""
        make("pod")
        for container in ("web", "sidecar"):
            start(make(f"pod/{container}"), spin)
        fs.write("pod", "cgroup.freeze", "1")
        wait_until(lambda: "frozen 1" in fs.read("pod", "cgroup.events"), "the pod is frozen")
        before = cpu_usage_usec(fs, "pod")
        time.sleep(0.5)
        measured("0 us of CPU while frozen", cpu_usage_usec(fs, "pod") - before)
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
        self, make, fs, start, block_device, disk_path, measured, limit, writing, request_bytes
    ):
        """40 requests: two seconds at 20 a second, and, of 256 KiB each, at 5 MiB/s."""
        free_seconds = _timed(start(make("free"), lambda: _direct_io(disk_path, writing, request_bytes)))
        make("pod", {"io.max": f"{block_device} {limit}"})
        seconds = _timed(start("pod", lambda: _direct_io(disk_path, writing, request_bytes)))
        measured("2.0 s", f"{seconds:.3f} s, free {free_seconds:.3f} s")
        assert free_seconds < 1.0
        assert seconds == pytest.approx(2.0, abs=0.35)
        stat = parse_nested_keyed(fs.read("pod", "io.stat"))[block_device]
        assert stat["wbytes" if writing else "rbytes"] == 40 * request_bytes


class TestIoWeight:
    def test_a_busy_disk_is_shared_as_the_weights_say(
        self, make, fs, start, needs, io_cost, disk_path, measured
    ):
        """io.weight 100:400 under io.cost, four readers each: the second gets four times the bytes."""
        needs("io.weight")
        cgroups = [make(f"pod-{weight}", {"io.weight": f"default {weight}"}) for weight in (100, 400)]
        for number, cgroup in enumerate(cgroups * 4):
            start(cgroup, lambda number=number: _read_for_ever(disk_path, number))
        time.sleep(0.5)
        before = [_bytes_read(fs, cgroup, io_cost) for cgroup in cgroups]
        time.sleep(4.0)
        light, heavy = (
            _bytes_read(fs, cgroup, io_cost) - bytes_before
            for cgroup, bytes_before in zip(cgroups, before, strict=True)
        )
        measured("ratio 4", f"{heavy / light:.2f}")
        assert heavy / light == pytest.approx(4.0, rel=0.15)


@pytest.fixture
def io_cost(block_device):
    """The guest's disk under io.cost with a model of 150 requests a second, so that it is the bottleneck."""
    with CgroupFS(own_tree()) as top:
        if not top.exists("", "io.cost.qos"):
            pytest.skip("this kernel has no io.cost")
        rates = "rbps=20000000 rseqiops=150 rrandiops=150 wbps=20000000 wseqiops=150 wrandiops=150"
        qos = "rpct=0 rlat=0 wpct=0 wlat=0 min=100.00 max=100.00"
        top.write("", "io.cost.model", f"{block_device} ctrl=user model=linear {rates}")
        top.write("", "io.cost.qos", f"{block_device} enable=1 ctrl=user {qos}")
        yield block_device
        top.write("", "io.cost.qos", f"{block_device} enable=0")


def _bytes_read(fs, cgroup: str, device: str) -> int:
    return parse_nested_keyed(fs.read(cgroup, "io.stat")).get(device, {}).get("rbytes", 0)


def _read_for_ever(path: str, first: int) -> None:
    size = 1 << 16
    buffer = mmap.mmap(-1, size)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    for number in itertools.count(first):
        os.preadv(fd, [buffer], number * 7919 % 4000 * size)


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

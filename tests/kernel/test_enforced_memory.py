"""Memory values do to real processes what their files promise."""

from __future__ import annotations

import mmap
import os
import signal
import time

import pytest
from conftest import wait_until

from enforcer.cgroup_text import parse_flat_keyed, parse_number

MIB = 1 << 20
PAGE_BYTES = 4096


def hold(mib: int) -> list[mmap.mmap]:
    """Touch that much anonymous memory, page by page."""
    held = []
    for _ in range(mib):
        block = mmap.mmap(-1, MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for offset in range(0, MIB, PAGE_BYTES):
            block[offset] = 1
        held.append(block)
    return held


def hold_for_ever(mib: int) -> None:
    """Touch memory and sleep on it."""
    held = hold(mib)
    while held:
        time.sleep(1)


class TestMax:
    def test_over_the_limit_the_oom_killer_comes(self, make, fs, start, measured):
        """memory.max 48 MiB, a process of 96: killed once, and the peak is the limit to the byte."""
        make("pod", {"memory.max": str(48 * MIB)})
        fs.write("pod", "memory.oom.group", "0")
        child = start("pod", lambda: hold_for_ever(96))
        assert os.WTERMSIG(child.wait()) == signal.SIGKILL
        events = parse_flat_keyed(fs.read("pod", "memory.events"))
        assert events["oom_kill"] == 1
        assert events["max"] > 0
        peak = fs.read_or_none("pod", "memory.peak")
        measured(
            f"1 OOM kill, peak {48 * MIB}", f"{events['oom_kill']}, {(peak or 'no memory.peak').strip()}"
        )
        if peak is not None:
            assert parse_number(peak) == 48 * MIB

    def test_an_oom_kill_takes_the_group_where_wished(self, make, fs, start):
        """memory.oom.group=1: the small process dies with the large one."""
        make("pod", {"memory.max": str(48 * MIB), "memory.oom.group": "1"})
        small = start("pod", lambda: hold_for_ever(1))
        large = start("pod", lambda: hold_for_ever(96))
        assert os.WTERMSIG(large.wait()) == signal.SIGKILL
        assert os.WTERMSIG(small.wait()) == signal.SIGKILL
        assert parse_flat_keyed(fs.read("pod", "memory.events"))["oom_group_kill"] == 1

    def test_the_neighbour_lives(self, make, fs, start):
        """A limit is one cgroup's own: its sibling with the same memory and no limit is not touched."""
        make("limited", {"memory.max": str(24 * MIB)})
        make("free")
        neighbour = start("free", lambda: hold_for_ever(40))
        assert os.WIFSIGNALED(start("limited", lambda: hold_for_ever(40)).wait())
        wait_until(lambda: parse_number(fs.read("free", "memory.current")) >= 40 * MIB, "it holds its memory")
        assert not neighbour.has_ended()

    def test_a_pod_limit_binds_its_containers_together(self, make, fs, start):
        """Two containers of 40 MiB in a pod of 60: the pod's limit kills one of them."""
        make("pod", {"memory.max": str(60 * MIB)})
        children = [start(make(f"pod/{name}"), lambda: hold_for_ever(40)) for name in ("web", "sidecar")]
        wait_until(lambda: any(child.has_ended() for child in children), "one container is killed")
        assert parse_flat_keyed(fs.read("pod", "memory.events"))["oom_kill"] >= 1


class TestHigh:
    def test_over_high_the_process_is_slowed_not_killed(self, make, fs, start):
        """memory.high 16 MiB, a process of 17: it is throttled, counted in events, and lives to the end."""
        make("pod", {"memory.high": str(16 * MIB)})
        child = start("pod", lambda: hold(17))
        assert child.wait() == 0
        events = parse_flat_keyed(fs.read("pod", "memory.events"))
        assert events["high"] > 0
        assert events["oom_kill"] == 0


class TestMin:
    def test_protected_cache_outlives_a_hungry_sibling(self, make, fs, start, disk_folder, measured):
        """Page cache under memory.min stays while a sibling reads more than the parent may hold."""
        for name, mib in (("own", 40), ("other", 100)):
            (disk_folder / name).write_bytes(os.urandom(MIB) * mib)
        os.sync()
        left = {}
        for protection_mib in (0, 32):
            _drop_caches()
            parent = f"parent-{protection_mib}"
            make(parent, {"memory.max": str(60 * MIB)})
            make(f"{parent}/own", {"memory.min": str(protection_mib * MIB)})
            make(f"{parent}/other", {"memory.min": "0"})
            fs.write(parent, "memory.min", str(protection_mib * MIB))
            start(f"{parent}/own", lambda: _read(disk_folder / "own")).wait()
            start(f"{parent}/other", lambda: [_read(disk_folder / "other") for _ in range(3)]).wait()
            left[protection_mib] = parse_number(fs.read(f"{parent}/own", "memory.current")) / MIB
        measured("32 MiB left of 40 (less without)", f"{left[32]:.1f} MiB ({left[0]:.1f})")
        assert left[32] >= 31
        assert left[0] < 28


class TestHugePages:
    def test_over_the_limit_of_huge_pages_is_a_bus_error(self, make, fs, start, needs):
        """hugetlb.2MB.max of two pages: the third touch is SIGBUS, and counted."""
        needs("hugetlb")
        pages = "/proc/sys/vm/nr_hugepages"
        _write(pages, "8")
        make("pod", {"hugetlb.2MB.max": str(4 * MIB)})
        child = start("pod", lambda: _touch_huge_pages(6))
        status = child.wait()
        _write(pages, "0")
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGBUS
        assert parse_flat_keyed(fs.read("pod", "hugetlb.2MB.events"))["max"] == 1


def _touch_huge_pages(count: int) -> None:
    map_hugetlb = 0x40000
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | map_hugetlb
    pages = mmap.mmap(-1, count * 2 * MIB, flags=flags)
    for number in range(count):
        pages[number * 2 * MIB] = 1


def _read(path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass


def _drop_caches() -> None:
    os.sync()
    _write("/proc/sys/vm/drop_caches", "3")


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


@pytest.fixture(autouse=True)
def _not_on_a_host(kernel_is_host):
    if kernel_is_host:
        pytest.skip("uses up memory: only in a guest")

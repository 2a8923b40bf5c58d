"""What goes wrong on a real host while qos applies: each ends in words, and the next run converges."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from applying import enforcer_of, plan_of, settings
from fault_points import CountedTree, Counter

from enforcer.apply import Enforcer
from enforcer.cgroupfs import CgroupFS
from enforcer.state import StateStore
from qos.errors import CgroupError, HostError, QosError

BIG = 48 << 20
PODS = {
    "pods": {"cpu.weight": "60"},
    "pods/a": {"cpu.weight": "39", "memory.max": str(256 << 20), "pids.max": "50"},
    "pods/b": {"cpu.weight": "20"},
}


def hold(size: int) -> Callable[[], None]:
    """A process's work: hold so much memory until it is killed."""

    def work() -> None:
        block = bytearray(size)
        block[::4096] = b"x" * len(block[::4096])
        time.sleep(600)

    return work


class TestShrinking:
    def test_memory_max_is_not_pushed_below_what_is_used(self, fs, tmp_path, start) -> None:
        """Refused before any write, with both numbers; forced, the kernel does what it must."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        child = start("pods/a", hold(BIG))
        _wait(lambda: int(fs.read("pods/a", "memory.current")) > BIG)
        small = PODS | {"pods/a": {"cpu.weight": "1", "memory.max": str(4 << 20)}}
        with pytest.raises(HostError, match=r"pods/a/memory.max: 4194304 is below the \d+ bytes in use"):
            enforcer.apply(plan_of(small))
        assert fs.read("pods/a", "cpu.weight") == "39\n"
        enforcer.apply(plan_of(small), force_shrink=True)
        assert fs.read("pods/a", "memory.max") == "4194304\n"
        _wait(child.has_ended)

    def test_restoring_a_limit_below_use_is_refused_too(self, fs, tmp_path, start) -> None:
        """Delete would give back a memory.max that is too small now: it says so, and can be forced."""
        fs.write("", "cgroup.subtree_control", "+memory")
        fs.create("mine")
        fs.write("mine", "memory.max", str(8 << 20))
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of({"mine": {"memory.max": "max"}}))
        start("mine", hold(BIG))
        _wait(lambda: int(fs.read("mine", "memory.current")) > BIG)
        with pytest.raises(HostError, match="is below"):
            enforcer.delete()
        assert fs.read("mine", "memory.max") == "max\n"
        enforcer.delete(force_shrink=True)
        assert fs.read("mine", "memory.max") == f"{8 << 20}\n"


class TestProcesses:
    def test_a_cgroup_with_processes_cannot_hand_out_controllers(self, fs, tmp_path, start) -> None:
        """EBUSY of cgroup.subtree_control is told in words, and everything is undone."""
        fs.create("busy")
        start("busy", hold(1))
        before = settings(fs)
        with pytest.raises(CgroupError, match="no internal process rule") as info:
            enforcer_of(fs, tmp_path / "s").apply(plan_of({"busy/leaf": {"cpu.weight": "5"}}))
        assert info.value.errno == errno.EBUSY
        assert settings(fs) == before
        assert not (tmp_path / "s" / "record.json").exists()

    def test_a_pod_that_still_runs_is_not_removed(self, fs, tmp_path, start) -> None:
        """Delete names it and changes nothing; once the process is gone it restores."""
        before = settings(fs)
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        child = start("pods/a", hold(1))
        with pytest.raises(HostError, match="pods: still holds processes"):
            enforcer.delete()
        assert fs.read("pods/a", "cpu.weight") == "39\n"
        fs.write("pods/a", "cgroup.kill", "1")
        child.wait()
        _wait(lambda: not fs.is_populated("pods"))
        enforcer.delete()
        assert settings(fs) == before

    def test_a_cgroup_somebody_made_in_ours_stops_the_removal(self, fs, tmp_path) -> None:
        """Rmdir is refused by the kernel; what was removed already is made again with its values."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.create("pods/a/theirs")
        now = settings(fs)
        with pytest.raises(CgroupError, match="still holds processes or child cgroups"):
            enforcer.delete()
        assert settings(fs) == now
        fs.remove("pods/a/theirs")
        enforcer.delete()
        assert list(fs.walk()) == [""]


class TestSomebodyElse:
    def test_a_vanished_cgroup_is_made_again(self, fs, tmp_path) -> None:
        """Removed between two runs: created; only it is written."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.remove("pods/a")
        again = enforcer.apply(plan_of(PODS))
        assert again.outcomes["pods/a"] == "created"
        assert again.outcomes["pods/b"] == "unchanged"
        assert fs.read("pods/a", "pids.max") == "50\n"

    @pytest.mark.parametrize("at", range(4, 22))
    def test_a_cgroup_that_vanishes_meanwhile(self, fs, tmp_path, at) -> None:
        """Removed before any one operation of a run: an error or not, the next run converges."""
        counter = Counter(at)

        def vanish() -> Exception:
            fs.remove("pods/b")
            counter.at = -1
            return _NoError()

        tree = _Meddled(fs, counter, vanish)
        try:
            enforcer_of(tree, tmp_path / "s").apply(plan_of(PODS))
        except HostError as error:
            words = str(error)
            assert "no such cgroup" in words or "removed" in words
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        assert enforcer.apply(plan_of(PODS)).writes == 0
        enforcer.delete()
        assert list(fs.walk()) == [""]

    def test_a_controller_switched_off_is_switched_on_again(self, fs, tmp_path) -> None:
        """Its files are gone with it; the next run brings controller and values back."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.write("pods", "cgroup.subtree_control", "-pids")
        assert not fs.exists("pods/a", "pids.max")
        enforcer.apply(plan_of(PODS))
        assert fs.read("pods/a", "pids.max") == "50\n"
        assert enforcer.apply(plan_of(PODS)).writes == 0

    def test_a_cgroup_made_anew_by_somebody_is_his(self, fs, tmp_path) -> None:
        """Under our name, but not our cgroup: his values are kept as the ones before, and given back."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.remove("pods/b")
        fs.create("pods/b")
        fs.write("pods/b", "cpu.weight", "77")
        enforcer.apply(plan_of(PODS))
        assert fs.read("pods/b", "cpu.weight") == "20\n"
        with pytest.raises(CgroupError, match="still holds"):
            enforcer.delete()
        enforcer.apply(plan_of({"pods": PODS["pods"]}), prune=True)
        assert fs.read("pods/b", "cpu.weight") == "77\n"


class TestOneAtATime:
    def test_two_applies_at_once_take_turns(self, fs, tmp_path) -> None:
        """The second waits for the lock and then finds what the first left."""
        results = []

        def run() -> None:
            results.append(enforcer_of(fs, tmp_path / "s").apply(plan_of(PODS)))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(result.writes > 0 for result in results) == 1
        assert sum(result.is_unchanged for result in results) == 3

    def test_who_waits_in_vain_is_told_for_whom(self, tmp_path) -> None:
        """The other's process id is named; a killed holder's lock is free at once."""
        ready, holder_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            with StateStore(tmp_path / "s").locked():
                os.write(holder_end, b"x")
                time.sleep(600)
        os.read(ready, 1)
        store = StateStore(tmp_path / "s")
        with pytest.raises(HostError, match=rf"another qos \(process {pid}\)"), store.locked(0.1):
            pass
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        with store.locked(0.1):
            pass


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, nearly full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_before_the_first_write(fs: CgroupFS, full_disk: Path) -> None:
    """ENOSPC for the record: nothing is touched, no rest lies about; with room it goes on."""
    enforcer = enforcer_of(fs, full_disk / "s")
    before = settings(fs)
    (full_disk / "fill").write_bytes(b"x" * (48 << 10))
    many = {f"pods/p{number}": {"cpu.weight": "7"} for number in range(200)}
    with pytest.raises(HostError, match="No space left on device; no record was written"):
        enforcer.apply(plan_of(many))
    assert settings(fs) == before
    assert not (full_disk / "s" / "record.json.new").exists()
    (full_disk / "fill").unlink()
    enforcer.apply(plan_of(many))
    enforcer.delete()
    assert settings(fs) == before


NAMES = (
    "..",
    ".",
    "a/../b",
    "/etc",
    "a//b",
    "",
    "x" * 300,
    "a\0b",
    "cgroup.procs",
    "\u2024\u2024",
    "pod\u0430",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_tree(fs: CgroupFS, tmp_path: Path, name: str) -> None:
    """Dots, slashes, NUL, 300 characters, look-alikes: refused in words, nothing made, nothing left."""
    outside = CgroupFS(fs.root.parent)
    before = settings(outside)
    enforcer = enforcer_of(fs, tmp_path / "s")
    with pytest.raises(QosError):
        enforcer.apply(plan_of({name if name == "/etc" else f"pods/{name}": {"cpu.weight": "5"}}))
    assert settings(outside) == before


def test_a_record_that_was_tampered_with_cannot_lead_out(fs: CgroupFS, tmp_path: Path) -> None:
    """Paths of a record are resolved beneath the tree like any other."""
    enforcer = enforcer_of(fs, tmp_path / "s")
    enforcer.apply(plan_of(PODS))
    record = tmp_path / "s" / "record.json"
    record.write_text(record.read_text().replace('"pods/b"', '"../pods"'))
    with pytest.raises(CgroupError, match="no name of a cgroup"):
        enforcer.delete()


class _NoError(Exception):
    """Raised inside by the counter, and caught: only the meddling was wanted."""


class _Meddled(CountedTree):
    """A real tree in which somebody else acts just before one operation."""

    def __init__(self, fs: CgroupFS, counter: Counter, meddle: Callable[[], Exception]) -> None:
        super().__init__(fs, counter)
        self._meddle = meddle

    def __getattr__(self, name: str):
        counted = super().__getattr__(name)
        real = getattr(self._fs, name)

        def operation(*args, **options):
            if len(self._counter.names) == self._counter.at:
                self._meddle()
                return real(*args, **options)
            return counted(*args, **options)

        return operation


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_is_undone(fs: CgroupFS, tmp_path: Path) -> None:
    """An interrupt in the middle leaves the tree as it was, and no record."""
    before = settings(fs)
    counter = Counter(15)

    def interrupt() -> Exception:
        counter.at = -1
        raise KeyboardInterrupt

    enforcer: Enforcer = enforcer_of(_Meddled(fs, counter, interrupt), tmp_path / "s")
    with pytest.raises(KeyboardInterrupt):
        enforcer.apply(plan_of(PODS))
    assert settings(fs) == before
    assert not (tmp_path / "s" / "record.json").exists()

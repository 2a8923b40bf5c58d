"""The door to the cgroup files, on a real kernel: every refusal in words, nothing leaks."""

from __future__ import annotations

import errno
import os
import resource
import time
from pathlib import Path

import pytest

from enforcer.beneath import open_by_walking, openat2
from enforcer.cgroupfs import CgroupFS
from enforcer.controllers import disable, enable
from enforcer.kept import KeptFiles
from qos.errors import CgroupError


class TestCgroups:
    def test_create_and_remove_say_what_they_did(self, fs):
        """Creating twice and removing twice is harmless, and told apart."""
        assert fs.create("pod") is True
        assert fs.create("pod") is False
        assert fs.children() == ("pod",)
        assert fs.remove("pod") is True
        assert fs.remove("pod") is False

    def test_walk_gives_parents_before_children(self, make, fs):
        """A walk is an order in which cgroups can be made; reversed, one in which they can be removed."""
        make("a/b/c")
        make("a/d")
        assert list(fs.walk()) == ["", "a", "a/b", "a/b/c", "a/d"]

    def test_a_parent_must_exist(self, fs):
        """A cgroup is not made with its parents by the way."""
        with pytest.raises(CgroupError, match="the cgroup above it does not exist"):
            fs.create("none/pod")

    def test_a_name_of_a_file_is_refused(self, fs):
        """A pod called as a cgroup file is an error, not an existing cgroup."""
        with pytest.raises(CgroupError, match="a file of the cgroup above has this name"):
            fs.create("cgroup.procs")

    def test_depth_limit_is_explained(self, make, fs):
        """The kernel's EAGAIN at cgroup.max.depth comes with the file's name."""
        make("a", {"cgroup.max.depth": "0"})
        with pytest.raises(CgroupError, match=r"cgroup\.max\.depth"):
            fs.create("a/b")

    def test_a_recreated_cgroup_has_another_identity(self, fs):
        """Removed and made again under the same name is told from never touched."""
        fs.create("pod")
        first = fs.identity("pod")
        assert fs.identity("pod") == first
        fs.remove("pod")
        fs.create("pod")
        assert fs.identity("pod") != first


class TestValues:
    @pytest.mark.parametrize(
        ("file", "value", "back"),
        [
            ("cpu.weight", "39", "39\n"),
            ("cpu.max", "50000 100000", "50000 100000\n"),
            ("memory.max", "67108864", "67108864\n"),
            ("memory.high", "max", "max\n"),
            ("pids.max", "17", "17\n"),
            ("cgroup.max.depth", "3", "3\n"),
        ],
    )
    def test_what_is_written_reads_back(self, make, fs, file, value, back):
        """Reading gives the kernel's own text of what was written."""
        make("pod", {file: value})
        assert fs.read("pod", file) == back

    def test_a_value_the_kernel_does_not_take(self, make):
        """EINVAL and ERANGE name the file and the value."""
        with pytest.raises(CgroupError, match=r"cpu\.weight: write 'heavy': the kernel does not take this"):
            make("pod", {"cpu.weight": "heavy"})
        with pytest.raises(CgroupError, match=r"cpu\.weight: write '20000': the value is out of the range"):
            make("pod", {"cpu.weight": "20000"})

    def test_a_controller_that_is_off(self, fs):
        """A missing file is traced to its controller."""
        fs.create("a")
        fs.create("a/b")
        with pytest.raises(CgroupError, match="the memory controller is off here"):
            fs.write("a/b", "memory.max", "1")

    def test_a_cgroup_that_is_not_there(self, fs):
        """A missing cgroup is told from a missing file."""
        with pytest.raises(CgroupError, match="no such cgroup") as caught:
            fs.read("gone", "cpu.stat")
        assert caught.value.errno == errno.ENOENT
        assert fs.read_or_none("gone", "cpu.stat") is None

    def test_a_file_this_kernel_lacks(self, make, fs):
        """An unknown file of a controller that is on is the kernel's age, and said so."""
        make("pod", {"pids.max": "max"})
        with pytest.raises(CgroupError, match="this kernel has no such file"):
            fs.read("pod", "pids.wish")

    def test_no_internal_processes(self, make, fs, start):
        """Both faces of the no-internal-process rule are explained."""
        make("a/b", {"pids.max": "max"})
        with pytest.raises(CgroupError, match="cannot hold processes itself"):
            fs.write("a", "cgroup.procs", str(start("a/b", _sleep).pid))
        make("c/d")
        start("c", _sleep)
        with pytest.raises(CgroupError, match="move its processes to a leaf first"):
            enable(fs, "c/d", {"memory"})

    def test_a_busy_cgroup_is_not_removed(self, make, fs, start):
        """EBUSY says what holds the cgroup."""
        make("pod")
        start("pod", _sleep)
        with pytest.raises(CgroupError, match="still holds processes or child cgroups"):
            fs.remove("pod")

    def test_a_dead_process_cannot_move(self, make, fs, start):
        """ESRCH is said in words."""
        make("pod")
        child = start("pod", lambda: None)
        child.wait()
        with pytest.raises(CgroupError, match="no such process"):
            fs.write("pod", "cgroup.procs", str(child.pid))

    def test_keyed_values_are_written_line_by_line(self, make, fs, block_device):
        """io.max takes one device a write(2); a value of several lines is several writes."""
        make("pod", {"io.max": f"{block_device} rbps=1048576\n{block_device} wiops=50"})
        assert fs.read("pod", "io.max") == f"{block_device} rbps=1048576 wbps=max riops=max wiops=50\n"

    def test_a_device_that_is_not_there(self, make, needs):
        """ENODEV of io.max is a device, not a vanished cgroup."""
        needs("io")
        with pytest.raises(CgroupError, match="no such block device"):
            make("pod", {"io.max": "250:250 rbps=1048576"})


class TestControllers:
    def test_enable_then_disable_leaves_the_tree_as_it_was(self, make, fs):
        """What was switched on is told, and undone innermost first."""
        make("a/b/c")
        before = {cgroup: fs.read(cgroup, "cgroup.subtree_control") for cgroup in fs.walk()}
        changed = enable(fs, "a/b/c", {"cpu", "pids"})
        assert {"cpu", "pids"} <= fs.controllers("a/b/c")
        assert enable(fs, "a/b/c", {"cpu", "pids"}) == ()
        disable(fs, changed)
        assert {cgroup: fs.read(cgroup, "cgroup.subtree_control") for cgroup in fs.walk()} == before

    def test_a_controller_the_machine_lacks(self, make, fs):
        """A controller no cgroup above offers is refused with that reason."""
        make("a/b")
        with pytest.raises(CgroupError, match=r"the kernel does not take|does not offer"):
            enable(fs, "a/b", {"wishes"})


class TestBoundaries:
    @pytest.mark.parametrize("opener", [openat2, open_by_walking])
    def test_nothing_above_or_beside_the_root_is_reached(self, fs, opener):
        """Dot-dot, absolute paths and foreign mounts are refused by openat2 and by the walk alike."""
        fd = fs.open_directory("")
        mount = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            for path in ("..", "../cgroup.procs", "/sys/fs/cgroup/cgroup.procs"):
                with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
                    opener(fd, path, os.O_RDONLY)
            with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
                opener(mount, "proc/1/status", os.O_RDONLY)
            os.close(opener(fd, "cgroup.procs", os.O_RDONLY))
        finally:
            os.close(fd)
            os.close(mount)

    def test_other_file_systems_are_refused(self):
        """What is not cgroup2 is never taken for it."""
        for path in ("/", "/proc", "/run"):
            with pytest.raises(CgroupError, match="not a cgroup v2 file system"):
                CgroupFS(path)

    def test_the_root_may_be_any_cgroup(self, make, fs):
        """A door opened at a cgroup calls that cgroup its root."""
        make("a/b")
        with CgroupFS(fs.root / "a") as inner:
            assert inner.children() == ("b",)


class TestKeptFiles:
    def test_a_kept_file_shows_each_new_value(self, make, fs):
        """One descriptor, read again and again, is never stale."""
        make("pod", {"pids.max": "5"})
        with KeptFiles(fs) as kept:
            assert kept.read("pod", "pids.max") == b"5\n"
            fs.write("pod", "pids.max", "6")
            assert kept.read("pod", "pids.max") == b"6\n"
            assert len(kept) == 1

    def test_a_removed_cgroup_reads_as_none_and_a_new_one_anew(self, make, fs):
        """ENODEV drops the descriptor; the next cgroup of that name is another one."""
        make("pod", {"pids.max": "5"})
        with KeptFiles(fs) as kept:
            kept.read("pod", "pids.max")
            fs.remove("pod")
            assert kept.read("pod", "pids.max") is None
            assert len(kept) == 0
            make("pod", {"pids.max": "7"})
            assert kept.read("pod", "pids.max") == b"7\n"

    def test_too_few_descriptors_only_make_it_slower(self, make, fs):
        """Beyond the limit files are opened and closed each time, and read the same."""
        cgroups = [make(f"pod-{number}", {"pids.max": str(number + 1)}) for number in range(8)]
        with KeptFiles(fs, most_kept=3) as kept:
            for _ in range(2):
                read = [kept.read(cgroup, "pids.max") for cgroup in cgroups]
                assert read == [f"{number + 1}\n".encode() for number in range(8)]
            assert len(kept) == 3
            kept.forget(cgroups[:3])
            assert len(kept) == 0

    def test_the_budget_follows_the_process_limit(self, make, fs, start):
        """With RLIMIT_NOFILE below the reserve nothing is kept, and reading works."""
        root = fs.root

        def read_with_few() -> None:
            os.closerange(3, 4096)  # what the test runner holds open does not count
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
            with CgroupFS(root) as few, KeptFiles(few) as kept:
                assert kept.read("pod", "cgroup.procs") == f"{os.getpid()}\n".encode()
                assert len(kept) == 0

        make("pod")
        assert start("pod", read_with_few).wait() == 0

    def test_no_descriptor_leaks(self, make, fs):
        """After everything above the process has as many descriptors as before."""
        before = _open_descriptors()
        make("pod", {"pids.max": "5"})
        with KeptFiles(fs) as kept:
            kept.read("pod", "pids.max")
            kept.read("pod", "no.such")
        for wrong in ("none", "pod/none", "cgroup.procs"):
            assert not fs.exists(wrong)
        with pytest.raises(CgroupError):
            fs.write("pod", "pids.max", "many")
        assert _open_descriptors() == before


def _sleep() -> None:
    time.sleep(60)


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))

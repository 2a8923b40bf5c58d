"""Applying a plan to a real kernel and taking it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from applying import BOOT, enforcer_of, plan_of, settings

from enforcer.cgroupfs import CgroupFS
from qos.errors import ConflictError, HostError

PODS = {
    "kubepods": {"cpu.weight": "79", "memory.max": "1073741824"},
    "kubepods/burstable": {"cpu.weight": "50"},
    "kubepods/burstable/pod-a": {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "67108864"},
    "kubepods/burstable/pod-a/web": {"cpu.weight": "39", "memory.max": "67108863", "pids.max": "100"},
}


class TestFirstTime:
    def test_every_file_reads_back_as_planned(self, fs: CgroupFS, tmp_path: Path) -> None:
        """After apply the kernel says what the plan says, memory in whole pages."""
        applied = enforcer_of(fs, tmp_path / "s").apply(plan_of(PODS))
        assert set(applied.outcomes.values()) == {"created"}
        assert fs.read("kubepods/burstable/pod-a", "cpu.max") == "50000 100000\n"
        assert fs.read("kubepods/burstable/pod-a/web", "memory.max") == f"{67108864 - 4096}\n"
        assert fs.read("kubepods/burstable/pod-a/web", "pids.max") == "100\n"

    def test_twice_is_unchanged_and_writes_nothing(self, fs: CgroupFS, tmp_path: Path) -> None:
        """The second apply makes no call that changes the tree."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        again = enforcer.apply(plan_of(PODS))
        assert set(again.outcomes.values()) == {"unchanged"}
        assert again.writes == 0

    def test_delete_leaves_the_tree_as_it_was(self, fs: CgroupFS, tmp_path: Path) -> None:
        """Cgroups, values and controllers are back to the byte, and no record is left."""
        before = settings(fs)
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        enforcer.delete()
        assert settings(fs) == before
        assert not (tmp_path / "s" / "record.json").exists()


class TestSomebodyElses:
    def test_values_of_a_cgroup_that_was_there_come_back(self, fs: CgroupFS, tmp_path: Path) -> None:
        """What stood in an existing cgroup before is restored, also when qos wrote it twice."""
        fs.write("", "cgroup.subtree_control", "+cpu +memory +pids")
        fs.create("kubepods")
        fs.write("kubepods", "cpu.weight", "7")
        fs.write("kubepods", "memory.max", "2147483648")
        before = settings(fs)
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        enforcer.apply(plan_of(PODS | {"kubepods": {"cpu.weight": "80"}}))
        assert fs.read("kubepods", "memory.max") == "2147483648\n"
        enforcer.delete()
        assert settings(fs) == before

    def test_a_changed_value_is_a_conflict_that_says_whose_is_which(
        self, fs: CgroupFS, tmp_path: Path
    ) -> None:
        """Exit code 1, all three values named; force overwrites; nothing is written without it."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.write("kubepods", "cpu.weight", "5")
        with pytest.raises(
            ConflictError, match=r"qos wrote 79, somebody else made it 5, wanted is 79"
        ) as info:
            enforcer.apply(plan_of(PODS))
        assert info.value.exit_code == 1
        assert fs.read("kubepods", "cpu.weight") == "5\n"
        forced = enforcer.apply(plan_of(PODS), force_conflicts=True)
        assert forced.writes == 1
        assert fs.read("kubepods", "cpu.weight") == "79\n"

    def test_agreeing_with_the_plan_is_no_conflict(self, fs: CgroupFS, tmp_path: Path) -> None:
        """A value that somebody else set to what is now wanted is taken as it is."""
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of(PODS))
        fs.write("kubepods", "cpu.weight", "80")
        plan = plan_of(PODS | {"kubepods": {"cpu.weight": "80", "memory.max": "1073741824"}})
        assert enforcer.apply(plan).writes == 0

    def test_idle_gives_back_the_weight_it_destroyed(self, fs: CgroupFS, tmp_path: Path) -> None:
        """cpu.idle loses cpu.weight in the kernel; qos kept it."""
        fs.write("", "cgroup.subtree_control", "+cpu")
        fs.create("batch")
        fs.write("batch", "cpu.weight", "50")
        before = settings(fs)
        enforcer = enforcer_of(fs, tmp_path / "s")
        enforcer.apply(plan_of({"batch": {"cpu.idle": "1"}}))
        assert fs.read("batch", "cpu.idle") == "1\n"
        assert enforcer.apply(plan_of({"batch": {"cpu.idle": "1"}})).writes == 0
        enforcer.delete()
        assert settings(fs) == before


class TestRefusing:
    def test_a_missing_controller_is_named_before_anything_is_written(
        self, fs: CgroupFS, tmp_path: Path
    ) -> None:
        """A limit this kernel cannot keep stops the run; one that limits nothing is noted."""
        if "hugetlb" in fs.controllers():
            pytest.skip("this kernel has hugetlb")
        before = settings(fs)
        enforcer = enforcer_of(fs, tmp_path / "s")
        with pytest.raises(HostError, match=r"hugetlb controller is not offered"):
            enforcer.apply(plan_of({"a": {"hugetlb.2MB.max": "2097152"}}))
        assert settings(fs) == before
        applied = enforcer.apply(plan_of({"a": {"hugetlb.2MB.max": "0", "cpu.weight": "3"}}))
        assert any("hugetlb" in note for note in applied.notes)
        assert fs.read("a", "cpu.weight") == "3\n"

    def test_a_reboot_is_noticed(self, fs: CgroupFS, tmp_path: Path) -> None:
        """A record of another boot is of a tree that is gone: apply makes everything anew."""
        enforcer_of(fs, tmp_path / "s").apply(plan_of(PODS))
        for cgroup in reversed(PODS):
            fs.remove(cgroup)
        fs.write("", "cgroup.subtree_control", "-cpu -memory -pids -io")
        enforcer = enforcer_of(fs, tmp_path / "s", boot=BOOT[::-1])
        assert enforcer.record().is_empty
        assert set(enforcer.apply(plan_of(PODS)).outcomes.values()) == {"created"}
        enforcer.delete()
        assert list(fs.walk()) == [""]

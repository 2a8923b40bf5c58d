"""A whole plan through systemd: applied, kept through a daemon-reload, repaired, given back."""

from __future__ import annotations

import pytest
from applying import BOOT, plan_of, settings

from enforcer.apply import Enforcer
from enforcer.kernel import HostKernel
from enforcer.layout import Layout
from enforcer.state import StateStore
from enforcer.systemd import SystemdFS
from qos.model.cgroup import CgroupName

LAYOUT = Layout("systemd")
PLAN = {
    "kubepods": {"cpu.weight": "79", "memory.max": "268435456"},
    "kubepods/burstable": {"cpu.weight": "50", "memory.low": "1048576"},
    "kubepods/burstable/pod-a": {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "67108864"},
    "kubepods/burstable/pod-a/web": {
        "cpu.weight": "39",
        "cpu.max": "20000 100000",
        "memory.max": "33554432",
        "memory.swap.max": "0",
        "pids.max": "100",
        "memory.oom.group": "1",
    },
    "kubepods/besteffort": {"cpu.weight": "1"},
    "kubepods/besteffort/pod-b": {"cpu.weight": "1", "memory.max": "max"},
}
POD = "kubepods/burstable/pod-a"
A_PODS_GROUP = PLAN | {POD: {"memory.oom.group": "1", "memory.max": "67108864"}}


@pytest.fixture
def fs(bus):
    """The tree with systemd doing the writing."""
    with SystemdFS(bus) as tree:
        yield tree


@pytest.fixture
def enforcer(fs, tmp_path):
    """An enforcer whose cgroups are slices."""
    return Enforcer(
        fs,
        StateStore(tmp_path / "state"),
        boot_id=BOOT,
        spell=LAYOUT.path,
        root=str(fs.root),
        driver_resets=fs.resets,
    )


def test_every_value_is_still_ours_after_a_daemon_reload(fs, enforcer, bus):
    """Applied, read back, reloaded: the next apply finds nothing to write."""
    assert set(enforcer.apply(plan_of(PLAN)).outcomes.values()) == {"created"}
    for _ in range(2):
        for name, files in PLAN.items():
            for file, text in files.items():
                assert fs.read(LAYOUT.path(CgroupName(name)), file) == f"{text}\n"
        bus.reload()
    again = enforcer.apply(plan_of(PLAN))
    assert set(again.outcomes.values()) == {"unchanged"}
    assert again.writes == 0


def test_what_systemd_resets_of_a_slice_is_told_and_repaired_without_a_conflict(fs, enforcer, bus):
    """memory.oom.group of a pod's slice is no property: apply says so, the next one writes it again."""
    told = enforcer.apply(plan_of(A_PODS_GROUP)).notes
    pod = LAYOUT.path(CgroupName(POD))
    assert [note.partition(":")[0] for note in told] == [f"{pod}/memory.oom.group"]
    assert fs.read(pod, "memory.oom.group") == "1\n"
    bus.reload()
    assert fs.read(pod, "memory.oom.group") == "0\n"
    assert enforcer.apply(plan_of(A_PODS_GROUP)).writes == 1
    assert fs.read(pod, "memory.oom.group") == "1\n"


def test_a_watch_repairs_what_systemd_resets(fs, enforcer, bus):
    """The kernel of a watch writes it again by itself, and says so."""
    plan = plan_of(A_PODS_GROUP)
    pod = LAYOUT.path(CgroupName(POD))
    enforcer.apply(plan)
    with HostKernel(fs, enforcer, plan, spell=LAYOUT.path, repair_interval_seconds=0.2) as kernel:
        bus.reload()
        assert fs.read(pod, "memory.oom.group") == "0\n"
        kernel.advance(0.5)
        assert fs.read(pod, "memory.oom.group") == "1\n"
        assert any(
            event.cgroup == POD and event.reason.startswith("drift repaired") for event in kernel.events()
        )


def test_delete_leaves_no_slice_and_no_setting(fs, enforcer, bus):
    """The tree is as before, slice by slice and file by file."""
    before = {
        cgroup: files for cgroup, files in settings(fs).items() if not cgroup.startswith("system.slice")
    }
    enforcer.apply(plan_of(PLAN))
    bus.reload()
    enforcer.delete()
    after = {cgroup: files for cgroup, files in settings(fs).items() if not cgroup.startswith("system.slice")}
    assert after == before
    assert not bus.is_active("kubepods.slice")

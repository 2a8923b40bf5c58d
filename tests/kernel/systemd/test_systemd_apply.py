"""A whole plan through systemd: applied, kept through a daemon-reload, repaired, given back."""

from __future__ import annotations

import pytest
from applying import BOOT, plan_of, settings

from enforcer.apply import Enforcer
from enforcer.layout import Layout
from enforcer.state import StateStore
from enforcer.systemd import RESET_BY_SYSTEMD, SystemdFS
from enforcer.systemd_bus import SystemdBus
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
    },
    "kubepods/besteffort": {"cpu.weight": "1"},
    "kubepods/besteffort/pod-b": {"cpu.weight": "1", "memory.max": "max"},
}
WITH_OOM_GROUP = PLAN | {"kubepods/burstable/pod-a/web": {"memory.oom.group": "1", "memory.max": "33554432"}}


@pytest.fixture
def bus():
    """A connection to systemd."""
    with SystemdBus() as connection:
        yield connection
        connection.stop("kubepods.slice")


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
        driver_resets=RESET_BY_SYSTEMD,
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


def test_what_systemd_resets_is_repaired_without_a_conflict(fs, enforcer, bus):
    """memory.oom.group of a slice is no property: drift, which the next apply writes again."""
    enforcer.apply(plan_of(WITH_OOM_GROUP))
    web = LAYOUT.path(CgroupName("kubepods/burstable/pod-a/web"))
    assert fs.read(web, "memory.oom.group") == "1\n"
    bus.reload()
    assert fs.read(web, "memory.oom.group") == "0\n"
    assert enforcer.apply(plan_of(WITH_OOM_GROUP)).writes == 1
    assert fs.read(web, "memory.oom.group") == "1\n"


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

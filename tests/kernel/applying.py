"""What the tests of applying share: plans, an enforcer, and a tree's state to compare byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from enforcer.apply import Enforcer
from enforcer.cgroupfs import CgroupFS
from enforcer.state import StateFiles, StateStore
from enforcer.tree import Tree
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.plan import Plan

BOOT = "11111111-2222-3333-4444-555555555555"
MEASURED = (
    "cgroup.events", "cgroup.stat", "cgroup.procs", "cgroup.threads", "cpu.stat", "cpu.stat.local", "io.stat",
    "memory.current", "memory.peak", "memory.stat", "memory.numa_stat", "memory.events", "pids.current",
    "memory.events.local", "memory.swap.current", "memory.swap.peak", "memory.swap.events", "pids.peak",
    "memory.zswap.current", "pids.events", "pids.events.local", "cpuset.cpus.effective", "rdma.current",
    "cpuset.mems.effective", "misc.current", "misc.peak", "misc.events", "misc.events.local",
)  # fmt: skip
"""Files that tell what happens, not what is set."""


def plan_of(cgroups: Mapping[str, Mapping[str, str]]) -> Plan:
    """A plan from file texts."""
    return Plan.of({CgroupName(name): CgroupSpec.from_files(files) for name, files in cgroups.items()})


def settings(fs: CgroupFS) -> dict[str, dict[str, str]]:
    """Every cgroup of the tree and the text of every file that is a setting."""
    return {cgroup: dict(_settings_of(fs, cgroup)) for cgroup in fs.walk()}


def _settings_of(fs: CgroupFS, cgroup: str) -> dict[str, str]:
    found = {}
    for file in fs.files(cgroup):
        measured = file in MEASURED or file.endswith((".pressure", ".current", ".events", ".numa_stat"))
        if not measured and not file.endswith((".events.local", ".rsvd.current", ".reclaim", "cgroup.kill")):
            found[file] = fs.read(cgroup, file)
    return found


def enforcer_of(tree: Tree, state: Path, files: StateFiles | None = None, boot: str = BOOT) -> Enforcer:
    """An enforcer over a tree, its record in a directory of the test."""
    return Enforcer(tree, StateStore(state, files), boot_id=boot, root="test")

"""What each house policy changes, and that it changes nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qos.errors import InputError
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.model.node import Node
from qos.model.plan import Plan, diff
from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.policy import registry
from qos.policy.defaults import apply_defaults
from qos.policy.registry import POLICIES, find_policy, plan_node

PROFILE = Profile()
NODE = Node.model_validate(
    {
        "status": {"capacity": {"cpu": "64", "memory": "256Gi"}},
        "kubelet": {"systemReserved": {"cpu": "2"}, "kubeReserved": {"cpu": "2"}},
    }
)


def pod(name: str, **resources: Any) -> Pod:
    """A pod of one container ``c``."""
    container = {"name": "c", "resources": resources}
    return apply_defaults(
        Pod.model_validate({"metadata": {"name": name, "uid": name}, "spec": {"containers": [container]}})
    )


PODS = [
    pod("db", limits={"cpu": "2", "memory": "1Gi"}),
    pod("web", requests={"cpu": "500m", "memory": "512Mi"}, limits={"cpu": "1", "memory": "1Gi"}),
    pod("batch"),
]
DB, WEB, BATCH = "kubepods/poddb", "kubepods/burstable/podweb", "kubepods/besteffort/podbatch"


def changes(policy: str) -> dict[tuple[str, str], Any]:
    """(cgroup, knob) → new value, of all that differs from the kubelet's plan."""
    before = POLICIES["kubelet"].plan(PODS, NODE, PROFILE)
    after = POLICIES[policy].plan(PODS, NODE, PROFILE)
    assert dict(after.oom_score_adj) == dict(before.oom_score_adj)
    return {(str(change.cgroup), str(change.knob)): change.new for change in diff(before, after)}


def test_every_policy_is_described() -> None:
    """Each policy is registered under its own name and says in one line what it does."""
    for name, policy in POLICIES.items():
        assert policy.name == name
        assert policy.describe
        assert "\n" not in policy.describe


def test_no_cpu_limits() -> None:
    """Quotas become none, of pods and containers; BestEffort had none."""
    changed = changes("no-cpu-limits")
    assert {cgroup for cgroup, _ in changed} == {DB, f"{DB}/c", WEB, f"{WEB}/c"}
    assert {str(value) for value in changed.values()} == {"max 100000"}


def test_memory_qos_tiers() -> None:
    """Guaranteed memory.min, Burstable memory.low, memory.high before the limit, and the levels' sums."""
    changed = changes("memory-qos-tiers")
    half, gib = 1 << 29, 1 << 30
    assert changed[f"{DB}/c", "memory_min"] == changed[DB, "memory_min"] == gib
    assert changed[f"{WEB}/c", "memory_low"] == changed[WEB, "memory_low"] == half
    assert changed["kubepods", "memory_min"] == gib + half
    assert changed["kubepods/burstable", "memory_low"] == half
    assert half < changed[f"{WEB}/c", "memory_high"] < gib
    assert (f"{DB}/c", "memory_high") not in changed


def test_cpu_burst() -> None:
    """As much as the quota may be saved, wherever there is a quota."""
    assert changes("cpu-burst") == {
        (DB, "cpu_max_burst"): 200_000,
        (f"{DB}/c", "cpu_max_burst"): 200_000,
        (WEB, "cpu_max_burst"): 100_000,
        (f"{WEB}/c", "cpu_max_burst"): 100_000,
    }


def test_best_effort_idle() -> None:
    """The BestEffort level is idle, and its weight, which the kernel would refuse then, is left alone."""
    level = "kubepods/besteffort"
    assert changes("best-effort-idle") == {(level, "cpu_idle"): 1, (level, "cpu_weight"): None}


def test_memory_high_factor() -> None:
    """90 % of every limit of pods and containers, down to a page."""
    changed = changes("memory-high-factor")
    assert set(changed.values()) == {int((1 << 30) * 0.9) // 4096 * 4096}
    assert {cgroup for cgroup, _ in changed} == {DB, f"{DB}/c", WEB, f"{WEB}/c"}


def test_kubepods_below_system() -> None:
    """With 4 of 64 CPUs reserved, kubepods weighs 15 times system.slice: 60 CPUs to 4."""
    assert changes("kubepods-below-system") == {("kubepods", "cpu_weight"): 1500}


def test_kubepods_below_system_unreserved() -> None:
    """With nothing reserved kubepods weighs just less than system.slice."""
    bare = Node.model_validate({"status": {"capacity": {"cpu": "64", "memory": "1Gi"}}})
    plan = POLICIES["kubepods-below-system"].plan(PODS, bare, PROFILE)
    assert plan.cgroups[CgroupName("kubepods")].cpu_weight == 99


def test_io_weight_by_class() -> None:
    """Guaranteed pods stand beside the levels of the others, so those carry the weights."""
    assert changes("io-weight-by-class") == {
        (DB, "io_weight"): {"default": "1000"},
        ("kubepods/burstable", "io_weight"): {"default": "100"},
        ("kubepods/besteffort", "io_weight"): {"default": "10"},
    }


class Flat:
    """A policy as a user may write it: it only plans."""

    name = "flat"
    describe = "every container the same"

    def plan(self, pods: Sequence[Pod], node: Node, profile: Profile) -> Plan:  # noqa: ARG002 - the protocol
        """One cgroup a pod."""
        return Plan.of({CgroupName(f"flat/{pod.name}"): CgroupSpec(cpu_weight=100) for pod in pods})


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Put an installed package with one entry point of ours on the path."""
    package = directory / "theirs-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\n{line}\n")
    monkeypatch.syspath_prepend(directory)


class TestUsersPolicies:
    def test_entry_point(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A policy that another package offers is found by name, planned, and explained as its own."""
        install(tmp_path, monkeypatch, f"flat = {__name__}:Flat")
        assert registry.policy_names()[-1] == "flat"
        details = plan_node(find_policy("flat"), PODS, NODE, PROFILE)
        assert list(details.plan) == ["flat", "flat/batch", "flat/db", "flat/web"]
        assert details.formulas[CgroupName("flat/db")] == {"cpu.weight": "set by policy flat"}

    def test_entry_point_that_is_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An entry point without plan() is refused by name."""
        install(tmp_path, monkeypatch, "broken = builtins:dict")
        with pytest.raises(InputError, match=r"'broken'.*is no policy"):
            find_policy("broken")

    def test_unknown(self) -> None:
        """An unknown name is answered with those there are."""
        with pytest.raises(InputError, match="no such policy, got 'kublet'; expected one of kubelet, no-cpu"):
            find_policy("kublet")

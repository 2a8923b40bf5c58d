"""Golden tables of every kubelet and runtime, each row with the source it was read from.

The rows for 1.36 itself are the golden vectors; here stand the other versions and what tells them apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qos.errors import InputError
from qos.model.node import KubeletConfiguration, Node
from qos.model.pod import Pod
from qos.model.profile import KUBERNETES_VERSIONS, Profile
from qos.policy.defaults import apply_defaults
from qos.policy.features import DIFFERENCES, GATES, gate
from qos.policy.kubelet import KubeletPolicy
from qos.policy.versions import versions_page

V32, V33, V34, V35, V36, V37 = KUBERNETES_VERSIONS
HALF_GIB, GIB = 1 << 29, 1 << 30

# pkg/features/kube_features.go of 1.36.2 (kubelet.md, section 3), KEP-2570 for 1.37,
# skyhook-io/radar checks_137.go for what 1.37 locks
DEFAULTS: dict[str, str] = {  # 1.32 … 1.37: + on, - off, L locked on, . not there
    "MemoryQoS": "-----+",
    "NodeSwap": "++LLLL",
    "PodLevelResources": "--++++",
    "SidecarContainers": "+LLLLL",
    "InPlacePodVerticalScaling": "-++LLL",
    "InPlacePodVerticalScalingExclusiveCPUs": "------",
    "InPlacePodVerticalScalingExclusiveMemory": "..----",
    "InPlacePodVerticalScalingInitContainers": "....+L",
    "InPlacePodLevelResourcesVerticalScaling": "...-++",
    "PodLevelResourceManagers": "....--",
    "DisableCPUQuotaWithExclusiveCPUs": ".++++L",
    "CustomCPUCFSQuotaPeriod": "----+L",
    "KubeletPSI": ".-++LL",
    "QOSReserved": "------",
    "CPUManagerPolicyOptions": "+LLLLL",
    "CPUManagerPolicyAlphaOptions": "------",
    "CPUManagerPolicyBetaOptions": "++++++",
    "DRANodeAllocatableResources": "....--",
    "KubeletCgroupDriverFromCRI": "++++++",
}


def planned(
    profile: Profile, container: dict[str, Any], kubelet: dict[str, Any] | None = None, **spec: Any
) -> dict[str, dict[str, str]]:
    """Files of pod, container and levels of a pod with one container on 4 CPUs, 8 GiB and 2 GiB of swap."""
    node = Node.model_validate(
        {
            "status": {
                "capacity": {"cpu": "4", "memory": "8Gi"},
                "allocatable": {"cpu": "4", "memory": "8Gi"},
                "nodeInfo": {"swap": {"capacity": 2 * GIB}},
            },
            "kubelet": kubelet or {},
        }
    )
    pod = Pod.model_validate(
        {"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": [container], **spec}}
    )
    stored = apply_defaults(pod, gate(profile, node.kubelet, "PodLevelResources"))
    plan = KubeletPolicy().plan([stored], node, profile)
    names = {"podu": "pod", "c": "container", "kubepods": "kubepods", "burstable": "burstable"}
    return {
        names[last]: spec.files()
        for name, spec in plan.cgroups.items()
        if (last := name.split("/")[-1]) in names
    }


def container(requests: dict[str, str], limits: dict[str, str] | None = None) -> dict[str, Any]:
    """A container ``c``."""
    return {"name": "c", "resources": {"requests": requests, "limits": limits or {}}}


BURSTABLE = container({"cpu": "500m", "memory": "512Mi"}, {"cpu": "1", "memory": "1Gi"})
GUARANTEED = container({"cpu": "2", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"})
MEMORY_FILES = ("memory.min", "memory.low", "memory.high")


def memory(files: dict[str, str]) -> dict[str, str]:
    """The MemoryQoS files that are written."""
    return {file: files[file] for file in MEMORY_FILES if file in files}


class TestGates:
    def test_every_gate_is_here(self) -> None:
        """The table above and the program's have the same gates."""
        assert DEFAULTS.keys() == GATES.keys()

    @pytest.mark.parametrize("name", DEFAULTS)
    @pytest.mark.parametrize("version", KUBERNETES_VERSIONS, ids=str)
    def test_default(self, name: str, version: tuple[int, ...]) -> None:
        """Each gate has the default of its version, and a locked or unknown one cannot be set."""
        expected = DEFAULTS[name][KUBERNETES_VERSIONS.index(version)]
        profile = Profile(kubernetes=version)
        assert gate(profile, None, name) is (expected in "+L")
        opposite = {name: expected not in "+L"}
        settable = expected in "+-"
        assert gate(profile, KubeletConfiguration(feature_gates=opposite), name) is (
            opposite[name] if settable else expected == "L"
        )

    def test_kubelet_wins_over_profile(self) -> None:
        """KubeletConfiguration's setting wins over the profile's, and AllAlpha moves what is not set."""
        profile = Profile(feature_gates={"MemoryQoS": True})
        assert gate(profile, None, "MemoryQoS")
        assert not gate(profile, KubeletConfiguration(feature_gates={"MemoryQoS": False}), "MemoryQoS")
        assert gate(Profile(feature_gates={"AllAlpha": True}), None, "QOSReserved")
        assert not gate(Profile(feature_gates={"AllBeta": False}), None, "PodLevelResources")

    def test_unknown(self) -> None:
        """A gate that is in no table is refused with those that are."""
        with pytest.raises(InputError, match=r"no such feature gate.*MemoryQoS"):
            gate(Profile(), None, "MemoryQos")

    def test_every_row_has_a_source(self) -> None:
        """Every gate and difference says where it was read."""
        assert all(row.source and row.what for row in (*GATES.values(), *DIFFERENCES.values()))

    def test_page(self, repository: Path) -> None:
        """docs/kubelet-versions.md is what the tables make of it."""
        page = (repository / "docs" / "kubelet-versions.md").read_text()
        assert page == versions_page(), "run: python -m qos.policy.versions > docs/kubelet-versions.md"


ON = {"featureGates": {"MemoryQoS": True}}
TIERS = {"featureGates": {"MemoryQoS": True}, "memoryReservationPolicy": "TieredReservation"}
HIGH = str((HALF_GIB + int((GIB - HALF_GIB) * 0.9)) // 4096 * 4096)


class TestMemoryQoS:
    """KEP-2570: alpha of 1.27 until 1.35, tiers since 1.36, beta in 1.37 (kubernetes.io/blog/2026/09/14)."""

    @pytest.mark.parametrize("version", [V32, V33, V34, V35, V36], ids=str)
    def test_off_by_default(self, version: tuple[int, ...]) -> None:
        """Until 1.36 nothing is written unless the gate is turned on."""
        assert not any(map(memory, planned(Profile(kubernetes=version), BURSTABLE).values()))

    @pytest.mark.parametrize("version", [V32, V33, V34, V35], ids=str)
    def test_min_for_every_class(self, version: tuple[int, ...]) -> None:
        """Before 1.36 the request is memory.min at every level, whatever the class, and high by 0.9."""
        files = planned(Profile(kubernetes=version), BURSTABLE, ON)
        assert memory(files["container"]) == {"memory.min": str(HALF_GIB), "memory.high": HIGH}
        assert memory(files["pod"]) == {"memory.min": str(HALF_GIB)}
        assert memory(files["burstable"]) == memory(files["kubepods"]) == {"memory.min": str(HALF_GIB)}

    def test_tiers(self) -> None:
        """With TieredReservation in 1.36: Burstable memory.low, Guaranteed memory.min, kubepods the sum."""
        files = planned(Profile(kubernetes=V36), BURSTABLE, TIERS)
        assert memory(files["container"]) == {"memory.low": str(HALF_GIB), "memory.high": HIGH}
        assert memory(files["burstable"]) == {"memory.low": str(HALF_GIB)}
        assert memory(files["kubepods"]) == {"memory.min": str(HALF_GIB)}
        files = planned(Profile(kubernetes=V36), GUARANTEED, TIERS)
        assert memory(files["container"]) == memory(files["pod"]) == {"memory.min": str(GIB)}

    def test_policy_none(self) -> None:
        """With policy None in 1.36 both protections are written as 0, and memory.high is still set."""
        files = planned(Profile(kubernetes=V36), BURSTABLE, ON)
        assert memory(files["container"]) == {"memory.min": "0", "memory.low": "0", "memory.high": HIGH}

    def test_no_factor_in_1_37(self) -> None:
        """1.37 turns the gate on without a factor: no memory.high, and no protection above 0."""
        files = planned(Profile(kubernetes=V37), BURSTABLE)
        assert memory(files["container"]) == {"memory.min": "0", "memory.low": "0"}
        assert memory(files["pod"]) == {}

    def test_factor_in_1_37(self) -> None:
        """A factor that is set goes on as before, and also throttles a container with neither."""
        factor = {"memoryThrottlingFactor": 0.9}
        assert planned(Profile(kubernetes=V37), BURSTABLE, factor)["container"]["memory.high"] == HIGH
        bare = planned(Profile(kubernetes=V37), container({"cpu": "1"}), factor)["container"]
        assert bare["memory.high"] == str(int(8 * GIB * 0.9) // 4096 * 4096)
        older = planned(Profile(kubernetes=V36), container({"cpu": "1"}), factor | ON)["container"]
        assert "memory.high" not in older


class TestWeights:
    """opencontainers/runc#4896 (runc 1.3.2), containers/crun#1767 (crun 1.23); 1 CPU is 39 or 100."""

    @pytest.mark.parametrize(
        ("runtime", "version", "weight"),
        [("runc", (1, 3, 1), "39"), ("runc", (1, 3, 2), "100"), ("runc", (1, 4), "100"),
         ("crun", (1, 22), "39"), ("crun", (1, 22, 9), "39"), ("crun", (1, 23), "100")],
    )  # fmt: skip
    def test_container(self, runtime: Any, version: tuple[int, ...], weight: str) -> None:
        """Containers have the runtime's formula, pods always the kubelet's linear one."""
        one = container({"cpu": "1"})
        files = planned(Profile(runtime=runtime, runtime_version=version), one)
        assert (files["container"]["cpu.weight"], files["pod"]["cpu.weight"]) == (weight, "39")


class TestPodLevelResources:
    """KEP-2837: alpha off in 1.32 and 1.33, beta on since 1.34."""

    @pytest.mark.parametrize(
        ("version", "quota"),
        [(V32, None), (V33, None), (V34, "100000 100000"), (V37, "100000 100000")],
        ids=str,
    )
    def test_pod_limit(self, version: tuple[int, ...], quota: str | None) -> None:
        """A pod-level CPU limit binds the pod, and containers without one, only with the gate on."""
        files = planned(
            Profile(kubernetes=version), {"name": "c"}, resources={"limits": {"cpu": "1", "memory": "1Gi"}}
        )
        assert files["pod"].get("cpu.max") == quota
        assert files["container"]["cpu.max"] == (quota or "max 100000")


class TestExclusiveCPUs:
    """kubernetes/kubernetes#127525: no quota with exclusive CPUs since 1.33; locked in 1.37."""

    @pytest.mark.parametrize(
        ("version", "quota"), [(V32, "200000 100000"), (V33, "max 100000"), (V37, "max 100000")], ids=str
    )
    def test_quota(self, version: tuple[int, ...], quota: str) -> None:
        """Two exclusive CPUs had a quota of two until 1.32, and none since."""
        files = planned(Profile(kubernetes=version), GUARANTEED, {"cpuManagerPolicy": "static"})
        assert files["container"]["cpu.max"] == files["pod"]["cpu.max"] == quota

    def test_gate_off(self) -> None:
        """With the gate off the quota stays, except in 1.37, where it cannot be turned off."""
        static = {"cpuManagerPolicy": "static", "featureGates": {"DisableCPUQuotaWithExclusiveCPUs": False}}
        assert planned(Profile(kubernetes=V36), GUARANTEED, static)["pod"]["cpu.max"] == "200000 100000"
        assert planned(Profile(kubernetes=V37), GUARANTEED, static)["pod"]["cpu.max"] == "max 100000"


class TestSwap:
    """KEP-2400: beta and on since 1.30, locked on since 1.34."""

    @pytest.mark.parametrize("version", KUBERNETES_VERSIONS, ids=str)
    def test_limited(self, version: tuple[int, ...]) -> None:
        """A Burstable container gets its request's share of the swap: 512 MiB of 8 GiB is a 16th of 2 GiB."""
        swap = {"memorySwap": {"swapBehavior": "LimitedSwap"}}
        assert planned(Profile(kubernetes=version), BURSTABLE, swap)["container"]["memory.swap.max"] == str(
            2 * GIB // 16
        )
        assert planned(Profile(kubernetes=version), BURSTABLE)["container"]["memory.swap.max"] == "0"

    def test_gate(self) -> None:
        """The gate could be turned off until 1.33."""
        off = {"memorySwap": {"swapBehavior": "LimitedSwap"}, "featureGates": {"NodeSwap": False}}
        assert planned(Profile(kubernetes=V33), BURSTABLE, off)["container"]["memory.swap.max"] == "0"
        assert planned(Profile(kubernetes=V34), BURSTABLE, off)["container"]["memory.swap.max"] != "0"


class TestSystemdRounding:
    """opencontainers/cgroups#4 (v0.0.2), containerd/containerd#12496: 333m is 33300 or 34000."""

    third = container({"cpu": "333m"}, {"cpu": "333m"})

    @pytest.mark.parametrize(
        ("version", "runc", "driver", "pod", "inner"),
        [(V36, (1, 3, 2), "cgroupfs", "33300", "33300"), (V36, (1, 3, 2), "systemd", "34000", "34000"),
         (V34, (1, 3, 2), "systemd", "33300", "34000"), (V34, (1, 3, 1), "systemd", "33300", "33300")],
    )  # fmt: skip
    def test_quota(self, version: Any, runc: Any, driver: Any, pod: str, inner: str) -> None:
        """Kubelet and runc round each for their own cgroups, from their own versions on."""
        profile = Profile(kubernetes=version, runtime_version=runc, cgroup_driver=driver)
        files = planned(profile, self.third)
        assert (files["pod"]["cpu.max"], files["container"]["cpu.max"]) == (
            f"{pod} 100000",
            f"{inner} 100000",
        )


class TestOOMGroup:
    """kubernetes/kubernetes#117793 (1.28) and #126096 (singleProcessOOMKill, 1.32)."""

    @pytest.mark.parametrize(("setting", "group"), [(None, "1"), (False, "1"), (True, None)])
    def test_setting(self, setting: bool | None, group: str | None) -> None:
        """memory.oom.group is 1 unless singleProcessOOMKill is true."""
        files = planned(Profile(kubernetes=V32), BURSTABLE, {"singleProcessOOMKill": setting})
        assert files["container"].get("memory.oom.group") == group


def test_ungated_differences() -> None:
    """KEP-5573: cgroup v1 is refused since 1.35; KEP-2570: no factor in 1.37."""
    refused = [DIFFERENCES["failCgroupV1"].at(version) for version in KUBERNETES_VERSIONS]
    assert refused == [False, False, False, True, True, True]
    factors = [DIFFERENCES["memoryThrottlingFactor"].at(version) for version in KUBERNETES_VERSIONS]
    assert factors == [0.9, 0.9, 0.9, 0.9, 0.9, None]

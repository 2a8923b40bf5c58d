"""What differs between kubelets and runtimes by version: feature gates and defaults, as data.

Every row names its source. ``docs/kubelet-versions.md`` is made from these tables
(``python -m qos.policy.versions_page``), and golden tests hold them still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from qos.errors import InputError
from qos.model.node import KubeletConfiguration
from qos.model.profile import Profile, Version

StageName = Literal["alpha", "beta", "ga", "deprecated"]
_ON, _OFF = True, False
_GROUPS: Final = {"alpha": "AllAlpha", "beta": "AllBeta"}


@dataclass(frozen=True, slots=True)
class Stage:
    """From version ``since`` on a gate is in this stage, with this default; ``locked`` cannot be set."""

    since: Version
    stage: StageName
    default: bool
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Gate:
    """A feature gate of Kubernetes and what it means for resources."""

    name: str
    stages: tuple[Stage, ...]
    what: str
    source: str

    def at(self, version: Version) -> Stage | None:
        """The stage in one version; None before its first."""
        return next((stage for stage in reversed(self.stages) if stage.since <= version), None)


@dataclass(frozen=True, slots=True)
class Difference:
    """A default or behaviour without a gate: its value from each version on."""

    key: str
    values: tuple[tuple[Version, Any], ...]
    what: str
    source: str

    def at(self, version: Version) -> Any:
        """The value in one version; the first one for versions before it."""
        return next((value for since, value in reversed(self.values) if since <= version), self.values[0][1])


_FEATURES_FILE: Final = "pkg/features/kube_features.go (v1.36.2)"
_LOCKED_137: Final = "; locked or removed in 1.37: skyhook-io/radar checks_137.go"

# fmt: off
GATES: Final[Mapping[str, Gate]] = {gate.name: gate for gate in (
    Gate("MemoryQoS", (Stage((1, 22), "alpha", _OFF), Stage((1, 37), "beta", _ON)),
         "memory.min, memory.low and memory.high from requests and limits", "KEP-2570; kubernetes.io/blog/2026/09/14"),
    Gate("NodeSwap", (Stage((1, 22), "alpha", _OFF), Stage((1, 28), "beta", _OFF), Stage((1, 30), "beta", _ON), Stage((1, 34), "ga", _ON, locked=True)),
         "swap for Burstable pods under LimitedSwap", "KEP-2400; " + _FEATURES_FILE),
    Gate("PodLevelResources", (Stage((1, 32), "alpha", _OFF), Stage((1, 34), "beta", _ON)),
         "spec.resources of a pod decides its class and its pod cgroup", "KEP-2837; " + _FEATURES_FILE),
    Gate("SidecarContainers", (Stage((1, 28), "alpha", _OFF), Stage((1, 29), "beta", _ON), Stage((1, 33), "ga", _ON, locked=True)),
         "an init container with restartPolicy Always runs beside the others", "KEP-753; " + _FEATURES_FILE + _LOCKED_137),
    Gate("InPlacePodVerticalScaling", (Stage((1, 27), "alpha", _OFF), Stage((1, 33), "beta", _ON), Stage((1, 35), "ga", _ON, locked=True)),
         "cpu and memory of a running container can be changed", "KEP-1287; " + _FEATURES_FILE),
    Gate("InPlacePodVerticalScalingExclusiveCPUs", (Stage((1, 32), "alpha", _OFF),),
         "also with exclusive CPUs", "KEP-1287; " + _FEATURES_FILE),
    Gate("InPlacePodVerticalScalingExclusiveMemory", (Stage((1, 34), "alpha", _OFF),),
         "also with memory of the static memory manager", "KEP-1287; " + _FEATURES_FILE),
    Gate("InPlacePodVerticalScalingInitContainers", (Stage((1, 36), "beta", _ON), Stage((1, 37), "ga", _ON, locked=True)),
         "also of init containers", "KEP-1287; " + _FEATURES_FILE + _LOCKED_137),
    Gate("InPlacePodLevelResourcesVerticalScaling", (Stage((1, 35), "alpha", _OFF), Stage((1, 36), "beta", _ON)),
         "spec.resources of a running pod can be changed", "KEP-5419; " + _FEATURES_FILE),
    Gate("PodLevelResourceManagers", (Stage((1, 36), "alpha", _OFF), Stage((1, 37), "beta", _OFF)),
         "CPU, memory and topology managers look at spec.resources", "KEP-5526; kubernetes.io/docs/reference/node/pod-level-resource-managers"),
    Gate("DisableCPUQuotaWithExclusiveCPUs", (Stage((1, 33), "beta", _ON), Stage((1, 36), "deprecated", _ON), Stage((1, 37), "deprecated", _ON, locked=True)),
         "no CPU quota where the static CPU manager gave exclusive CPUs", "kubernetes/kubernetes#127525; " + _FEATURES_FILE + _LOCKED_137),
    Gate("CustomCPUCFSQuotaPeriod", (Stage((1, 12), "alpha", _OFF), Stage((1, 36), "ga", _ON), Stage((1, 37), "ga", _ON, locked=True)),
         "cpuCFSQuotaPeriod other than 100ms", _FEATURES_FILE),
    Gate("KubeletPSI", (Stage((1, 33), "alpha", _OFF), Stage((1, 34), "beta", _ON), Stage((1, 36), "ga", _ON, locked=True)),
         "pressure (PSI) in the summary API and metrics", "KEP-4205; " + _FEATURES_FILE),
    Gate("QOSReserved", (Stage((1, 11), "alpha", _OFF),),
         "memory.max of burstable and besteffort leaves room for the classes above", _FEATURES_FILE),
    Gate("CPUManagerPolicyOptions", (Stage((1, 22), "alpha", _OFF), Stage((1, 23), "beta", _ON), Stage((1, 33), "ga", _ON, locked=True)),
         "options of the static CPU manager", _FEATURES_FILE),
    Gate("CPUManagerPolicyAlphaOptions", (Stage((1, 23), "alpha", _OFF),), "its alpha options", _FEATURES_FILE),
    Gate("CPUManagerPolicyBetaOptions", (Stage((1, 23), "beta", _ON),), "its beta options", _FEATURES_FILE),
    Gate("DRANodeAllocatableResources", (Stage((1, 36), "alpha", _OFF),), "node resources handed out by DRA", _FEATURES_FILE),
    Gate("KubeletCgroupDriverFromCRI", (Stage((1, 28), "alpha", _OFF), Stage((1, 31), "beta", _ON), Stage((1, 34), "ga", _ON)),
         "the kubelet asks the runtime for the cgroup driver", "KEP-4033; " + _FEATURES_FILE),
)}

DIFFERENCES: Final[Mapping[str, Difference]] = {difference.key: difference for difference in (
    Difference("memoryQoS.reservation", (((1, 22), "memory.min for every class"), ((1, 36), "by memoryReservationPolicy: memory.min for Guaranteed, memory.low for others")),
               "what MemoryQoS writes for a memory request", "KEP-2570 alpha v1.36; kubernetes.io/blog/2026/04/29"),
    Difference("memoryThrottlingFactor", (((1, 27), 0.9), ((1, 37), None)),
               "default of the factor in memory.high; None: no memory.high", "KEP-2570 beta v1.37; kubernetes.io/blog/2026/09/14"),
    Difference("memoryReservationPolicy.None", (((1, 22), "no such policy"), ((1, 36), "memory.min and memory.low are written as 0, the kernel's default")),
               "MemoryQoS on with policy None", "kuberuntime_container_linux.go of 1.36.2; the blog of 1.37 calls it not written"),
    Difference("memoryHigh.withoutRequestAndLimit", (((1, 22), False), ((1, 37), True)),
               "whether a container with neither memory request nor limit has a memory.high", "kuberuntime_container_linux.go after 1.36; kubernetes.io/blog/2026/09/14"),
    Difference("failCgroupV1", (((1, 31), False), ((1, 35), True)),
               "whether the kubelet refuses to start on cgroup v1", "KEP-4569; KEP-5573, kubernetes/kubernetes#134298"),
    Difference("singleProcessOOMKill", (((1, 28), "memory.oom.group is always 1"), ((1, 32), "by KubeletConfiguration, default false (1)")),
               "whether an OOM kill takes the whole container", "kubernetes/kubernetes#117793 (1.28), #126096 (1.32)"),
    Difference("resizeAggregation", (((1, 32), "per container maximum"), ((1, 37), "maximum of whole-pod sums")),
               "how requests count while a resize is under way", "component-helpers 2026-07-24"),
)}

SYSTEMD_ROUNDS_SINCE: Final[Mapping[str, tuple[Version, str]]] = {
    "kubelet": ((1, 36), "opencontainers/cgroups v0.0.6 in 1.36.2; v0.0.1 in 1.34 (containerd/containerd#12496); 1.35 not checked"),
    "runc": ((1, 3, 2), "opencontainers/cgroups v0.0.4; containerd/containerd#12496"),
}
RUNTIME_QUADRATIC_SINCE: Final[Mapping[str, tuple[Version, str]]] = {
    "runc": ((1, 3, 2), "opencontainers/runc#4896; opencontainers/cgroups v0.0.3"),
    "crun": ((1, 23), "containers/crun#1767"),
}
# fmt: on


def gate(profile: Profile, kubelet: KubeletConfiguration | None, name: str) -> bool:
    """Whether a feature gate is on: set by the KubeletConfiguration, else by the profile, else by default.

    A locked gate keeps its default; ``AllAlpha`` and ``AllBeta`` move gates that are not set.

    Raises:
        InputError: no such gate in these tables.
    """
    known = GATES.get(name)
    if known is None:
        raise InputError("no such feature gate", field="featureGates", value=name, expected=", ".join(GATES))
    stage = known.at(profile.kubernetes)
    if stage is None:
        return False
    if stage.locked:
        return stage.default
    for settings in (kubelet.feature_gates if kubelet else {}, profile.feature_gates):
        if name in settings:
            return settings[name]
        group = _GROUPS.get(stage.stage, "")
        if group in settings:
            return settings[group]
    return stage.default


def difference(profile: Profile, key: str) -> Any:
    """The value of an ungated difference in the profile's Kubernetes version."""
    return DIFFERENCES[key].at(profile.kubernetes)


def systemd_rounds(profile: Profile) -> tuple[bool, bool]:
    """Whether quotas are written rounded up to 10 ms per second: in pods (kubelet), in containers (runc)."""
    if profile.cgroup_driver != "systemd":
        return False, False
    pods = profile.kubernetes >= SYSTEMD_ROUNDS_SINCE["kubelet"][0]
    return pods, profile.runtime == "runc" and profile.runtime_version >= SYSTEMD_ROUNDS_SINCE["runc"][0]


def quadratic_weight(profile: Profile) -> bool:
    """Whether the runtime turns shares into weights by the quadratic formula."""
    return profile.runtime_version >= RUNTIME_QUADRATIC_SINCE[profile.runtime][0]

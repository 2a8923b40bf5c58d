"""What the kubelet knows of its node, worked out once for a plan: capacity, settings, gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qos.model.node import KubeletConfiguration, Node
from qos.model.pod import HUGEPAGES_PREFIX, MEMORY
from qos.model.profile import Profile
from qos.model.quantity import Quantity
from qos.policy.allocatable import node_allocatable
from qos.policy.features import difference, gate, quadratic_weight, systemd_rounds

PAGE_BYTES: Final = 4096
_MEBIBYTE, _GIBIBYTE = 1 << 20, 1 << 30
_ARCHITECTURE_HUGEPAGES: Final = {
    "amd64": (2 * _MEBIBYTE, _GIBIBYTE),
    "arm64": (64 << 10, 2 * _MEBIBYTE, 32 * _MEBIBYTE, _GIBIBYTE),
    "s390x": (_MEBIBYTE,),
    "ppc64le": (2 * _MEBIBYTE, _GIBIBYTE),
}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The inputs of every formula that come from the node, its kubelet and the profile.

    Attributes:
        memory_capacity_bytes: what the machine has; denominator of oom_score_adj and swap.
        swap_capacity_bytes: swap of the machine.
        allocatable_memory_bytes: ceiling of memory.high where a container has no limit.
        hugepage_sizes: page sizes of the machine in bytes, ascending.
        cpu_cfs_quota: whether CPU limits are enforced.
        cpu_cfs_quota_period_usec: the period of every quota.
        static_cpu_manager: whether integral CPUs of Guaranteed pods are exclusive.
        memory_throttling_factor: None means no memory.high.
        tiered_reservation: memoryReservationPolicy TieredReservation.
        single_process_oom_kill: an OOM kill takes one process, not the container.
        pod_pids_limit: pids.max of a pod; None where unlimited.
        limited_swap: memorySwap.swapBehavior LimitedSwap.
        swap_controller: the kernel has memory.swap.max.
        memory_qos, pod_level_resources, no_quota_with_exclusive_cpus, qos_reserved: feature gates.
        memory_min_for_all: MemoryQoS as before 1.36, without tiers.
        memory_high_for_all: also a container with neither memory request nor limit has a memory.high.
        quadratic_weight: the runtime's conversion of shares.
        systemd_rounds_pods, systemd_rounds_containers: quotas are written rounded up to 10 ms per second.
        qos_reserved_memory_percent: memory reserved for the classes above; None where not set.
    """

    memory_capacity_bytes: int
    swap_capacity_bytes: int
    allocatable_memory_bytes: int
    hugepage_sizes: tuple[int, ...] = _ARCHITECTURE_HUGEPAGES["amd64"]
    cpu_cfs_quota: bool = True
    cpu_cfs_quota_period_usec: int = 100_000
    static_cpu_manager: bool = False
    memory_throttling_factor: float | None = 0.9
    tiered_reservation: bool = False
    single_process_oom_kill: bool = False
    pod_pids_limit: int | None = None
    limited_swap: bool = False
    swap_controller: bool = True
    memory_qos: bool = False
    pod_level_resources: bool = True
    no_quota_with_exclusive_cpus: bool = True
    qos_reserved: bool = False
    memory_min_for_all: bool = False
    memory_high_for_all: bool = False
    quadratic_weight: bool = True
    systemd_rounds_pods: bool = False
    systemd_rounds_containers: bool = False
    qos_reserved_memory_percent: int | None = None


def node_facts(node: Node, profile: Profile) -> NodeFacts:
    """The facts of one node under one profile.

    A node whose capacity names no huge pages is taken to have the sizes of its architecture, as the
    kubelet would report them with a capacity of 0.
    """
    kubelet = node.kubelet
    factor = kubelet.memory_throttling_factor
    rounds_pods, rounds_containers = systemd_rounds(profile)
    return NodeFacts(
        memory_capacity_bytes=node.status.capacity.get(MEMORY, Quantity.zero()).value(),
        swap_capacity_bytes=node.swap_capacity_bytes,
        allocatable_memory_bytes=node_allocatable(node).get(MEMORY, Quantity.zero()).value(),
        hugepage_sizes=hugepage_sizes(node),
        cpu_cfs_quota=kubelet.cpu_cfs_quota,
        cpu_cfs_quota_period_usec=round(kubelet.cpu_cfs_quota_period * 1_000_000),
        static_cpu_manager=kubelet.cpu_manager_policy == "static",
        memory_throttling_factor=difference(profile, "memoryThrottlingFactor") if factor is None else factor,
        tiered_reservation=kubelet.memory_reservation_policy == "TieredReservation",
        single_process_oom_kill=bool(kubelet.single_process_oom_kill) and profile.kubernetes >= (1, 32),
        pod_pids_limit=kubelet.pod_pids_limit if kubelet.pod_pids_limit > 0 else None,
        limited_swap=kubelet.memory_swap.swap_behavior == "LimitedSwap"
        and gate(profile, kubelet, "NodeSwap"),
        memory_qos=gate(profile, kubelet, "MemoryQoS"),
        pod_level_resources=gate(profile, kubelet, "PodLevelResources"),
        no_quota_with_exclusive_cpus=gate(profile, kubelet, "DisableCPUQuotaWithExclusiveCPUs"),
        qos_reserved=gate(profile, kubelet, "QOSReserved"),
        memory_min_for_all=profile.kubernetes < (1, 36),
        memory_high_for_all=difference(profile, "memoryHigh.withoutRequestAndLimit"),
        quadratic_weight=quadratic_weight(profile),
        systemd_rounds_pods=rounds_pods,
        systemd_rounds_containers=rounds_containers,
        qos_reserved_memory_percent=_memory_percent(kubelet),
    )


def hugepage_sizes(node: Node) -> tuple[int, ...]:
    """The machine's huge page sizes in bytes, ascending."""
    sizes = set()
    for name in node.status.capacity:
        if name.startswith(HUGEPAGES_PREFIX):
            sizes.add(Quantity.parse(name.removeprefix(HUGEPAGES_PREFIX)).value())
    if sizes:
        return tuple(sorted(sizes))
    architecture = node.status.node_info.architecture or node.metadata.labels.get("kubernetes.io/arch", "")
    return _ARCHITECTURE_HUGEPAGES.get(architecture, _ARCHITECTURE_HUGEPAGES["amd64"])


def _memory_percent(kubelet: KubeletConfiguration) -> int | None:
    text = kubelet.qos_reserved.get(MEMORY, "").removesuffix("%")
    return int(text) if text.isdecimal() else None

"""Node and KubeletConfiguration: what a machine has and how its kubelet is set up.

Source: k8s.io/api/core/v1 and kubelet.config.k8s.io/v1beta1 of Kubernetes 1.36. Defaults are those of
pkg/kubelet/apis/config/v1beta1/defaults.go.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from qos.model.document import ApiObject, OwnObject
from qos.model.duration import Duration
from qos.model.pod import ObjectMeta, ResourceList
from qos.model.quantity import Quantity

EVICTION_HARD_DEFAULT: Final = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}


class MemorySwap(ApiObject):
    """``memorySwap:``; "" is NoSwap."""

    swap_behavior: Literal["", "NoSwap", "LimitedSwap"] = ""


class MemoryReservation(ApiObject):
    """Memory kept on one NUMA node by the memory manager."""

    numa_node: int = 0
    limits: ResourceList = Field(default_factory=dict)


class KubeletConfiguration(ApiObject):
    """The fields of KubeletConfiguration that decide a cgroup value, an allocatable or an eviction."""

    cgroup_driver: Literal["systemd", "cgroupfs"] | None = None
    cgroups_per_qos: bool = Field(default=True, alias="cgroupsPerQOS")
    cpu_cfs_quota: bool = Field(default=True, alias="cpuCFSQuota")
    cpu_cfs_quota_period: Annotated[Duration, Field(ge=0.001, le=1.0)] = Field(
        default=0.1, alias="cpuCFSQuotaPeriod"
    )
    cpu_manager_policy: Literal["", "none", "static"] = "none"
    cpu_manager_policy_options: dict[str, str] = Field(default_factory=dict)
    reserved_system_cpus: str = Field(default="", alias="reservedSystemCPUs")
    memory_manager_policy: str = "None"
    topology_manager_policy: str = "none"
    memory_throttling_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    memory_reservation_policy: Literal["", "None", "TieredReservation"] = "None"
    single_process_oom_kill: bool | None = Field(default=None, alias="singleProcessOOMKill")
    memory_swap: MemorySwap = MemorySwap()
    fail_swap_on: bool = True
    pod_pids_limit: int = -1
    max_pods: int = 110
    system_reserved: dict[str, Quantity] = Field(default_factory=dict)
    kube_reserved: dict[str, Quantity] = Field(default_factory=dict)
    qos_reserved: dict[str, str] = Field(default_factory=dict)
    enforce_node_allocatable: tuple[str, ...] = ("pods",)
    eviction_hard: dict[str, str] = Field(default_factory=lambda: dict(EVICTION_HARD_DEFAULT))
    eviction_soft: dict[str, str] = Field(default_factory=dict)
    eviction_soft_grace_period: dict[str, str] = Field(default_factory=dict)
    eviction_minimum_reclaim: dict[str, str] = Field(default_factory=dict)
    eviction_pressure_transition_period: Duration = 300.0
    eviction_max_pod_grace_period: int = 0
    feature_gates: dict[str, bool] = Field(default_factory=dict)

    @field_validator(
        "system_reserved", "kube_reserved", "qos_reserved", "eviction_soft", "feature_gates",
        "eviction_soft_grace_period", "eviction_minimum_reclaim", "cpu_manager_policy_options", mode="before",
    )  # fmt: skip
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class Taint(ApiObject):
    """A taint of a node."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(ApiObject):
    """``spec:`` of a node."""

    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False

    @field_validator("taints", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return () if value is None else value


class SwapStatus(ApiObject):
    """``status.nodeInfo.swap`` (since 1.34)."""

    capacity: int | None = None


class NodeSystemInfo(ApiObject):
    """``status.nodeInfo``: versions as the kubelet reports them."""

    kernel_version: str = ""
    kubelet_version: str = ""
    container_runtime_version: str = ""
    architecture: str = ""
    swap: SwapStatus | None = None


class NodeStatus(ApiObject):
    """``status:`` of a node; ``allocatable`` as reported, computed by ``qos.policy`` where absent."""

    capacity: ResourceList = Field(default_factory=dict)
    allocatable: ResourceList | None = None
    node_info: NodeSystemInfo = NodeSystemInfo()


class Disk(OwnObject):
    """A block device of a simulated node (core/v1 has no word for its speed).

    ``io_cost``: io.cost is on for it (``enable=1`` in io.cost.qos), with these figures as its model. Without
    it, as kernels boot, io.weight has no effect. ``latency``: of one operation on the idle disk.
    """

    device: Annotated[str, Field(pattern=r"^\d+:\d+$")] = "8:0"
    read_bytes_per_second: Annotated[int, Field(gt=0)] = 500_000_000
    write_bytes_per_second: Annotated[int, Field(gt=0)] = 500_000_000
    read_iops: Annotated[int, Field(gt=0)] = 100_000
    write_iops: Annotated[int, Field(gt=0)] = 100_000
    io_cost: bool = False
    latency: Duration = 0.0001


class Node(ApiObject):
    """A machine: the API's Node, and the configuration of the kubelet that runs it."""

    metadata: ObjectMeta = ObjectMeta(name="node")
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()
    kubelet: KubeletConfiguration = KubeletConfiguration()
    disks: tuple[Disk, ...] = ()
    link_bits_per_second: int | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.metadata.name

    @property
    def swap_capacity_bytes(self) -> int:
        """Swap the node has, 0 where unknown."""
        swap = self.status.node_info.swap
        return (swap.capacity or 0) if swap else 0

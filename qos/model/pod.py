"""Pod, Container and ResourceRequirements: the part of core/v1 that decides resources.

Attribute names are the API's own in Python's spelling (``init_containers`` for ``initContainers``), as in
the official client. Source: k8s.io/api/core/v1 of Kubernetes 1.36.
"""

from typing import Any, Final, Literal

from pydantic import AliasChoices, Field, field_validator

from qos.model.affinity import Affinity
from qos.model.document import ApiObject
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity

ResourceList = dict[str, Quantity]

CPU: Final = "cpu"
MEMORY: Final = "memory"
EPHEMERAL_STORAGE: Final = "ephemeral-storage"
HUGEPAGES_PREFIX: Final = "hugepages-"
ContainerType = Literal["regular", "init", "sidecar"]


class ResourceRequirements(ApiObject):
    """``resources:`` of a container or (since 1.32) of a pod."""

    requests: ResourceList = Field(default_factory=dict)
    limits: ResourceList = Field(default_factory=dict)

    @field_validator("requests", "limits", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


# Shared: a plain default would be copied deeply for every container and pod.
_NO_RESOURCES: Final = ResourceRequirements()


class OwnerReference(ApiObject):
    """What a live object was made by."""

    kind: str = ""
    name: str = ""


class ObjectMeta(ApiObject):
    """``metadata:``."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()

    @field_validator("labels", "annotations", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("owner_references", mode="before")
    @classmethod
    def _null_is_nobody(cls, value: Any) -> Any:
        return () if value is None else value


class Capabilities(ApiObject):
    """Linux capabilities to add and drop."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(ApiObject):
    """The part of a container's or pod's securityContext that a launched process obeys."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    privileged: bool | None = None
    read_only_root_filesystem: bool | None = None
    capabilities: Capabilities | None = None


class EnvVar(ApiObject):
    """One environment variable; sources other than a value are left to the cluster."""

    name: str
    value: str | None = None


class ContainerResizePolicy(ApiObject):
    """Whether a resize of one resource restarts the container."""

    resource_name: str
    restart_policy: str = "NotRequired"


class Container(ApiObject):
    """One container; ``restart_policy`` Always on an init container makes it a sidecar."""

    name: str
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[EnvVar, ...] | None = None
    resources: ResourceRequirements = Field(default_factory=lambda: _NO_RESOURCES)
    resize_policy: tuple[ContainerResizePolicy, ...] | None = None
    restart_policy: str | None = None
    security_context: SecurityContext | None = None

    @field_validator("resources", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class Toleration(ApiObject):
    """A taint this pod bears."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class EmptyDir(ApiObject):
    """An emptyDir volume; medium "Memory" is charged to the pod's memory."""

    medium: str = ""
    size_limit: Quantity | None = None


class Volume(ApiObject):
    """A volume, as far as local storage and memory are concerned."""

    name: str = ""
    empty_dir: EmptyDir | None = None
    host_path: dict[str, Any] | None = None
    config_map: dict[str, Any] | None = None
    git_repo: dict[str, Any] | None = None


class TopologySpreadConstraint(ApiObject):
    """How evenly pods must lie over a topology domain."""

    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = "DoNotSchedule"
    label_selector: dict[str, Any] | None = None
    min_domains: int | None = None
    node_taints_policy: str = "Ignore"
    node_affinity_policy: str = "Honor"


class PodSpec(ApiObject):
    """``spec:`` of a pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    resources: ResourceRequirements | None = None
    overhead: ResourceList = Field(default_factory=dict)
    priority: int | None = None
    priority_class_name: str = ""
    runtime_class_name: str | None = None
    restart_policy: str = "Always"
    termination_grace_period_seconds: int | None = None
    node_name: str = ""
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    volumes: tuple[Volume, ...] = ()
    host_network: bool = False
    security_context: SecurityContext | None = None

    @field_validator(
        "containers", "init_containers", "ephemeral_containers", "overhead", "node_selector", "tolerations",
        "topology_spread_constraints", "volumes", mode="before",
    )  # fmt: skip
    @classmethod
    def _null_is_empty(cls, value: Any, info: Any) -> Any:
        if value is None:
            return {} if info.field_name in {"overhead", "node_selector"} else ()
        return value

    @field_validator("restart_policy", mode="before")
    @classmethod
    def _null_is_default(cls, value: Any) -> Any:
        return "Always" if value is None else value


class ContainerStatus(ApiObject):
    """What the kubelet reports of a container, as far as in-place resize needs it."""

    name: str = ""
    allocated_resources: ResourceList = Field(default_factory=dict)
    resources: ResourceRequirements | None = None
    restart_count: int = 0


class PodCondition(ApiObject):
    """A condition of the pod; PodResizePending carries Deferred or Infeasible as its reason."""

    type: str = ""
    status: str = ""
    reason: str = ""


class PodStatus(ApiObject):
    """``status:`` of a pod; ``qos_class``, where present, overrides the computed one."""

    phase: str = ""
    qos_class: QOSClass | None = Field(
        default=None, validation_alias=AliasChoices("qosClass", "qos_class"), serialization_alias="qosClass"
    )
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    conditions: tuple[PodCondition, ...] = ()
    resources: ResourceRequirements | None = None
    allocated_resources: ResourceList = Field(default_factory=dict)

    @field_validator("qos_class", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @field_validator("container_statuses", "init_container_statuses", "conditions", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return () if value is None else value


_NO_STATUS: Final = PodStatus()


class Pod(ApiObject):
    """A pod as the kubelet sees it."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = Field(default_factory=lambda: _NO_STATUS)

    @field_validator("status", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def name(self) -> str:
        """The pod's name, or its generateName prefix."""
        return self.metadata.name or self.metadata.generate_name

    @property
    def namespace(self) -> str:
        """The pod's namespace; unset is ``default``, as kubectl has it."""
        return self.metadata.namespace or "default"

    def typed_containers(self) -> tuple[tuple[Container, ContainerType], ...]:
        """Every regular, init and sidecar container with its type, init containers first."""
        first: list[tuple[Container, ContainerType]] = [
            (container, "sidecar" if is_sidecar(container) else "init")
            for container in self.spec.init_containers
        ]
        return (*first, *((container, "regular") for container in self.spec.containers))


def is_sidecar(container: Container) -> bool:
    """Whether an init container is a restartable one (KEP-753), which runs beside the regular ones."""
    return container.restart_policy == "Always"

"""The shapes of our own documents: Scenario, QoSPolicy, Profile. Strict: an unknown field is an error."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from qos.model.document import OwnObject
from qos.model.duration import Duration
from qos.model.expectation import Expectation
from qos.model.profile import (
    CRI,
    KUBERNETES_VERSIONS,
    CgroupDriver,
    Profile,
    Runtime,
    Version,
    format_version,
    parse_version,
)
from qos.model.qos_class import QOSClass
from qos.model.workload import Workload
from qos.scenario.selector import LabelSelector

API_VERSION: Final = "qos.dev/v1alpha1"
ApiVersion = Literal["qos.dev/v1alpha1"]


def _version(value: Any) -> Version:
    """A version; a bare 1.36 of YAML is fine, 1.30 is not (it arrives as 1.3)."""
    if isinstance(value, tuple | list):
        return tuple(int(part) for part in value)
    return parse_version(str(value))


def _kubernetes(value: Any) -> Version:
    version = _version(value)[:2]
    if version not in KUBERNETES_VERSIONS:
        first, last = (format_version(KUBERNETES_VERSIONS[end]) for end in (0, -1))
        msg = f'must be one of "{first}" to "{last}", in quotes'
        raise ValueError(msg)
    return version


_VERSION_SCHEMA: Final = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": r"^v?\d+(\.\d+)*"}, {"type": "number"}], "examples": ["1.36"]}
)
AnyVersion = Annotated[Version, BeforeValidator(_version), _VERSION_SCHEMA]
KubernetesVersion = Annotated[Version, BeforeValidator(_kubernetes), _VERSION_SCHEMA]
_DEFAULT: Final = Profile()
_UNIT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_@-]{0,200}\.(slice|scope|service)$"


class ProfileSpec(OwnObject):
    """Which Kubernetes, runtime and kernel; what is left out is the default profile's."""

    kubernetes: KubernetesVersion = _DEFAULT.kubernetes
    runtime: Runtime = _DEFAULT.runtime
    runtime_version: AnyVersion | None = None
    cri: CRI = _DEFAULT.cri
    kernel: AnyVersion = _DEFAULT.kernel
    cgroup_driver: CgroupDriver = _DEFAULT.cgroup_driver
    feature_gates: dict[str, bool] = Field(default_factory=dict)

    def profile(self) -> Profile:
        """The profile meant; without a version the runtime is one with the quadratic weight formula."""
        first_quadratic: dict[str, Version] = {"runc": (1, 3, 2), "crun": (1, 23)}
        return Profile(
            kubernetes=self.kubernetes,
            runtime=self.runtime,
            runtime_version=self.runtime_version or first_quadratic[self.runtime],
            cri=self.cri,
            kernel=self.kernel,
            cgroup_driver=self.cgroup_driver,
            feature_gates=self.feature_gates,
        )


class Metadata(OwnObject):
    """``metadata:`` of our documents."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    description: str = ""


class ScenarioWorkload(Workload):
    """What the processes of the selected pods' container want, or those of a cgroup that is no pod's.

    ``container`` may be left out where the selected pods have one regular container. ``cgroup`` instead of
    ``selector`` is for what runs beside the pods: ``system.slice``, with the kubelet and sshd in it.
    """

    name: Annotated[str, Field(min_length=1)]
    selector: LabelSelector | None = None
    cgroup: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_@-]{0,200}\.(slice|scope|service)$")] | None
    ) = None
    namespace: str | None = None
    container: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.selector is None) == (self.cgroup is None):
            msg = "exactly one of selector and cgroup must be set"
            raise ValueError(msg)
        if self.cgroup is not None and self.cgroup.startswith("kubepods"):
            msg = "what runs in pods is told by selector"
            raise ValueError(msg)
        return self


class ScenarioSpec(OwnObject):
    """``spec:`` of a Scenario.

    ``nodes`` are Node documents with an optional ``kubelet:`` (KubeletConfiguration), ``disks:``,
    ``linkBitsPerSecond:`` and ``count:``, or ``file:`` with such documents. Paths are relative to the file.
    """

    question: Annotated[str, Field(min_length=1)]
    duration: Annotated[Duration, Field(gt=0, le=366 * 86400)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    sample_interval: Annotated[Duration, Field(ge=0.001)] = 1.0
    profile: ProfileSpec = Field(default_factory=ProfileSpec)
    nodes: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    manifests: tuple[str, ...] = ()
    pods: tuple[dict[str, Any], ...] = ()
    workloads: tuple[ScenarioWorkload, ...] = ()
    policies: Annotated[tuple[str, ...], Field(min_length=1)] = ("kubelet",)
    agents: tuple[str, ...] = ("eviction", "restart")
    expect: tuple[Expectation, ...] = ()
    keep: tuple[str, ...] = ()


class ScenarioDocument(OwnObject):
    """A question, the node and pods it is about, what they do, and what is expected of it."""

    api_version: ApiVersion
    kind: Literal["Scenario"]
    metadata: Metadata
    spec: ScenarioSpec


class ProfileDocument(OwnObject):
    """A profile with a name."""

    api_version: ApiVersion
    kind: Literal["Profile"]
    metadata: Metadata
    spec: ProfileSpec


class PolicyRule(OwnObject):
    """What one level of cgroups, of one class or of any, gets instead of the base policy's values.

    ``pod`` and ``container`` are globs of names, for rules about some pods or containers only. ``set``
    gives files fixed values (null: leave the file alone); ``factor`` multiplies the base's value.
    """

    level: Literal["node", "qos", "pod", "container"]
    qos_class: QOSClass | None = None
    pod: str | None = None
    container: str | None = None
    set: dict[str, str | int | None] = Field(default_factory=dict)
    factor: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)


class PolicySpec(OwnObject):
    """``spec:`` of a QoSPolicy."""

    base: str = "kubelet"
    rules: Annotated[tuple[PolicyRule, ...], Field(min_length=1)]


class PolicyDocument(OwnObject):
    """A house policy written without Python, on top of another."""

    api_version: ApiVersion
    kind: Literal["QoSPolicy"]
    metadata: Metadata
    spec: PolicySpec


DOCUMENTS: Final[dict[str, type[OwnObject]]] = {
    "Scenario": ScenarioDocument,
    "QoSPolicy": PolicyDocument,
    "Profile": ProfileDocument,
}


def schemas() -> dict[str, dict[str, Any]]:
    """Kind → JSON Schema of the documents (draft 2020-12)."""
    return {
        kind: {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
        for kind, model in DOCUMENTS.items()
    }

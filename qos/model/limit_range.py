"""LimitRange and ResourceQuota: what a namespace lets its pods ask for.

Source: k8s.io/api/core/v1 of Kubernetes 1.36.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from qos.model.document import ApiObject
from qos.model.pod import ObjectMeta, ResourceList


class LimitRangeItem(ApiObject):
    """One line of a LimitRange; ``type`` is Container, Pod or PersistentVolumeClaim."""

    type: str = "Container"
    default: ResourceList = Field(default_factory=dict)
    default_request: ResourceList = Field(default_factory=dict)
    min: ResourceList = Field(default_factory=dict)
    max: ResourceList = Field(default_factory=dict)
    max_limit_request_ratio: ResourceList = Field(default_factory=dict)

    @field_validator("default", "default_request", "min", "max", "max_limit_request_ratio", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class LimitRangeSpec(ApiObject):
    """``spec:`` of a LimitRange."""

    limits: tuple[LimitRangeItem, ...] = ()


class LimitRange(ApiObject):
    """Defaults and bounds for the containers and pods of a namespace."""

    metadata: ObjectMeta = ObjectMeta()
    spec: LimitRangeSpec = LimitRangeSpec()


class ResourceQuotaSpec(ApiObject):
    """``spec:`` of a ResourceQuota."""

    hard: ResourceList = Field(default_factory=dict)
    scopes: tuple[str, ...] = ()


class ResourceQuota(ApiObject):
    """The most that the pods of a namespace may ask for together."""

    metadata: ObjectMeta = ObjectMeta()
    spec: ResourceQuotaSpec = ResourceQuotaSpec()

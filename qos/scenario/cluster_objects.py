"""Objects of a cluster that change what a pod gets before a kubelet sees it."""

from __future__ import annotations

from pydantic import Field

from qos.model.document import ApiObject
from qos.model.pod import ObjectMeta, ResourceList


class PriorityClass(ApiObject):
    """A name for a priority."""

    metadata: ObjectMeta = ObjectMeta()
    value: int
    global_default: bool = False


class Overhead(ApiObject):
    """``overhead:`` of a RuntimeClass."""

    pod_fixed: ResourceList = Field(default_factory=dict)


class RuntimeClass(ApiObject):
    """A way to run containers, and what it costs in itself."""

    metadata: ObjectMeta = ObjectMeta()
    handler: str = ""
    overhead: Overhead | None = None

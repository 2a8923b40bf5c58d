"""Node affinity of a pod: which nodes it must lie on. Data only."""

from pydantic import Field

from qos.model.document import ApiObject


class NodeRequirement(ApiObject):
    """One requirement on a node's label (or, of ``matchFields``, on its name)."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class NodeSelectorTerm(ApiObject):
    """All of these; a term without any picks no node."""

    match_expressions: tuple[NodeRequirement, ...] = ()
    match_fields: tuple[NodeRequirement, ...] = ()


class NodeSelector(ApiObject):
    """Any of these terms."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(ApiObject):
    """What is required; preferences are not looked at."""

    required: NodeSelector | None = Field(
        default=None, alias="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(ApiObject):
    """``affinity:``; that towards other pods is not looked at."""

    node_affinity: NodeAffinity | None = None

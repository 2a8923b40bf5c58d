"""Required node affinity: whether a node meets one of a pod's terms.

Source: component-helpers/scheduling/corev1/nodeaffinity of Kubernetes 1.36: terms are alternatives, all of a
term must hold, a term without requirements (and a selector without terms) picks no node.
"""

from __future__ import annotations

from collections.abc import Mapping

from qos.model.affinity import NodeRequirement, NodeSelector, NodeSelectorTerm
from qos.model.node import Node
from qos.model.pod import Pod


def unaffine(pod: Pod, node: Node) -> str:
    """The first requirement of the last term that the node fails, or ""."""
    required = _required(pod)
    if required is None:
        return ""
    failed = "node affinity without terms"
    for term in required.node_selector_terms:
        failed = _failed(term, node)
        if not failed:
            return ""
    return failed


def label_keys(pod: Pod) -> list[str]:
    """The labels that its required node affinity looks at."""
    required = _required(pod)
    terms = required.node_selector_terms if required else ()
    return [each.key for term in terms for each in term.match_expressions]


def asks_for_name(pod: Pod) -> bool:
    """Whether its required node affinity looks at nodes' names, as DaemonSets' pods do."""
    required = _required(pod)
    return required is not None and any(term.match_fields for term in required.node_selector_terms)


def _required(pod: Pod) -> NodeSelector | None:
    affinity = pod.spec.affinity
    return affinity.node_affinity.required if affinity and affinity.node_affinity else None


def _failed(term: NodeSelectorTerm, node: Node) -> str:
    if not term.match_expressions and not term.match_fields:
        return "node affinity with an empty term"
    name = {"metadata.name": node.name}
    for each, values in (
        *((each, node.metadata.labels) for each in term.match_expressions),
        *((each, name) for each in term.match_fields),
    ):
        if not _holds(each, values):
            return f"node affinity {each.key} {each.operator} {','.join(each.values)}".rstrip()
    return ""


def _holds(requirement: NodeRequirement, labels: Mapping[str, str]) -> bool:
    """As labels.Requirement: NotIn is met by a missing label; Gt and Lt compare whole numbers."""
    value, values = labels.get(requirement.key), requirement.values
    if requirement.operator == "In":
        return value in values
    if requirement.operator == "NotIn":
        return value not in values
    if requirement.operator == "Exists":
        return value is not None
    if requirement.operator == "DoesNotExist":
        return value is None
    if requirement.operator in {"Gt", "Lt"} and value is not None and len(values) == 1:
        try:
            have, bound = int(value), int(values[0])
        except ValueError:
            return False
        return have > bound if requirement.operator == "Gt" else have < bound
    return False

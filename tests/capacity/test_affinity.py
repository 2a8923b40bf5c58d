"""Required node affinity, as the scheduler's filter has it."""

from __future__ import annotations

from typing import Any

import pytest

from qos.capacity.fit import kept_away
from qos.model.node import Node
from qos.model.pod import Pod

NODE = Node.model_validate({"metadata": {"name": "n1", "labels": {"disk": "ssd", "cores": "16"}}})


def _pod(*terms: dict[str, Any]) -> Pod:
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    }
    return Pod.model_validate({"metadata": {"name": "p"}, "spec": {"affinity": affinity}})


def _term(key: str, operator: str, *values: str, field: str = "matchExpressions") -> dict[str, Any]:
    return {field: [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("term", "may"),
    [
        (_term("disk", "In", "ssd", "nvme"), True),
        (_term("disk", "In", "hdd"), False),
        (_term("disk", "NotIn", "hdd"), True),
        (_term("zone", "NotIn", "a"), True),
        (_term("zone", "In", "a"), False),
        (_term("disk", "Exists"), True),
        (_term("zone", "Exists"), False),
        (_term("zone", "DoesNotExist"), True),
        (_term("cores", "Gt", "8"), True),
        (_term("cores", "Gt", "16"), False),
        (_term("cores", "Lt", "17"), True),
        (_term("disk", "Gt", "1"), False),
        (_term("metadata.name", "In", "n1", field="matchFields"), True),
        (_term("metadata.name", "NotIn", "n1", field="matchFields"), False),
        ({}, False),
    ],
)
def test_a_term_picks_the_node_as_the_scheduler_would(term: dict[str, Any], may: bool) -> None:
    """Every operator, missing labels, whole numbers, names, and the term that picks nothing."""
    assert (kept_away(_pod(term), NODE) == "") is may


def test_terms_are_alternatives_and_their_requirements_are_not() -> None:
    """One term that holds is enough; of a term every requirement must hold; what failed is said."""
    both = {"matchExpressions": [*_term("disk", "In", "ssd")["matchExpressions"],
                                 *_term("zone", "In", "a")["matchExpressions"]]}  # fmt: skip
    assert kept_away(_pod(both, _term("disk", "Exists")), NODE) == ""
    assert kept_away(_pod(both), NODE) == "node affinity zone In a"
    assert kept_away(_pod(), NODE) == "node affinity without terms"

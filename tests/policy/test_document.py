"""Policies written as a document: fixed values and factors, refused where they could not work."""

from __future__ import annotations

from typing import Any

import pytest
from test_house_policies import BATCH, DB, NODE, PODS, PROFILE, WEB, Flat

from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.qos_class import QOSClass
from qos.policy.document import DocumentRule, document_policy
from qos.policy.registry import POLICIES, plan_node

KUBELET = POLICIES["kubelet"]


def files(*rules: DocumentRule, base: Any = KUBELET) -> dict[str, dict[str, str]]:
    """Files by cgroup under some rules."""
    plan = document_policy("mine", base, rules).plan(PODS, NODE, PROFILE)
    return {str(name): spec.files() for name, spec in plan.cgroups.items()}


class TestRules:
    def test_fixed_by_class_and_level(self) -> None:
        """A fixed value reaches the cgroups of its level and class only."""
        changed = files(DocumentRule("container", QOSClass.BURSTABLE, {"cpu.weight": 7}))
        assert changed[f"{WEB}/c"]["cpu.weight"] == "7"
        assert (
            changed[f"{DB}/c"]["cpu.weight"]
            == files(DocumentRule("node", None, {"pids.max": 9}))[f"{DB}/c"]["cpu.weight"]
        )

    def test_null_leaves_alone(self) -> None:
        """Null takes the file out of the plan."""
        assert "cpu.max" not in files(DocumentRule("container", None, {"cpu.max": None}))[f"{DB}/c"]

    def test_factor(self) -> None:
        """A factor multiplies the base's value; what is not set or max stays."""
        rules = (DocumentRule("pod", None, {}, {"cpu.max": 1.5, "memory.max": 0.1, "cpu.weight": 1e9}),)
        changed = files(*rules)
        assert changed[WEB]["cpu.max"] == "150000 100000"
        assert changed[WEB]["memory.max"] == str((1 << 30) // 10)
        assert changed[WEB]["cpu.weight"] == "10000"
        assert "cpu.max" not in changed[BATCH]

    def test_later_rule_wins(self) -> None:
        """Rules apply in order: a factor multiplies what an earlier rule has fixed."""
        rules = (
            DocumentRule("container", None, {"cpu.weight": 10}),
            DocumentRule("container", QOSClass.GUARANTEED, {}, {"cpu.weight": 3}),
        )
        changed = files(*rules)
        assert (changed[f"{DB}/c"]["cpu.weight"], changed[f"{WEB}/c"]["cpu.weight"]) == ("30", "10")

    def test_pod_and_container_globs(self) -> None:
        """A glob of pod or container names narrows a rule; every other cgroup keeps the base's value."""
        base = files(DocumentRule("node", None, {"pids.max": 9}))
        changed = files(
            DocumentRule("pod", None, {"cpu.weight": 77}, pod="w*"),
            DocumentRule("container", None, {"cpu.weight": 78}, container="nothing"),
        )
        differing = {name for name in base if base[name].get("cpu.weight") != changed[name].get("cpu.weight")}
        assert differing == {WEB}
        assert changed[WEB]["cpu.weight"] == "77"

    def test_globs_of_levels_without_pods_are_refused(self) -> None:
        """The node and the class have no pod, a pod is of several containers: said with the field."""
        for rule in (
            DocumentRule("qos", None, {"cpu.weight": 7}, pod="web"),
            DocumentRule("pod", None, {"cpu.weight": 7}, container="c"),
        ):
            with pytest.raises(InputError, match=r"spec.rules\[0\].(pod|container)"):
                files(rule)

    def test_on_top_of_another(self) -> None:
        """Any policy can be the base, a document's or one that only plans."""
        base = document_policy(
            "base", POLICIES["no-cpu-limits"], (DocumentRule("pod", None, {"pids.max": 100}),)
        )
        changed = files(DocumentRule("pod", None, {}, {"pids.max": 0.5}), base=base)
        assert (changed[DB]["pids.max"], changed[DB]["cpu.max"]) == ("50", "max 100000")
        assert (
            files(DocumentRule("node", None, {"cpu.weight": 5}), base=Flat())["flat/db"]["cpu.weight"]
            == "100"
        )

    def test_formulas(self) -> None:
        """Each value tells the rule it comes from."""
        rules = (DocumentRule("pod", None, {"pids.max": 100}, {"cpu.weight": 2}),)
        formulas = plan_node(document_policy("mine", KUBELET, rules), PODS, NODE, PROFILE).formulas
        assert formulas[CgroupName(WEB)]["pids.max"] == "mine: fixed"
        assert formulas[CgroupName(WEB)]["cpu.weight"] == "mine: 2 · 20 = 40"


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (DocumentRule("pod"), r"spec.rules\[0\]: sets nothing"),
        (DocumentRule("pod", None, {"cpu.wieght": 1}), r"no such file of a cgroup, got 'cpu.wieght'; e.*did"),
        (DocumentRule("pod", None, {"cpu.weight": 0}), r"spec.rules\[0\].set.cpu.weight: not a value of"),
        (DocumentRule("pod", None, {"cpu.weight": "heavy"}), r"not a value of cpu.weight"),
        (DocumentRule("pod", None, {"cpu.max": "1 2 3"}), r"not a value of cpu.max"),
        (DocumentRule("pod", None, {"memory.max": "10Gi"}), r"not a value of memory.max"),
        (DocumentRule("pod", None, {"memory.max": -1}), r"not a value of memory.max"),
        (DocumentRule("pod", None, {}, {"io.weight": 2}), r"cannot be multiplied"),
        (DocumentRule("pod", None, {}, {"cpu.weight": 0}), r"must be a positive number"),
        (DocumentRule("pod", None, {}, {"cpu.weight": float("nan")}), r"must be a positive number"),
        (DocumentRule("pod", None, {"cpu.weight": 5}, {"cpu.weight": 2}), r"set and multiplied by one rule"),
    ],
)  # fmt: skip
def test_refused(rule: DocumentRule, error: str) -> None:
    """A rule that could not work is refused when it is read, with the field and what would be right."""
    with pytest.raises(InputError, match=error):
        document_policy("mine", KUBELET, (rule,))

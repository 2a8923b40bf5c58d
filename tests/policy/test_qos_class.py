"""The class of a pod, the sentence that decides it, and the least change that makes it Guaranteed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from policy_pods import pods

from qos.model.pod import Pod
from qos.model.profile import Profile
from qos.model.qos_class import QOSClass
from qos.model.quantity import Quantity
from qos.policy.defaults import apply_defaults
from qos.policy.qos_class import ResourceChange, classify

FULL = {"cpu": "500m", "memory": "1Gi"}
ONE = {"cpu": "1"}
EQUAL = {"limits": FULL, "requests": FULL}
SETUP = {"name": "setup"}
PROXY = {"name": "proxy", "restartPolicy": "Always"}
QUARTER = {"cpu": "250m"}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), **spec: Any) -> Pod:
    """A pod of some containers, each given by its resources."""
    named = [{"name": f"c{i}", "resources": c} for i, c in enumerate(containers)]
    before = [{"name": f"i{i}", **c} for i, c in enumerate(init)]
    return Pod.model_validate({"spec": {"containers": named, "initContainers": before, **spec}})


class TestReason:
    @pytest.mark.parametrize(
        ("given", "qos_class", "reason"),
        [
            (pod({"limits": FULL}), "Guaranteed", "every container has cpu and memory limits"),
            (pod({}), "BestEffort", "no container has a cpu or memory request"),
            (pod({"limits": {"nvidia.com/gpu": "1"}}), "BestEffort", "no container has a cpu"),
            (pod({"requests": {"cpu": "0"}}), "BestEffort", "no container has a cpu"),
            (pod({"requests": {"cpu": "1"}}), "Burstable", "container `c0` has no cpu limit"),
            (
                pod({"limits": FULL}, {"limits": {"cpu": "1"}}),
                "Burstable",
                "container `c1` has no memory limit",
            ),
            (
                pod({"limits": {"cpu": "1", "memory": "0"}}),
                "Burstable",
                "memory limit of 0, which counts as none",
            ),
            (
                pod({"limits": FULL, "requests": {"cpu": "250m"}}),
                "Burstable",
                "requests 250m cpu, but its limit is 500m",
            ),
            (
                pod({"limits": FULL}, init=({"name": "setup"},)),
                "Burstable",
                "init container `setup` has no cpu limit",
            ),
            (
                pod({"limits": FULL}, init=({"name": "proxy", "restartPolicy": "Always"},)),
                "Burstable",
                "sidecar `proxy`",
            ),
            (pod({"limits": FULL}, resources={}), "BestEffort", "spec.resources is set, so only it counts"),
            (
                pod({}, resources=EQUAL),
                "Guaranteed",
                "spec.resources has cpu and memory",
            ),
            (
                pod({"limits": FULL}, resources={"requests": FULL}),
                "Burstable",
                "spec.resources has no cpu limit",
            ),
        ],
    )
    def test_sentence(self, given: Pod, qos_class: str, reason: str) -> None:
        """The sentence names the container, the resource and what is wrong with it."""
        decision = classify(apply_defaults(given) if given.spec.resources is None else given)
        assert decision.qos_class.value == qos_class
        assert reason in decision.reason

    def test_pod_level_before_its_gate(self) -> None:
        """Before 1.34 spec.resources does not count, so the containers decide."""
        leveled = pod({}, resources=EQUAL)
        assert classify(leveled, Profile(kubernetes=(1, 33))).qos_class is QOSClass.BEST_EFFORT
        assert classify(leveled, Profile(kubernetes=(1, 34))).qos_class is QOSClass.GUARANTEED

    def test_sums_decide(self) -> None:
        """Requests and limits are compared as sums over the containers, as upstream does."""
        crossed = pod(
            {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
            {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        )
        assert classify(crossed).qos_class is QOSClass.GUARANTEED


class TestChange:
    @settings(max_examples=200, deadline=None)
    @given(pods(most=2))
    def test_makes_it_guaranteed(self, some: list[Pod]) -> None:
        """After the changes a pod is Guaranteed, and leaving any one out it is not."""
        for raw in some:
            stored = apply_defaults(raw)
            decision = classify(stored)
            if not stored.typed_containers() and stored.spec.resources is None:
                continue  # nothing to change in a pod without containers
            changes = decision.changes
            changed = apply_defaults(apply(stored, changes))
            assert classify(changed).qos_class is QOSClass.GUARANTEED
            for left_out in range(len(changes)):
                rest = changes[:left_out] + changes[left_out + 1 :]
                assert classify(apply_defaults(apply(stored, rest))).qos_class is not QOSClass.GUARANTEED

    def test_words(self) -> None:
        """The change reads as an instruction with the value to set."""
        decision = classify(pod({"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": FULL}))
        assert decision.to_guaranteed == "set requests.cpu of container `c0` to 500m"
        many = classify(pod({}, {}, {}))
        assert "or set requests and limits of spec.resources" in many.to_guaranteed


def apply(given: Pod, changes: tuple[ResourceChange, ...]) -> Pod:
    """The pod with the values set; where any amount will do, 1."""
    document = given.model_dump(mode="json", by_alias=True, exclude_unset=True)
    spec = document["spec"]
    for change in changes:
        if change.container is None:
            resources = spec["resources"]
        else:
            containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
            (holder,) = (c for c in containers if c["name"] == change.container)
            resources = holder.setdefault("resources", {})
        side = resources.setdefault(change.side, {})
        side[change.resource] = str(change.value or Quantity.from_int(1))
    return Pod.model_validate(document)

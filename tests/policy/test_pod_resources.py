"""What a pod requests in all, by the examples of the KEPs; the golden vectors hold the rest."""

from __future__ import annotations

from typing import Any, Final

import pytest

from qos.model.node import KubeletConfiguration, Node
from qos.model.pod import Pod, ResourceList
from qos.model.quantity import Quantity
from qos.policy.allocatable import (
    allocatable_absolute,
    node_allocatable,
    reservation_fits,
    status_allocatable,
    threshold_quantity,
)
from qos.policy.defaults import apply_defaults
from qos.policy.pod_resources import ResourceOptions, pod_limits, pod_requests


def pod(init: list[tuple[str, bool]], regular: list[str], **spec: Any) -> Pod:
    """A pod whose containers request CPUs; an init container is (CPUs, is a sidecar)."""
    first = [
        {
            "name": f"i{i}",
            "resources": {"requests": {"cpu": cpu}},
            "restartPolicy": "Always" if sidecar else None,
        }
        for i, (cpu, sidecar) in enumerate(init)
    ]
    rest = [{"name": f"c{i}", "resources": {"requests": {"cpu": cpu}}} for i, cpu in enumerate(regular)]
    return Pod.model_validate({"spec": {"initContainers": first, "containers": rest, **spec}})


class TestSidecars:
    """KEP-753: an init container runs beside the sidecars before it, regular ones beside all of them."""

    @pytest.mark.parametrize(
        ("init", "regular", "total"),
        [
            ([("2", False)], ["1"], "2"),
            ([("2", False), ("1", True)], ["1"], "2"),
            ([("1", True), ("2", False)], ["1"], "3"),
            ([("1", True), ("1", True)], ["1", "1"], "4"),
            ([("1", True), ("5", False), ("1", True)], ["1"], "6"),
            ([], ["500m", "1500m"], "2"),
        ],
    )
    def test_order_matters(self, init: list[tuple[str, bool]], regular: list[str], total: str) -> None:
        """The answer is the most that is needed at any time of the pod's life."""
        assert pod_requests(pod(init, regular))["cpu"] == Quantity.parse(total)


class TestOverheadAndPodLevel:
    def test_overhead(self) -> None:
        """Overhead is added to requests always, to limits only where there is a limit (KEP-688)."""
        container = {"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}}
        overhead = {"cpu": "100m", "memory": "32Mi", "example.com/x": "1"}
        whole = Pod.model_validate({"spec": {"containers": [container], "overhead": overhead}})
        assert {n: str(q) for n, q in pod_requests(whole).items()} == {
            "cpu": "1100m", "memory": "32Mi", "example.com/x": "1",
        }  # fmt: skip
        assert {n: str(q) for n, q in pod_limits(whole).items()} == {"memory": "1056Mi"}

    def test_pod_level(self) -> None:
        """Pod-level requests replace the containers' for the names they have (KEP-2837)."""
        leveled = pod([], ["1", "2"], resources={"requests": {"cpu": "5", "example.com/x": "1"}})
        assert pod_requests(leveled) == {"cpu": Quantity.parse("5")}
        assert pod_requests(leveled, ResourceOptions(skip_pod_level=True)) == {"cpu": Quantity.parse("3")}


class TestResize:
    def test_whole_pods_after_1_36(self) -> None:
        """While one container grows and one shrinks, 1.36 counts each maximum, later versions whole sums."""
        wanted = [{"name": n, "resources": {"requests": {"cpu": c}}} for n, c in (("a", "3"), ("b", "1"))]
        actuated = [
            {"name": n, "resources": {"requests": {"cpu": c}}, "allocatedResources": {"cpu": c}}
            for n, c in (("a", "1"), ("b", "3"))
        ]
        resizing = Pod.model_validate(
            {"spec": {"containers": wanted}, "status": {"containerStatuses": actuated}}
        )
        per_container = pod_requests(resizing, ResourceOptions(use_status=True))
        whole = pod_requests(resizing, ResourceOptions(use_status=True, aggregate_whole_pods=True))
        assert (per_container["cpu"], whole["cpu"]) == (Quantity.parse("6"), Quantity.parse("4"))


class TestDefaults:
    def test_order_of_rounding(self) -> None:
        """Pod-level requests are the sum of what is not yet rounded, rounded once (surprise 1)."""
        containers = [
            {"name": n, "resources": {"requests": {"cpu": c}}} for n, c in (("a", "0.0015"), ("b", "100u"))
        ]
        stored = apply_defaults(
            Pod.model_validate(
                {"spec": {"containers": containers, "resources": {"limits": {"memory": "1Gi"}}}}
            )
        )
        assert [str(c.resources.requests["cpu"]) for c in stored.spec.containers] == ["2m", "1m"]
        assert stored.spec.resources is not None
        assert str(stored.spec.resources.requests["cpu"]) == "2m"

    def test_explicit_zero_stays(self) -> None:
        """A request of 0 is not replaced by the limit."""
        container = {
            "name": "c",
            "resources": {"requests": {"cpu": "0"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        }
        stored = apply_defaults(Pod.model_validate({"spec": {"containers": [container]}}))
        assert {n: str(q) for n, q in stored.spec.containers[0].resources.requests.items()} == {
            "cpu": "0",
            "memory": "1Gi",
        }


CAPACITY: Final[ResourceList] = {
    "cpu": Quantity.parse("4"), "memory": Quantity.parse("8Gi"), "hugepages-2Mi": Quantity.parse("1Gi"),
}  # fmt: skip


class TestAllocatable:
    kubelet = KubeletConfiguration.model_validate(
        {"systemReserved": {"cpu": "500m", "memory": "1Gi"}, "kubeReserved": {"memory": "512Mi"}}
    )

    def test_reserve(self) -> None:
        """Kubepods has capacity less the reserve; the scheduler leaves eviction and huge pages too."""
        assert {n: str(q) for n, q in allocatable_absolute(CAPACITY, self.kubelet).items()} == {
            "cpu": "3500m", "memory": "6656Mi", "hugepages-2Mi": "1Gi",
        }  # fmt: skip
        shown = status_allocatable(CAPACITY, self.kubelet)
        assert {n: str(q) for n, q in shown.items()} == {
            "cpu": "3500m", "memory": "5532Mi", "hugepages-2Mi": "1Gi", "pods": "110",
        }  # fmt: skip

    def test_reported_wins(self) -> None:
        """What the node reports is taken as it is."""
        node = Node.model_validate({"status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3"}}})
        assert node_allocatable(node) == {"cpu": Quantity.parse("3")}

    def test_more_than_there_is(self) -> None:
        """A kubelet that reserves more than the machine has would not start."""
        greedy = KubeletConfiguration.model_validate({"kubeReserved": {"memory": "9Gi"}})
        assert not reservation_fits(CAPACITY, greedy)
        assert allocatable_absolute(CAPACITY, greedy)["memory"].is_zero

    @pytest.mark.parametrize(
        ("text", "bytes_"), [("10%", 10737418400), ("0%", None), ("100%", None), ("1Gi", 1 << 30)]
    )
    def test_threshold(self, text: str, bytes_: int | None) -> None:
        """Percentages are float32, and 0% and 100% are no thresholds."""
        threshold = threshold_quantity(text, Quantity.parse("100Gi"))
        assert (threshold.value() if threshold is not None else None) == bytes_

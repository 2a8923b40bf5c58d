"""Random pods, nodes and profiles, as wide as real manifests and wider."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from qos.model.node import Node
from qos.model.pod import Pod
from qos.model.profile import KUBERNETES_VERSIONS, Profile

CPUS = ("0", "1m", "9m", "100u", "50m", "250m", "0.333", "1", "1.5", "2", "64", "1e3", "9E", "-1")
BYTES = ("0", "1", "100m", "4096", "64Ki", "128Mi", "1.5Gi", "1G", "1e9", "7.3Gi", "1Ti", "8Ei", "1E", "-5Gi")
GATES = ("MemoryQoS", "PodLevelResources", "DisableCPUQuotaWithExclusiveCPUs", "QOSReserved", "NodeSwap")


@st.composite
def resource_lists(draw: st.DrawFn, pod_level: bool = False) -> dict[str, str]:
    """Some of cpu, memory, huge pages, ephemeral-storage and an extended resource."""
    resources: dict[str, str] = {}
    if draw(st.booleans()):
        resources["cpu"] = draw(st.sampled_from(CPUS))
    if draw(st.booleans()):
        resources["memory"] = draw(st.sampled_from(BYTES))
    extra = draw(st.integers(0, 9))
    if extra == 0:
        resources["hugepages-2Mi"] = draw(st.sampled_from(("0", "2Mi", "64Mi", "8Ei")))
    if extra == 1 and not pod_level:
        resources["ephemeral-storage"] = draw(st.sampled_from(BYTES))
    if extra == 2 and not pod_level:
        resources["example.com/gpu"] = "1"
    return resources


@st.composite
def requirements(draw: st.DrawFn, pod_level: bool = False) -> dict[str, Any]:
    """Requests and limits, often equal, as Guaranteed pods have them."""
    limits = draw(resource_lists(pod_level))
    requests = limits if draw(st.booleans()) else draw(resource_lists(pod_level))
    return {"requests": requests, "limits": limits}


@st.composite
def pod_documents(draw: st.DrawFn, index: int = 0) -> dict[str, Any]:
    """A manifest with init containers, sidecars, pod level, overhead and priority, now and then."""
    names = iter(range(20))

    def container(init: bool) -> dict[str, Any]:
        made: dict[str, Any] = {"name": f"c{next(names)}", "image": "registry.example/i:1"}
        if draw(st.integers(0, 3)):
            made["resources"] = draw(requirements())
        if init and draw(st.booleans()):
            made["restartPolicy"] = "Always"
        return made

    spec: dict[str, Any] = {
        "containers": [container(init=False) for _ in range(draw(st.integers(0, 3)))],
        "initContainers": [container(init=True) for _ in range(draw(st.sampled_from((0, 0, 1, 2))))],
    }
    if draw(st.integers(0, 3)) == 0:
        spec["resources"] = draw(requirements(pod_level=True))
    if draw(st.integers(0, 4)) == 0:
        spec["overhead"] = draw(resource_lists(pod_level=True))
    if draw(st.integers(0, 5)) == 0:
        spec["priority"] = draw(st.sampled_from((-1, 0, 2_000_000_000)))
        spec["priorityClassName"] = draw(st.sampled_from(("", "system-node-critical")))
    metadata: dict[str, Any] = {"name": f"p{index}", "namespace": draw(st.sampled_from(("", "a", "b")))}
    if draw(st.booleans()):
        metadata["uid"] = draw(st.sampled_from((f"u-{index}", "../../etc", "a/b", "x" * 300)))
    return {"metadata": metadata, "spec": spec}


@st.composite
def pods(draw: st.DrawFn, most: int = 4) -> list[Pod]:
    """A few pods; now and then two of one name."""
    count = draw(st.integers(0, most))
    names = [draw(st.integers(0, most)) for _ in range(count)]
    return [Pod.model_validate(draw(pod_documents(index))) for index in names]


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """A node of any size, and a kubelet set up in any way."""
    capacity: dict[str, str] = {}
    if draw(st.integers(0, 9)):
        capacity = {
            "cpu": draw(st.sampled_from(("1", "4", "64", "512"))),
            "memory": draw(st.sampled_from(BYTES)),
        }
    if draw(st.integers(0, 3)) == 0:
        capacity |= {"hugepages-1Gi": "2Gi", "hugepages-2Mi": "0", "pid": "32768"}
    kubelet = {
        "cpuCFSQuota": draw(st.booleans()),
        "cpuCFSQuotaPeriod": draw(st.sampled_from(("100ms", "1ms", "5ms", "1s"))),
        "cpuManagerPolicy": draw(st.sampled_from(("none", "static"))),
        "memoryThrottlingFactor": draw(st.sampled_from((None, 0.1, 0.9, 1.0))),
        "memoryReservationPolicy": draw(st.sampled_from(("None", "TieredReservation"))),
        "singleProcessOOMKill": draw(st.sampled_from((None, False, True))),
        "memorySwap": {"swapBehavior": draw(st.sampled_from(("", "NoSwap", "LimitedSwap")))},
        "podPidsLimit": draw(st.sampled_from((-1, 1024))),
        "systemReserved": draw(st.sampled_from(({}, {"cpu": "500m", "memory": "1Gi"}))),
        "kubeReserved": draw(st.sampled_from(({}, {"cpu": "100m", "memory": "2Ti"}))),
        "enforceNodeAllocatable": draw(st.sampled_from((["pods"], ["none"]))),
        "qosReserved": draw(st.sampled_from(({}, {"memory": "50%"}, {"memory": "100%"}))),
        "featureGates": draw(st.dictionaries(st.sampled_from(GATES), st.booleans(), max_size=3)),
    }
    swap = {"capacity": draw(st.sampled_from((0, 1 << 30)))}
    return Node.model_validate(
        {"status": {"capacity": capacity, "nodeInfo": {"swap": swap}}, "kubelet": kubelet}
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any Kubernetes, either runtime on either side of the weight change, either driver."""
    runtime, version = draw(
        st.sampled_from((("runc", (1, 3, 1)), ("runc", (1, 3, 2)), ("crun", (1, 22)), ("crun", (1, 23))))
    )
    return Profile(
        kubernetes=draw(st.sampled_from(KUBERNETES_VERSIONS)),
        runtime=runtime,  # type: ignore[arg-type]  # sampled from literals
        runtime_version=version,
        cgroup_driver=draw(st.sampled_from(("systemd", "cgroupfs"))),
        feature_gates=draw(st.dictionaries(st.sampled_from(GATES), st.booleans(), max_size=2)),
    )


BUSY_KUBELET = {
    "memoryReservationPolicy": "TieredReservation",
    "memoryThrottlingFactor": 0.8,
    "memorySwap": {"swapBehavior": "LimitedSwap"},
    "cpuManagerPolicy": "static",
    "podPidsLimit": 1024,
    "featureGates": {"MemoryQoS": True},
}


def crowd_document(draw: random.Random, index: int) -> dict[str, Any]:
    """A random manifest from a random number generator: quicker than hypothesis, for thousands of pods."""

    def some(values: tuple[str, ...], name: str) -> dict[str, str]:
        return {name: draw.choice(values)} if draw.random() < 0.6 else {}

    def resources() -> dict[str, Any]:
        limits = some(CPUS, "cpu") | some(BYTES, "memory")
        return {
            "limits": limits,
            "requests": limits if draw.random() < 0.4 else some(CPUS, "cpu") | some(BYTES, "memory"),
        }

    def container(name: str, init: bool) -> dict[str, Any]:
        restart = {"restartPolicy": "Always"} if init and draw.random() < 0.5 else {}
        return {"name": name, "resources": resources() if draw.random() < 0.8 else {}, **restart}

    spec: dict[str, Any] = {
        "containers": [container(f"c{i}", init=False) for i in range(draw.choice((1, 1, 2, 4)))],
        "initContainers": [container(f"i{i}", init=True) for i in range(draw.choice((0, 0, 1, 2)))],
    }
    if draw.random() < 0.2:
        spec["resources"] = resources()
    if draw.random() < 0.2:
        spec["overhead"] = some(CPUS, "cpu") | some(BYTES, "memory")
    return {"metadata": {"name": f"p{index}", "namespace": "crowd"}, "spec": spec}

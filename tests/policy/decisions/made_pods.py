"""Random pods for the decisions' tests: small numbers, so that sums and bounds meet often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from qos.model.pod import Pod

_cpu = st.integers(0, 40).map(lambda tenth: f"{tenth * 100}m")
_memory = st.integers(0, 16).map(lambda amount: f"{amount * 64}Mi")
_lists = st.fixed_dictionaries({}, optional={"cpu": _cpu, "memory": _memory})
_resources = st.fixed_dictionaries({}, optional={"requests": _lists, "limits": _lists})


@st.composite
def pods(draw: st.DrawFn, name: str = "") -> Pod:
    """A pod with one to three containers, perhaps init containers and sidecars, any priority."""
    spec: dict[str, Any] = {
        "containers": [
            {"name": f"c{index}", "resources": draw(_resources)} for index in range(draw(st.integers(1, 3)))
        ],
        "initContainers": [
            {"name": f"i{index}", "resources": draw(_resources)}
            | ({"restartPolicy": "Always"} if draw(st.booleans()) else {})
            for index in range(draw(st.integers(0, 2)))
        ],
        "priority": draw(st.sampled_from([None, -5, 0, 1000, 2_000_000_000])),
    }
    if draw(st.booleans()):
        spec["overhead"] = draw(_lists)
    metadata = {"name": name or draw(st.sampled_from(["a", "b", "c"]))}
    return Pod.model_validate({"metadata": metadata, "spec": spec})

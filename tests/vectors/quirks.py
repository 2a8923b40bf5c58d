"""Lines marked ``int64-overflow-possible``: which differences an overflow of upstream's int64 explains.

Our numbers are exact, so they differ where upstream's wrap. Every other difference fails, on these
lines too. The third quirk of the vectors, ``quirkFields``, is taken out by the kinds themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cases import Case

from qos.model.pod import Pod, ResourceRequirements
from qos.model.quantity import Quantity

LINE_QUIRKS = {
    "int64-overflow-possible": "near and past 2^63 upstream's Value, MilliValue and their products wrap",
}
_INT64_MAX = 2**63 - 1
_CPU_FIELDS = (
    "cpuShares",
    "cpuWeight",
    "cpuWeightLinear",
    "cpuWeightQuadratic",
    "cpuQuota",
    "cpu.weight",
    "cpu.max",
)
_MEMORY_FIELDS = (
    "memory",
    "memoryLimitInBytes",
    "memory.max",
    "memory.low",
    "memory.min",
    "oomScoreAdj",
    "unified",
)
_LARGEST_CPU_FACTOR = 1_000_000  # millicores times the longest period
_LARGEST_MEMORY_FACTOR = 1000  # oom_score_adj multiplies bytes by it


def unexplained(case: Case, wrong: Iterable[str]) -> list[str]:
    """The differences that no overflow explains."""
    if case.data.get("quirk") not in LINE_QUIRKS:
        return list(wrong)
    pod = Pod.model_validate(case.input["pod"])
    return [line for line in wrong if not _is_explained(line, pod)]


def _is_explained(line: str, pod: Pod) -> bool:
    path, _, rest = line.partition(": ")
    numbers = re.fullmatch(r"expected (-?\d+), got (-?\d+)", rest)
    if path.endswith(("value", "milliValue")):
        if numbers is None:
            return False
        theirs, ours = int(numbers[1]), int(numbers[2])
        return abs(ours) > _INT64_MAX and (theirs == 0 or (theirs - ours) % 2**64 == 0)
    field = next((name for name in (*_CPU_FIELDS, *_MEMORY_FIELDS) if path.endswith("." + name)), None)
    if field is None:
        return False
    lists = _lists_behind(path, pod)
    if field in _CPU_FIELDS:
        return _largest("cpu", lists) // 10**6 * _LARGEST_CPU_FACTOR > _INT64_MAX
    return _largest("memory", lists) // 10**9 * _LARGEST_MEMORY_FACTOR > _INT64_MAX


def _lists_behind(path: str, pod: Pod) -> list[dict[str, Quantity]]:
    """The resource lists that a field is computed from: one container's, or all of them."""
    containers = [container.resources for container, _ in pod.typed_containers()]
    which = re.match(r"containers\[(\d+)\]", path)
    requirements: list[Any] = [containers[int(which[1])]] if which else list(containers)
    requirements.append(pod.spec.resources or ResourceRequirements())
    lists = [resources for one in requirements for resources in (one.requests, one.limits)]
    return [*lists, pod.spec.overhead]


def _largest(name: str, lists: list[dict[str, Quantity]]) -> int:
    return sum(abs(resources[name].nano) for resources in lists if name in resources)

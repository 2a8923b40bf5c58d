"""The lint rules by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qos.check import lint_plan, lint_pod
from qos.check.lint import Rule

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "zero-limit": lint_pod.zero_limit,
        "memory-below-a-page": lint_pod.memory_in_thousandths,
        "cpu-in-bytes": lint_pod.cpu_in_bytes,
        "empty-pod-resources": lint_pod.empty_pod_level,
        "init-without-limit": lint_pod.init_without_limit,
        "limit-above-node": lint_pod.more_than_the_node,
        "quota-rounded-up": lint_plan.quota_rounded_up,
        "weight-one": lint_plan.weight_one,
        "weights-alike": lint_plan.weights_alike,
        "min-equals-max": lint_plan.protected_page_cache,
        "quota-below-threads": lint_plan.quota_below_threads,
        "void-protection": lint_plan.void_protection,
        "limit-above-pod": lint_plan.limit_above_parent,
    }
)

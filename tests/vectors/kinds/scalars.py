"""Kinds scalar and scalar-steps: one formula a line, and whole ranges of shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cases import Case

from kinds.common import Answer
from qos.errors import PlanError
from qos.policy import formulas

FUNCTIONS: dict[str, Callable[..., int]] = {
    "milliCPUToShares": formulas.milli_cpu_to_shares,
    "milliCPUToQuota": formulas.milli_cpu_to_quota,
    "quotaToMilliCPU": formulas.quota_to_milli_cpu,
    "sharesToMilliCPU": formulas.shares_to_milli_cpu,
    "sharesToWeightKubeletLinear": formulas.shares_to_weight_linear,
    "sharesToWeightQuadratic": formulas.shares_to_weight_quadratic,
    "weightToSharesKubelet": formulas.weight_to_shares_linear,
    "limitedSwap": formulas.limited_swap_bytes,
    "memorySwapToV2": formulas.memory_swap_to_v2,
}


def scalar(case: Case) -> Answer:
    """One function, named in the line."""
    function = FUNCTIONS[case.input["fn"]]
    try:
        got: dict[str, Any] = {"result": function(*case.input["args"])}
    except PlanError as error:
        got = {"error": str(error)}
    return case.expect, got


def steps(case: Case) -> Answer:
    """A conversion over every number of shares in a range, as runs [first shares, weight]."""
    function = FUNCTIONS[case.input["fn"]]
    runs: list[list[int]] = []
    for shares in range(case.input["firstShares"], case.input["lastShares"] + 1):
        weight = function(shares)
        if not runs or runs[-1][1] != weight:
            runs.append([shares, weight])
    return case.expect, {"runs": runs}

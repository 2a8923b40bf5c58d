"""Baselines: committed figures of each scenario, and what moved beyond tolerance and noise.

A baseline is one small JSON file a scenario, sorted and rounded, so that a change is a reviewable diff.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from qos.check.expectations import half_width
from qos.check.outcome import Outcome
from qos.errors import InputError, SourceRef
from qos.model.summary import Summary

Figures = dict[str, dict[str, list[float]]]
"""Policy → figure (``web.latency_seconds.p99``) → one value a seed."""

TOLERANCE: Final = 0.02
_VERSION: Final = 1
_SMALLEST: Final = 1e-9

# Of these figures more is better; of all others less is (latency, kills, throttling).
_MORE_IS_BETTER: Final = ("completed", "arrived")
# CPU that one got is CPU that another did not: neither way is better, so a move must be accepted.
_EITHER_WAY: Final = ("cpu_seconds",)


def figures(summaries: Sequence[Summary]) -> Figures:
    """What is worth committing of some runs: latency, work done, throttling, memory peak, kills.

    Args:
        summaries: runs of one scenario; several of one policy are seeds.
    """
    found: Figures = {}
    for summary in summaries:
        mine = found.setdefault(summary.policy, {})
        for name, workload in summary.workloads.items():
            values: dict[str, float | None] = {
                f"latency_seconds.{key}": value for key, value in workload.latency_seconds.items()
            }
            values |= {
                "completed": workload.completed,
                "completion_seconds": workload.completion_seconds,
                "cpu_seconds": workload.cpu_seconds,
                "throttled_ratio": workload.throttled_ratio,
                "memory_peak_bytes": workload.memory_peak_bytes,
                "oom_kills": workload.oom_kills,
                "evictions": workload.evictions,
                "restarts": workload.restarts,
            }
            for key, value in values.items():
                if value is not None:
                    mine.setdefault(f"{name}.{key}", []).append(_rounded(float(value)))
    return found


def to_text(found: Figures) -> str:
    """The baseline file's text: sorted keys, six significant digits."""
    return json.dumps({"version": _VERSION, "figures": found}, indent=1, sort_keys=True) + "\n"


def from_text(text: str, source: SourceRef) -> Figures:
    """The figures of a baseline file.

    Raises:
        InputError: not a baseline, or of another version.
    """
    try:
        document: Any = json.loads(text)
        version, found = document["version"], document["figures"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "is not a baseline", source=source, expected="a file written by qos test --accept"
        ) from None
    if version != _VERSION:
        raise InputError("baseline of another version", source=source, value=version, expected=str(_VERSION))
    return {policy: {name: list(values) for name, values in mine.items()} for policy, mine in found.items()}


def compare(
    suite: str, before: Figures, now: Figures, source: SourceRef, tolerance: float = TOLERANCE
) -> list[Outcome]:
    """An outcome for each figure: moved the wrong way beyond tolerance and noise is a failure.

    A figure that is gone, or new, fails too: a baseline that does not speak of what runs protects nothing.
    """
    outcomes = []
    for policy in sorted(before.keys() | now.keys()):
        old, new = before.get(policy, {}), now.get(policy, {})
        for name in sorted(old.keys() | new.keys()):
            title = f"{name} [{policy}]"
            if name not in new or name not in old:
                what = "is gone" if name not in new else "is new"
                text = f"{what}; if that is meant, run qos test --accept"
                outcomes.append(Outcome(suite, title, "failed", text, "baseline", source))
                continue
            outcomes.append(_moved(suite, title, old[name], new[name], source, tolerance))
    return outcomes


def _moved(
    suite: str, title: str, old: Sequence[float], new: Sequence[float], source: SourceRef, tolerance: float
) -> Outcome:
    was, is_now = float(np.mean(old)), float(np.mean(new))
    noise = half_width(old) + half_width(new)
    allowed = abs(was) * tolerance + noise + _SMALLEST
    change = is_now - was
    if abs(change) <= allowed:
        return Outcome(suite, title, "passed", "", "baseline", source)
    figure = title.split(" ", maxsplit=1)[0].rsplit(".", 1)[-1]
    relative = f"{change / was:+.1%}" if was else "from 0"
    text = f"{was:.6g} → {is_now:.6g} ({relative}, allowed ±{allowed:.3g})"
    better = figure not in _EITHER_WAY and (change > 0) == (figure in _MORE_IS_BETTER)
    return Outcome(suite, title, "improved" if better else "failed", text, "baseline", source)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")

"""Whether recordings keep the promises of a scenario's `expect:` block.

promtool's habit: a rule is tested by inputs and expected outcomes in the same file. A selector that
matches nothing fails, and with several seeds the 95 % confidence bound must hold, not one lucky draw.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Final

import numpy as np

from qos.check.metrics import Subject, observe, related, subjects
from qos.errors import InputError
from qos.model.expectation import Expectation, Verdict
from qos.model.sample import Recording

_COMPARE: Final = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

# Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom (any statistics table).
_T95: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def evaluate(expectations: Sequence[Expectation], recordings: Sequence[Recording]) -> tuple[Verdict, ...]:
    """A verdict for every expectation, policy and thing selected.

    Args:
        expectations: the promises.
        recordings: runs of one scenario, of one or more policies, each with one or more seeds.

    Raises:
        InputError: a metric nobody knows, or a policy that did not run.
    """
    by_policy: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_policy.setdefault(recording.policy, []).append(recording)
    verdicts: list[Verdict] = []
    for expectation in expectations:
        for policy in [expectation.policy] if expectation.policy else by_policy:
            _known(policy, by_policy, "expect.policy")
            verdicts += _judge(expectation, policy, by_policy)
    return tuple(verdicts)


def _judge(expectation: Expectation, policy: str, by_policy: dict[str, list[Recording]]) -> list[Verdict]:
    runs = by_policy[policy]
    found = subjects(expectation, runs[0])
    if not found:
        why = "the selector matches nothing in this scenario"
        return [Verdict(expectation, policy, "", False, None, expectation.value, 0.0, why)]
    return [_judge_subject(expectation, policy, subject, by_policy) for subject in found]


def _judge_subject(
    expectation: Expectation, policy: str, subject: Subject, by_policy: dict[str, list[Recording]]
) -> Verdict:
    values = [observe(expectation, run, subject) for run in by_policy[policy]]
    bound = expectation.value
    if expectation.relative_to is not None:
        _known(expectation.relative_to, by_policy, "expect.relativeTo")
        others = [observe(expectation, run, subject) for run in by_policy[expectation.relative_to]]
        reference = _mean(others)
        if reference is None:
            why = f"no {expectation.metric} under {expectation.relative_to} to compare with"
            return Verdict(expectation, policy, subject.name, False, None, bound, 0.0, why)
        bound *= reference
    observed = _mean(values)
    if observed is None:
        why = _nothing_seen(expectation, by_policy[policy][0], subject)
        return Verdict(expectation, policy, subject.name, False, None, bound, 0.0, why)
    half = half_width([value for value in values if value is not None])
    passed = _holds(expectation, observed, bound, half)
    why = "holds" if passed else _why(expectation, by_policy[policy][0], subject, observed, bound, half)
    return Verdict(expectation, policy, subject.name, passed, observed, bound, half, why)


def _holds(expectation: Expectation, observed: float, bound: float, half: float) -> bool:
    slack = abs(bound) * expectation.tolerance
    if expectation.comparator in {"==", "!="}:
        equal = abs(observed - bound) <= slack + half + 1e-12
        return equal if expectation.comparator == "==" else not equal
    # The bound of the confidence interval that is worse for the promise must keep it.
    worse = observed + half if expectation.comparator in {"<", "<="} else observed - half
    relaxed = bound + slack if expectation.comparator in {"<", "<="} else bound - slack
    return bool(_COMPARE[expectation.comparator](worse, relaxed))


def half_width(values: Sequence[float]) -> float:
    """Half of the 95 % confidence interval of the mean, by Student's t; 0 for fewer than two values.

    Of 1, 2 and 3: s = 1, 4.303 · 1/√3 = 2.484.

    >>> round(half_width([1.0, 2.0, 3.0]), 3)
    2.484
    """
    count = len(values)
    if count < 2:
        return 0.0
    t = _T95[count - 2] if count - 2 < len(_T95) else 1.96
    return float(t * np.std(values, ddof=1) / math.sqrt(count))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _known(policy: str, by_policy: dict[str, list[Recording]], field: str) -> None:
    if policy not in by_policy:
        raise InputError(
            "this policy did not run in the scenario",
            field=field,
            value=policy,
            expected=", ".join(by_policy),
        )


def _nothing_seen(expectation: Expectation, run: Recording, subject: Subject) -> str:
    return f"no {expectation.metric} was seen for {subject.name}{_moment(run, subject)}"


def _why(
    expectation: Expectation, run: Recording, subject: Subject, observed: float, bound: float, half: float
) -> str:
    seen = f"{observed:.6g}" + (f" ± {half:.3g}" if half else "")
    return (
        f"{expectation.metric} of {subject.name} is {seen}, "
        f"promised {expectation.comparator} {bound:.6g}{_moment(run, subject)}"
    )


def _moment(run: Recording, subject: Subject) -> str:
    """The first event that concerns the subject: usually the cause."""
    for event in run.events:
        if any(related(event.cgroup, name) for name in subject.cgroups):
            return f"; first event at {event.time:.1f} s: {event.kind}: {event.reason}"
    return ""

"""Outcome: one checked thing, in the form every output format is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qos.errors import SourceRef
from qos.model.expectation import Verdict

Status = Literal["passed", "failed", "error", "improved"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One checked promise, baseline figure or rule.

    Attributes:
        suite: the scenario, or the manifest.
        name: what was checked, in one line.
        status: ``improved`` is a baseline figure that moved the good way: reported, not failed.
        message: why, for a human; "" where it passed.
        rule: stable id, ``expect`` for promises, ``baseline`` for figures, else the rule's own.
        source: file and line of the promise or finding.
    """

    suite: str
    name: str
    status: Status
    message: str = ""
    rule: str = "expect"
    source: SourceRef | None = None

    @property
    def failed(self) -> bool:
        """Whether this outcome makes the run fail."""
        return self.status in {"failed", "error"}


def of_verdicts(suite: str, verdicts: Sequence[Verdict], source: SourceRef | None) -> list[Outcome]:
    """The outcomes of a scenario's verdicts."""
    return [
        Outcome(
            suite,
            f"{verdict.expectation} [{verdict.policy}{': ' + verdict.subject if verdict.subject else ''}]",
            "passed" if verdict.passed else "failed",
            ""
            if verdict.passed
            else verdict.why + (f" ({verdict.expectation.reason})" if verdict.expectation.reason else ""),
            "expect",
            source,
        )
        for verdict in verdicts
    ]

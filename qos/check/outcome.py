"""Outcome: one checked thing, in the form every output format is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from qos.check.lint import Severity
from qos.errors import SourceRef, printable
from qos.model.expectation import Verdict

Status = Literal["passed", "failed", "error", "improved", "noted"]
Waiver = Literal["", "inSource", "external"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One checked promise, baseline figure or rule.

    Attributes:
        suite: the scenario, or the manifest.
        name: what was checked, in one line.
        status: ``improved`` is a baseline figure that moved the good way; ``noted`` a finding that is only
            worth knowing, or was waived: both reported, not failed.
        message: why, for a human; "" where it passed.
        rule: stable id, ``expect`` for promises, ``baseline`` for figures, else the rule's own.
        source: file and line of the promise or finding.
        severity: of a lint finding; everything else that fails is an error.
        fix: what to write instead, "" where there is no advice.
        waiver: who accepted it, in SARIF's words: ``inSource`` an annotation, ``external`` a ratchet file.
        variant: the versions it was checked under, "" where only the scenario's own were.
    """

    suite: str
    name: str
    status: Status
    message: str = ""
    rule: str = "expect"
    source: SourceRef | None = None
    severity: Severity = "error"
    fix: str = ""
    waiver: Waiver = ""
    variant: str = ""

    @property
    def title(self) -> str:
        """The suite, with the versions where several were checked."""
        return f"{self.suite} @ {self.variant}" if self.variant else self.suite

    @property
    def explanation(self) -> str:
        """The message, and the fix where there is one."""
        return f"{self.message}. Fix: {self.fix}" if self.fix else self.message

    @property
    def failed(self) -> bool:
        """Whether this outcome makes the run fail."""
        return self.status in {"failed", "error"}


def legible(outcomes: Sequence[Outcome]) -> list[Outcome]:
    r"""The outcomes with everything escaped that a terminal, XML or UTF-8 cannot hold; messages keep lines.

    >>> legible([Outcome("a\x00", "b\nc", "failed", "d\ne\x1b")])[0].message
    'd\ne\\x1b'
    """
    return [
        replace(
            outcome,
            suite=printable(outcome.suite),
            variant=printable(outcome.variant),
            name=printable(outcome.name),
            rule=printable(outcome.rule),
            message=_lines(outcome.message),
            fix=_lines(outcome.fix),
            source=outcome.source and replace(outcome.source, file=printable(outcome.source.file)),
        )
        for outcome in outcomes
    ]


def _lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


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

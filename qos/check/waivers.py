"""Who accepted a lint finding: an annotation of the pod with a reason, or a ratchet file of old findings.

The annotation is ``qos.dev/ignore: "RULE: reason"``, one rule a line. A ratchet file lists what was found
when the rules were switched on: those findings are only noted, new ones fail, and one that is gone fails
too until the file is written anew, so the list can only become shorter.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from qos.check.outcome import Outcome
from qos.errors import InputError, SourceRef

ANNOTATION: Final = "qos.dev/ignore"
_VERSION: Final = 1

Waivers = dict[str, str]
"""Rule → the reason why it is accepted."""


def read_annotation(
    annotations: Mapping[str, str], rules: Collection[str], suite: str, source: SourceRef
) -> tuple[Waivers, list[Outcome]]:
    """The rules an annotation waives, and an outcome for each line of it that waives nothing.

    >>> read_annotation({"qos.dev/ignore": "weight-one: a side job"}, ["weight-one"], "p", SourceRef("f"))
    ({'weight-one': 'a side job'}, [])

    Args:
        annotations: of the pod.
        rules: ids of rules that exist.
        suite: the pod's name in messages.
        source: where the pod stands.
    """
    waivers: Waivers = {}
    wrong = []
    for line in filter(None, map(str.strip, annotations.get(ANNOTATION, "").splitlines())):
        rule, _, reason = (part.strip() for part in line.partition(":"))
        if rule not in rules:
            why = f"{ANNOTATION} names no rule: {rule!r}"
            wrong.append(_wrong(suite, f"{ANNOTATION}: {rule}", why, "one of " + ", ".join(rules), source))
        elif not reason:
            why = f"{ANNOTATION} gives no reason for {rule}"
            wrong.append(_wrong(suite, f"{ANNOTATION}: {rule}", why, f'write "{rule}: why"', source))
        else:
            waivers[rule] = reason
    return waivers, wrong


def waive(found: Sequence[Outcome], waivers: Waivers, suite: str, source: SourceRef) -> list[Outcome]:
    """The findings of one pod with those waived only noted; a waiver of nothing fails.

    Args:
        found: the pod's findings.
        waivers: what :func:`read_annotation` gave.
        suite: the pod's name in messages.
        source: where the pod stands.
    """
    outcomes = [
        replace(
            one, status="noted", message=f"{one.message} (waived: {waivers[one.rule]})", waiver="inSource"
        )
        if one.rule in waivers
        else one
        for one in found
    ]
    for rule in waivers.keys() - {one.rule for one in found}:
        why = f"{ANNOTATION} waives {rule}, which finds nothing here any more"
        outcomes.append(_wrong(suite, f"{ANNOTATION}: {rule}", why, "remove it", source))
    return outcomes


def ratchet_text(outcomes: Iterable[Outcome]) -> str:
    """A ratchet file that accepts every failing finding: sorted, one a line, without line numbers."""
    accepted = sorted(_identity(one) for one in outcomes if one.failed and one.rule != "ignore")
    return json.dumps({"version": _VERSION, "accepted": accepted}, indent=1) + "\n"


def read_ratchet(text: str, source: SourceRef) -> list[str]:
    """The findings a ratchet file accepts.

    Raises:
        InputError: not a ratchet file, or of another version.
    """
    try:
        document: Any = json.loads(text)
        version, accepted = document["version"], list(document["accepted"])
    except (ValueError, KeyError, TypeError):
        expected = "a file written by qos test --rules --accept"
        raise InputError("is not a ratchet file", source=source, expected=expected) from None
    if version != _VERSION:
        raise InputError(
            "ratchet file of another version", source=source, value=version, expected=str(_VERSION)
        )
    return [str(one) for one in accepted]


def ratchet(outcomes: Sequence[Outcome], accepted: Sequence[str], source: SourceRef) -> list[Outcome]:
    """The outcomes with old findings only noted, and a failure for each old finding that is gone.

    Args:
        outcomes: of this run.
        accepted: what :func:`read_ratchet` gave.
        source: the ratchet file.
    """
    left = list(accepted)
    judged = []
    for one in outcomes:
        identity = _identity(one)
        if one.failed and identity in left:
            left.remove(identity)
            judged.append(replace(one, status="noted", message=f"{one.message} (old)", waiver="external"))
        else:
            judged.append(one)
    for identity in left:
        suite, _, name = identity.partition(": ")
        why = "this old finding is gone; write the file anew with --accept so that it stays gone"
        judged.append(Outcome(suite, name, "failed", why, "ratchet", source))
    return judged


def _identity(outcome: Outcome) -> str:
    return f"{outcome.suite}: {outcome.name}"


def _wrong(suite: str, name: str, why: str, fix: str, source: SourceRef) -> Outcome:
    return Outcome(suite, name, "failed", why, "ignore", source, fix=fix)

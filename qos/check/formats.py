"""Outcomes in the formats that CI systems read. One function a format; FORMATS is the registry.

Sources: JUnit XML as Jenkins' schema has it (written by junitparser); SARIF 2.1.0 (OASIS); GitHub workflow
commands; GitLab Code Quality report; TAP 14. Names and messages may hold any text: what a format cannot hold
is escaped (:func:`qos.check.outcome.legible`).
"""

from __future__ import annotations

import hashlib
import html
import inspect
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from qos.check.lint import Severity
from qos.check.lint_rules import RULES
from qos.check.outcome import Outcome, legible

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVEL: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}
_GITHUB_COMMAND: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "notice"}
_GITLAB_SEVERITY: Final[dict[Severity, str]] = {"error": "major", "warning": "minor", "info": "info"}
_OWN_RULES: Final = {
    "expect": "A promise of a scenario's expect: block does not hold.",
    "baseline": "A figure moved the wrong way beyond tolerance and noise, or came, or went.",
    "ignore": "An annotation qos.dev/ignore that names no rule, gives no reason, or waives nothing.",
    "ratchet": "A ratchet file lists a finding that is no longer there.",
}
"""Rules that are not of lint: id → what it means."""


def to_text(outcomes: Sequence[Outcome]) -> str:
    """For a terminal: failures first in full, then one line a suite, then the count."""
    outcomes = legible(outcomes)
    lines = [
        failure_text(group) for group in _by_promise(outcomes) if any(outcome.failed for outcome in group)
    ]
    for status, word in (("improved", "better"), ("noted", "note  ")):
        lines += [f"{word} {o.title}: {o.name}: {o.message}" for o in outcomes if o.status == status]
    lines += [_suite_line(suite, group) for suite, group in _grouped(outcomes, lambda one: one.suite)]
    failed = sum(outcome.failed for outcome in outcomes)
    lines.append(f"{len(outcomes) - failed} passed, {failed} failed")
    return "\n".join(lines) + "\n"


def _by_promise(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The outcomes of one promise under several versions together; in order of the first of each."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for number, outcome in enumerate(outcomes):
        alike = (outcome.suite, outcome.name, str(outcome.source)) if outcome.variant else number
        groups.setdefault((alike,), []).append(outcome)
    return list(groups.values())


def failure_text(group: Sequence[Outcome]) -> str:
    """A failed promise: why, the fix, the versions in which it breaks and holds, and where it stands."""
    first = next(outcome for outcome in group if outcome.failed)
    lines = [f"FAILED {first.suite}: {first.name}", first.message]
    if first.fix:
        lines.append(f"fix: {first.fix}")
    broken = [outcome.variant for outcome in group if outcome.variant and outcome.failed]
    if broken:
        held = len(group) - len(broken)
        lines.append(
            f"breaks in: {', '.join(broken)}; holds in the other {held}" if held else "breaks in all"
        )
    if first.source:
        lines.append(f"at {first.source}")
    return "\n".join(lines).replace("\n", "\n       ")


def _suite_line(suite: str, group: Sequence[Outcome]) -> str:
    """One line a suite: how many hold, with several versions in how many all hold."""
    failed = sum(outcome.failed for outcome in group)
    line = f"{'FAIL' if failed else 'ok  '} {suite}: {len(group) - failed} of {len(group)} hold"
    variants = {outcome.variant for outcome in group}
    if len(variants) > 1:
        broken = {outcome.variant for outcome in group if outcome.failed}
        line += f"; all of them under {len(variants) - len(broken)} of {len(variants)} versions"
    return line


def to_json(outcomes: Sequence[Outcome]) -> str:
    """A list of plain records."""
    return json.dumps([_record(outcome) for outcome in legible(outcomes)], indent=2) + "\n"


def to_junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML: a testsuite a scenario, a testcase a promise; what is only noted is skipped.

    A message is one line: XML readers turn the line ends of an attribute into spaces.
    """
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite  # noqa: PLC0415 - only here

    xml = JUnitXml("qos")
    for name, group in _by_suite(legible(outcomes)):
        suite = TestSuite(name)
        for outcome in group:
            case = TestCase(outcome.name, classname=name, time=0.0)
            if outcome.failed:
                kind = Error if outcome.status == "error" else Failure
                case.result = [kind(_one_line(outcome.explanation), outcome.rule)]
            elif outcome.status == "noted":
                case.result = [Skipped(_one_line(outcome.explanation), outcome.rule)]
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]  # junitparser types the rest only
    buffer = io.BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue().decode()


def to_sarif(outcomes: Sequence[Outcome]) -> str:
    """SARIF 2.1.0: failures and findings as results with file and line; waived ones as suppressed."""
    shown = [outcome for outcome in legible(outcomes) if outcome.failed or outcome.status == "noted"]
    rules = sorted({outcome.rule for outcome in shown})
    driver = {"name": "qos", "rules": [_sarif_rule(rule) for rule in rules]}
    results = [_sarif_result(outcome, rules) for outcome in shown]
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def to_github(outcomes: Sequence[Outcome]) -> str:
    """Workflow commands that GitHub shows as annotations on the pull request; waived findings are not."""
    lines = []
    for outcome in legible(outcomes):
        if outcome.waiver or not (outcome.failed or outcome.status == "noted"):
            continue
        source = outcome.source
        place = f" file={_property(source.file)},line={source.line or 1}," if source else " "
        text = f"{outcome.title}: {outcome.name}: {outcome.explanation}"
        command = _GITHUB_COMMAND[outcome.severity]
        lines.append(f"::{command}{place}title={_property('qos ' + outcome.rule)}::{_data(text)}")
    return "".join(f"{line}\n" for line in lines)


def to_markdown(outcomes: Sequence[Outcome]) -> str:
    """A table for GitHub's step summary."""
    rows = ["| | scenario | promise | why |", "|---|---|---|---|"]
    for outcome in legible(outcomes):
        mark = "❌" if outcome.failed else "❕" if outcome.status == "noted" else "✅"
        rows.append(
            f"| {mark} | {_cell(outcome.title)} | {_cell(outcome.name)} | {_cell(outcome.explanation)} |"
        )
    return "\n".join(rows) + "\n"


def to_gitlab(outcomes: Sequence[Outcome]) -> str:
    """GitLab Code Quality: failures with a fingerprint that stays while the promise does.

    The line is no part of the fingerprint, so that lines added above are no new finding; the second of two
    alike has its number in it, since GitLab shows only one of each fingerprint.
    """
    seen: Counter[str] = Counter()
    report = []
    for outcome in legible(outcomes):
        if not outcome.failed:
            continue
        identity = f"{outcome.title}\0{outcome.rule}\0{outcome.name}"
        seen[identity] += 1
        if seen[identity] > 1:
            identity += f"\0{seen[identity]}"
        report.append(
            {
                "description": f"{outcome.title}: {outcome.name}: {outcome.explanation}",
                "check_name": outcome.rule,
                "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
                "severity": _GITLAB_SEVERITY[outcome.severity],
                "location": {
                    "path": outcome.source.file if outcome.source else outcome.suite,
                    "lines": {"begin": (outcome.source.line if outcome.source else None) or 1},
                },
            }
        )
    return json.dumps(report, indent=2) + "\n"


def to_tap(outcomes: Sequence[Outcome]) -> str:
    """TAP version 14, the reason of a failure as a YAML block; what is only noted is skipped."""
    lines = ["TAP version 14", f"1..{len(outcomes)}"]
    for number, outcome in enumerate(legible(outcomes), 1):
        name = _tap(f"{outcome.title}: {outcome.name}")
        skip = f" # SKIP {_tap(_one_line(outcome.explanation))}" if outcome.status == "noted" else ""
        lines.append(f"{'not ok' if outcome.failed else 'ok'} {number} - {name}{skip}")
        if outcome.failed:
            lines += ["  ---", f"  message: {json.dumps(outcome.explanation, ensure_ascii=False)}", "  ..."]
    return "\n".join(lines) + "\n"


FORMATS: Final[dict[str, Callable[[Sequence[Outcome]], str]]] = {
    "text": to_text,
    "json": to_json,
    "junit": to_junit,
    "sarif": to_sarif,
    "github": to_github,
    "markdown": to_markdown,
    "gitlab": to_gitlab,
    "tap": to_tap,
}


def _by_suite(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    return _grouped(outcomes, lambda outcome: outcome.title)


def _grouped(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> list[tuple[str, list[Outcome]]]:
    return [(name, list(group)) for name, group in groupby(sorted(outcomes, key=key), key=key)]


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "suite": outcome.suite,
        "variant": outcome.variant,
        "name": outcome.name,
        "status": outcome.status,
        "rule": outcome.rule,
        "severity": outcome.severity,
        "message": outcome.message,
        "fix": outcome.fix,
        "waiver": outcome.waiver,
        "source": str(outcome.source) if outcome.source else None,
    }


def _sarif_rule(rule: str) -> dict[str, Any]:
    text = _OWN_RULES.get(rule)
    if text is None and rule in RULES:
        text = (inspect.getdoc(RULES[rule]) or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
    return {"id": rule} | ({"shortDescription": {"text": text}} if text else {})


def _sarif_result(outcome: Outcome, rules: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": outcome.rule,
        "ruleIndex": rules.index(outcome.rule),
        "level": _SARIF_LEVEL[outcome.severity],
        "message": {"text": f"{outcome.title}: {outcome.name}: {outcome.explanation}"},
    }
    if outcome.source:
        source = outcome.source
        region = {"startLine": source.line or 1} | ({"startColumn": source.column} if source.column else {})
        place = {"artifactLocation": {"uri": quote(source.file)}, "region": region}
        result["locations"] = [{"physicalLocation": place}]
    if outcome.waiver:
        result["suppressions"] = [{"kind": outcome.waiver, "justification": outcome.message}]
    return result


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """Text in one cell of a Markdown table: nothing in it is read as HTML or as the cell's end."""
    return html.escape(_one_line(text), quote=False).replace("|", "&#124;")


def _tap(text: str) -> str:
    return text.replace("\\", "\\\\").replace("#", "\\#")


def _one_line(text: str) -> str:
    return text.replace("\n", " ")

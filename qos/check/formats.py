"""Outcomes in the formats that CI systems read. One function a format; FORMATS is the registry.

Sources: JUnit XML as Jenkins' schema has it (written by junitparser); SARIF 2.1.0 (OASIS); GitHub workflow
commands; GitLab Code Quality report; TAP 14.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from qos.check.outcome import Outcome

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def to_text(outcomes: Sequence[Outcome]) -> str:
    """For a terminal: failures first in full, then one line a suite, then the count."""
    lines = [
        f"FAILED {outcome.suite}: {outcome.name}\n       {outcome.message}"
        + (f"\n       at {outcome.source}" if outcome.source else "")
        for outcome in outcomes
        if outcome.failed
    ]
    lines += [f"better {o.suite}: {o.name}: {o.message}" for o in outcomes if o.status == "improved"]
    for suite, group in _by_suite(outcomes):
        failed = sum(outcome.failed for outcome in group)
        lines.append(f"{'FAIL' if failed else 'ok  '} {suite}: {len(group) - failed} of {len(group)} hold")
    failed = sum(outcome.failed for outcome in outcomes)
    lines.append(f"{len(outcomes) - failed} passed, {failed} failed")
    return "\n".join(lines) + "\n"


def to_json(outcomes: Sequence[Outcome]) -> str:
    """A list of plain records."""
    return json.dumps([_record(outcome) for outcome in outcomes], indent=2) + "\n"


def to_junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML: a testsuite a scenario, a testcase a promise."""
    from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite  # noqa: PLC0415 - only for this format

    xml = JUnitXml("qos")
    for name, group in _by_suite(outcomes):
        suite = TestSuite(name)
        for outcome in group:
            case = TestCase(outcome.name, classname=name, time=0.0)
            if outcome.failed:
                kind = Error if outcome.status == "error" else Failure
                case.result = [kind(outcome.message, outcome.rule)]
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]  # junitparser types the rest only
    buffer = io.BytesIO()
    xml.write(buffer, pretty=True)
    return buffer.getvalue().decode()


def to_sarif(outcomes: Sequence[Outcome]) -> str:
    """SARIF 2.1.0: failures as results with file and line, for code scanning."""
    failed = [outcome for outcome in outcomes if outcome.failed]
    rules = sorted({outcome.rule for outcome in failed})
    results = [
        {
            "ruleId": outcome.rule,
            "ruleIndex": rules.index(outcome.rule),
            "level": "error",
            "message": {"text": f"{outcome.suite}: {outcome.name}: {outcome.message}"},
        }
        | ({"locations": [_sarif_location(outcome)]} if outcome.source else {})
        for outcome in failed
    ]
    driver = {"name": "qos", "rules": [{"id": rule} for rule in rules]}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def to_github(outcomes: Sequence[Outcome]) -> str:
    """Workflow commands that GitHub shows as annotations on the pull request."""
    lines = []
    for outcome in outcomes:
        if not outcome.failed:
            continue
        place = (
            f" file={_property(outcome.source.file)},line={outcome.source.line or 1},"
            if outcome.source
            else " "
        )
        text = f"{outcome.suite}: {outcome.name}: {outcome.message}"
        lines.append(f"::error{place}title={_property('qos ' + outcome.rule)}::{_data(text)}")
    return "".join(f"{line}\n" for line in lines)


def to_markdown(outcomes: Sequence[Outcome]) -> str:
    """A table for GitHub's step summary."""
    rows = ["| | scenario | promise | why |", "|---|---|---|---|"]
    for outcome in outcomes:
        cells = ("❌" if outcome.failed else "✅", outcome.suite, outcome.name, outcome.message)
        rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def to_gitlab(outcomes: Sequence[Outcome]) -> str:
    """GitLab Code Quality: failures with a fingerprint that stays while the promise does."""
    report = [
        {
            "description": f"{outcome.suite}: {outcome.name}: {outcome.message}",
            "check_name": outcome.rule,
            "fingerprint": hashlib.sha256(
                f"{outcome.suite}\0{outcome.rule}\0{outcome.name}".encode()
            ).hexdigest(),
            "severity": "major",
            "location": {
                "path": outcome.source.file if outcome.source else outcome.suite,
                "lines": {"begin": (outcome.source.line if outcome.source else None) or 1},
            },
        }
        for outcome in outcomes
        if outcome.failed
    ]
    return json.dumps(report, indent=2) + "\n"


def to_tap(outcomes: Sequence[Outcome]) -> str:
    """TAP version 14, the reason of a failure as a YAML block."""
    lines = ["TAP version 14", f"1..{len(outcomes)}"]
    for number, outcome in enumerate(outcomes, 1):
        name = f"{outcome.suite}: {outcome.name}".replace("#", "\\#")
        lines.append(f"{'not ok' if outcome.failed else 'ok'} {number} - {name}")
        if outcome.failed:
            lines += ["  ---", f"  message: {json.dumps(outcome.message)}", "  ..."]
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
    ordered = sorted(outcomes, key=lambda outcome: outcome.suite)
    return [(suite, list(group)) for suite, group in groupby(ordered, key=lambda outcome: outcome.suite)]


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "suite": outcome.suite,
        "name": outcome.name,
        "status": outcome.status,
        "rule": outcome.rule,
        "message": outcome.message,
        "source": str(outcome.source) if outcome.source else None,
    }


def _sarif_location(outcome: Outcome) -> dict[str, Any]:
    source = outcome.source
    assert source is not None
    region = {"startLine": source.line or 1} | ({"startColumn": source.column} if source.column else {})
    return {"physicalLocation": {"artifactLocation": {"uri": source.file}, "region": region}}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""Every output format of `qos test` is read back by a consumer of that format, whatever text is in it.

JUnit by junitparser and by ElementTree, TAP by tap.py, JSON and GitLab by a JSON reader. SARIF by its schema
(OASIS, 2.1.0-rtm.5, as Microsoft's npm package jest-sarif 1.0.0-beta.0 has it, descriptions left out).
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from junitparser import JUnitXml
from tap.parser import Parser

from qos.check.formats import FORMATS
from qos.check.lint_rules import RULES
from qos.check.outcome import Outcome, legible
from qos.errors import SourceRef

# Any text at all: control characters, lone surrogates, markup, line ends of every kind.
TEXT = st.one_of(
    st.text(st.characters(codec=None), max_size=12),
    st.sampled_from(
        ["", "\x00", "\ud800", "￾", "]]>", "<a>&amp;", "a|b", "\\|", "::error::x", "a,b:c%", "\r\n", "\x85 "]
    ),
)
OUTCOMES = st.lists(
    st.builds(
        Outcome,
        suite=TEXT,
        name=TEXT,
        status=st.sampled_from(["passed", "failed", "error", "improved", "noted"]),
        message=TEXT,
        rule=st.sampled_from(["expect", "baseline", *RULES]),
        source=st.none() | st.builds(SourceRef, TEXT, st.none() | st.integers(1, 9), st.none()),
        severity=st.sampled_from(["error", "warning", "info"]),
        fix=TEXT,
    ),
    max_size=4,
)


SARIF = Draft4Validator(
    json.loads((Path(__file__).parents[1] / "data" / "sarif" / "sarif-2.1.0-rtm.5.json").read_text())
)


@given(OUTCOMES)
def test_junit_says_the_same_to_two_readers(outcomes: list[Outcome]) -> None:
    """ElementTree and junitparser both find every case, its kind and its whole message."""
    text = FORMATS["junit"](outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    noted = sum(outcome.status == "noted" for outcome in outcomes)
    xml = JUnitXml.fromstring(text.encode())
    assert (xml.tests, xml.failures + xml.errors, xml.skipped) == (len(outcomes), failed, noted)
    root = ET.fromstring(text)
    cases = root.findall("testsuite/testcase")
    by_suite = sorted(legible(outcomes), key=lambda one: one.suite)
    assert [(case.get("classname"), case.get("name")) for case in cases] == [
        (one.suite, one.name) for one in by_suite
    ]
    for case, outcome in zip(cases, by_suite, strict=True):
        told = [child.get("message", "") for child in case]
        message = outcome.explanation.replace("\n", " ")
        assert told == ([message] if outcome.failed or outcome.status == "noted" else [])


@given(OUTCOMES)
def test_sarif_is_valid_by_its_schema(outcomes: list[Outcome]) -> None:
    """The schema's own validator accepts it; every result's rule is in the driver's table."""
    document = json.loads(FORMATS["sarif"](outcomes))
    SARIF.validate(document)
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert len(run["results"]) == sum(one.failed or one.status == "noted" for one in outcomes)


def test_every_rule_is_described_in_sarif() -> None:
    """Code scanning shows a sentence for each rule, and it is the rule's own docstring."""
    outcomes = [Outcome("s", "n", "failed", "m", rule) for rule in ["expect", "baseline", "ignore", *RULES]]
    document = json.loads(FORMATS["sarif"](outcomes))
    texts = {
        rule["id"]: rule["shortDescription"]["text"]
        for rule in document["runs"][0]["tool"]["driver"]["rules"]
    }
    assert set(texts) == {outcome.rule for outcome in outcomes}
    assert all(text.endswith(".") for text in texts.values())


def test_a_waived_finding_is_suppressed_and_not_annotated() -> None:
    """SARIF keeps it with who waived it and why; GitHub and GitLab show nothing."""
    waived = Outcome(
        "s", "n", "noted", "legacy", "weight-one", SourceRef("a b.yaml", 3, 2), waiver="inSource"
    )
    (result,) = json.loads(FORMATS["sarif"]([waived]))["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "legacy"}]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a%20b.yaml"}, "region": {"startLine": 3, "startColumn": 2}}
    assert FORMATS["github"]([waived]) == ""
    assert json.loads(FORMATS["gitlab"]([waived])) == []


_COMMAND = re.compile(
    r"::(error|warning|notice) (?:file=([^:,\r\n]*),line=(\d+),)?title=([^:,\r\n]*)::([^\r\n]*)"
)


@given(OUTCOMES)
def test_github_annotations_are_one_command_a_line(outcomes: list[Outcome]) -> None:
    """No name or message ends its property or its line early, and unescaping gives it back."""
    shown = [one for one in legible(outcomes) if one.failed or one.status == "noted"]
    lines = FORMATS["github"](outcomes).split("\n")[:-1]
    assert len(lines) == len(shown)
    for line, outcome in zip(lines, shown, strict=True):
        match = _COMMAND.fullmatch(line)
        assert match is not None, line
        data = match[5].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        assert data == f"{outcome.suite}: {outcome.name}: {outcome.explanation}"
        if outcome.source:
            file = match[2].replace("%3A", ":").replace("%2C", ",").replace("%0A", "\n").replace("%25", "%")
            assert file == outcome.source.file


@given(OUTCOMES)
def test_gitlab_fingerprints_are_unique(outcomes: list[Outcome]) -> None:
    """GitLab shows one issue a fingerprint, so each failure has its own."""
    report = json.loads(FORMATS["gitlab"](outcomes))
    assert len(report) == sum(one.failed for one in outcomes)
    assert len({one["fingerprint"] for one in report}) == len(report)
    assert {one["severity"] for one in report} <= {"info", "minor", "major", "critical", "blocker"}


def test_gitlab_fingerprints_stay_when_lines_move() -> None:
    """A new line above a promise, or another figure in the message, is no new issue; another name is."""

    def fingerprint(name: str, message: str, line: int) -> str:
        outcome = Outcome("s", name, "failed", message, source=SourceRef("a.yaml", line))
        return json.loads(FORMATS["gitlab"]([outcome]))[0]["fingerprint"]

    assert fingerprint("p", "is 1", 3) == fingerprint("p", "is 2", 4)
    assert fingerprint("p", "is 1", 3) != fingerprint("q", "is 1", 3)


@given(OUTCOMES)
def test_tap_is_understood_by_a_tap_consumer(outcomes: list[Outcome]) -> None:
    """tap.py finds the plan, as many results, the same verdicts and the same reasons."""
    lines = [
        line for line in Parser().parse_text(FORMATS["tap"](outcomes)) if line.category in {"plan", "test"}
    ]
    plan, *results = lines
    assert plan.expected_tests == len(outcomes) == len(results)
    for result, outcome in zip(results, legible(outcomes), strict=True):
        assert result.ok is not outcome.failed
        if outcome.failed:
            assert result.yaml_block == {"message": outcome.explanation}


def test_tap_escapes_what_would_be_a_directive() -> None:
    r"""A promise named like a directive is not skipped; TAP 14 escapes # and \."""
    text = FORMATS["tap"]([Outcome("s", "a # TODO \\", "failed", "m")])
    assert "not ok 1 - s: a \\# TODO \\\\\n" in text


@given(OUTCOMES)
def test_a_markdown_table_has_four_cells_a_row(outcomes: list[Outcome]) -> None:
    """No text adds a cell, a row or a tag; reading the entities gives it back."""
    rows = FORMATS["markdown"](outcomes).split("\n")[2:-1]
    assert len(rows) == len(outcomes)
    for row, outcome in zip(rows, legible(outcomes), strict=True):
        assert row.count("|") == 5
        assert "<" not in row
        cells = [html.unescape(cell[1:-1]) for cell in row.split("|")[1:-1]]
        assert cells[1:] == [outcome.suite, outcome.name, outcome.explanation.replace("\n", " ")]


@given(OUTCOMES)
def test_json_holds_every_outcome(outcomes: list[Outcome]) -> None:
    """Each record has the legible text of its outcome, as UTF-8."""
    records = json.loads(FORMATS["json"](outcomes).encode())
    assert [(one["suite"], one["name"], one["status"], one["message"], one["fix"]) for one in records] == [
        (one.suite, one.name, one.status, one.message, one.fix) for one in legible(outcomes)
    ]


@given(OUTCOMES)
def test_a_terminal_gets_nothing_but_printable_lines(outcomes: list[Outcome]) -> None:
    """No escape sequence of a name reaches the terminal, and the count at the end is right."""
    text = FORMATS["text"](outcomes)
    assert all(line.isprintable() for line in text.split("\n"))
    failed = sum(outcome.failed for outcome in outcomes)
    assert text.split("\n")[-2] == f"{len(outcomes) - failed} passed, {failed} failed"


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_checked_is_still_a_whole_document(name: str) -> None:
    """With no outcome each format is valid and says of no failure."""
    text = FORMATS[name]([])
    assert "fail" not in text.replace('failures="0"', "").replace("0 failed", "")

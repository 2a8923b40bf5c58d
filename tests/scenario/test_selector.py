"""Label selectors mean what kubectl -l takes them for."""

from __future__ import annotations

import pytest

from qos.scenario.selector import parse_selector

WEB = {"app": "web", "env": "prod", "tier": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("app=web", True), ("app==web", True), ("app=db", False), ("app!=db", True), ("app!=web", False),
        ("missing!=x", True), ("env in (prod, dev)", True), ("env in (dev)", False),
        ("env notin (dev)", True),
        ("missing notin (x)", True), ("app", True), ("missing", False), ("!missing", True), ("!app", False),
        ("app=web,env=prod", True), ("app=web, env=dev", False), ("tier=", True), ("app in (web),!x", True),
    ],
)  # fmt: skip
def test_a_selector_matches_as_kubectl_does(text: str, matches: bool) -> None:
    """Equality, sets and existence, joined by commas."""
    assert parse_selector(text).matches(WEB) is matches


@pytest.mark.parametrize(
    "text", ["", " ", ",", "app=web,", "a b", "!", "=x", "app=(a)", "app in web", "app in (a", "a=b=c"]
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    """A ValueError whose text says what a selector looks like."""
    with pytest.raises(ValueError, match=r"(expected|is not) a selector such as"):
        parse_selector(text)

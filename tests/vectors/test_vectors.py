"""Golden vectors computed by the real Kubernetes code, against the project's own public functions."""

from __future__ import annotations

import pytest
from cases import Case, differences
from kinds.registry import KINDS
from quirks import unexplained


def test_vector(case: Case) -> None:
    """Every field that a line states is what our own functions answer, upstream's marked quirks apart."""
    if case.error:
        pytest.fail(f"{case.file}:{case.line}: {case.error}", pytrace=False)
    kind = KINDS.get(case.kind)
    if kind is None:
        pytest.fail(f"{case.id}: no such kind: {case.kind!r}", pytrace=False)
    expect, got = kind(case)
    wrong = unexplained(case, sorted(differences(expect, got, partial=case.is_upstream_table)))
    if wrong:
        pytest.fail(f"{case.id}\n" + "\n".join(f"  {line}" for line in wrong), pytrace=False)

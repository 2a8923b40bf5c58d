"""``pytest tests/vectors --vectors DIR``: one test a line of DIR/*.jsonl.gz."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import COPY, read_cases


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--vectors``."""
    parser.addoption(
        "--vectors",
        metavar="DIR",
        default=None,
        help="directory of *.jsonl.gz vectors (default: the copy in tests/data)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a line."""
    if "case" not in metafunc.fixturenames:
        return
    given = metafunc.config.getoption("--vectors", default=None)
    directory = Path(given) if given else COPY
    cases = list(read_cases(directory))
    if not cases:
        raise pytest.UsageError(f"--vectors {directory}: no *.jsonl.gz with cases there")
    seen: dict[str, int] = {}
    ids = []
    for case in cases:
        count = seen[case.id] = seen.get(case.id, 0) + 1
        ids.append(case.id if count == 1 else f"{case.id}@{case.line}")
    metafunc.parametrize("case", cases, ids=ids)

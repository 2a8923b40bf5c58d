"""What an installed qos has: every file of the packages, not their modules alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LEFT_BY_PROGRAMS = frozenset({".pyc", ".nbi", ".nbc"})


def test_every_data_file_of_the_packages_is_installed() -> None:
    """A file beside the modules is named in package-data: without it a wheel works only in a checkout."""
    tool = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    named = {
        f"{package}/{name}" for package, names in tool["setuptools"]["package-data"].items() for name in names
    }
    there = {
        str(path.relative_to(REPOSITORY))
        for package in ("qos", "enforcer")
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", *LEFT_BY_PROGRAMS}
    }
    assert there == named

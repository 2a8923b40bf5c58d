"""`import qos`: a table of names that agree with each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import qos

INIT = Path(qos.__file__)


def _imported_for_types() -> dict[str, str]:
    block = next(
        node for node in ast.parse(INIT.read_text(encoding="utf-8")).body if isinstance(node, ast.If)
    )
    return {
        alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@pytest.mark.parametrize("name", qos.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """Each name of __all__ can be had, comes from where type checkers look, and has a docstring."""
    value = getattr(qos, name)
    assert value.__module__ == _imported_for_types()[name]
    assert value.__doc__


def test_names_agree() -> None:
    """What type checkers see and what is offered are the same names."""
    assert sorted(_imported_for_types()) == sorted(qos.__all__)


def test_import_is_light() -> None:
    """`import qos` alone loads neither pydantic nor numpy."""
    code = "import qos, sys; print([m for m in ('numpy', 'pandas', 'pydantic', 'numba') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_unknown_names_are_attribute_errors() -> None:
    """A misspelt name fails as on any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = qos.nonsense


def test_no_name_hides_a_box() -> None:
    """A public name is never that of a package below qos, which an import would put in its place."""
    boxes = {path.name for path in INIT.parent.iterdir() if path.is_dir()}
    assert not boxes & set(qos.__all__)

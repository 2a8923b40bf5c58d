"""The worked numbers in docstrings of quantities and policies are what the functions answer."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import qos.policy
from qos.model import quantity, quantity_text

MODULES = [
    name for _, name, package in pkgutil.iter_modules(qos.policy.__path__, "qos.policy.") if not package
]


@pytest.mark.parametrize("name", [*MODULES, quantity.__name__, quantity_text.__name__])
def test_examples(name: str) -> None:
    """Every ``>>>`` line of the module gives what stands below it."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0

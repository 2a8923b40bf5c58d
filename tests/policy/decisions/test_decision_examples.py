"""The worked examples in the docstrings of decisions, agents and the order of writes."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import qos.agent
import qos.policy.decisions

MODULES = [
    "qos.model.write_order",
    *(f"{package.__name__}.{one.name}" for package in (qos.agent, qos.policy.decisions)
      for one in pkgutil.iter_modules(package.__path__)),
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """Every example of a docstring gives what it says."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0

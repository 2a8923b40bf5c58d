"""Fixtures every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# No test judges by the clock: a busy machine is no failure.
settings.register_profile("qos", deadline=None)
settings.load_profile("qos")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The team's real manifests, dumps and traces, which lie beside the checkout and not in it."""
    path = REPOSITORY.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip("no ../shared beside the checkout: real manifests, dumps and traces are not here")
    return path

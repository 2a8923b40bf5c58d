"""Public names that are imported when first asked for (PEP 562): `qos --help` pays for none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__``: each name is taken from its module at first use.

    Args:
        package: name of the module that offers the names, for the error.
        modules: public name → module that defines it.
    """

    def get(name: str) -> Any:
        if name not in modules:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(import_module(modules[name]), name)

    return get

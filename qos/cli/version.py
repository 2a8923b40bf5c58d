"""`qos version`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

_SHOWN = ("numpy", "numba", "pandas", "pydantic", "plotly", "pyarrow", "typer")


class Output(StrEnum):
    """Formats of `qos version`."""

    TEXT = "text"
    JSON = "json"


def version(
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TEXT,
) -> None:
    """Print the versions of qos, Python and the libraries that decide a result."""
    import platform
    from importlib import metadata

    versions = {"qos": metadata.version("qos"), "python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in _SHOWN}
    if output is Output.JSON:
        print(json.dumps(versions))
    else:
        print("\n".join(f"{name} {number}" for name, number in versions.items()))

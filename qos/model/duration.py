"""Durations as Kubernetes writes them (Go's time.Duration): ``100ms``, ``1m30s``, ``2h``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

_UNIT_SECONDS: Final = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6), "ms": Fraction(1, 1000),
    "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400),
}  # fmt: skip
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,12})?|\.\d{1,12})(ns|us|µs|ms|s|m|h|d)")
EXPECTED: Final = "a duration such as 100ms, 30s, 1m30s or 2h"


def parse_duration_seconds(value: Any) -> float:
    """Seconds of a duration text; a bare number is seconds. ``d`` (days) is accepted beside Go's units.

    >>> parse_duration_seconds("1m30s")
    90.0

    Raises:
        ValueError: not a duration, or negative.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value < float("inf"):
            msg = f"must not be negative or infinite; expected {EXPECTED}"
            raise ValueError(msg)
        return float(value)
    text = str(value).strip()
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        if text == "0":
            return 0.0
        msg = f"is not {EXPECTED}"
        raise ValueError(msg)
    return float(sum((Fraction(number) * _UNIT_SECONDS[unit] for number, unit in parts), Fraction(0)))


_SCHEMA: Final = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^(([0-9]*\.)?[0-9]+(ns|us|µs|ms|s|m|h|d))+$|^0$"},
            {"type": "number", "minimum": 0},
        ],
        "examples": ["100ms", "1m30s"],
    }
)
Duration = Annotated[float, BeforeValidator(parse_duration_seconds), _SCHEMA]
"""A number of seconds, read from a duration text."""

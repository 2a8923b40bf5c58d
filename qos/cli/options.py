"""Values of options that several commands have."""

from __future__ import annotations

from qos.errors import InputError
from qos.model.duration import EXPECTED, parse_duration_seconds


def parse_duration(text: str, option: str, *, least_seconds: float = 0.01) -> float:
    """Seconds of an option's duration.

    Raises:
        InputError: not a duration, or shorter than ``least_seconds``.
    """
    try:
        seconds = parse_duration_seconds(text)
    except ValueError as error:
        raise InputError("not a duration", field=option, value=text, expected=EXPECTED) from error
    if seconds < least_seconds:
        raise InputError("too short", field=option, value=text, expected=f"{least_seconds:g}s or more")
    return seconds

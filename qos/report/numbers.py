"""Numbers as a reader of a page wants them: three digits, a unit, thousands apart."""

from __future__ import annotations

import math


def digits(value: float) -> str:
    """Three significant digits and no exponent.

    >>> digits(1312.4), digits(0.5), digits(63.66)
    ('1,312', '0.5', '63.7')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(fraction: float) -> str:
    """A fraction as per cent with one decimal below 10 %.

    >>> percent(0.844), percent(0.0137)
    ('84 %', '1.4 %')
    """
    return f"{fraction * 100:.{0 if fraction >= 0.0995 or fraction == 0 else 1}f} %"


def duration(seconds: float) -> str:
    """Seconds, or milliseconds below one.

    >>> duration(1.312), duration(0.0422)
    ('1.31 s', '42.2 ms')
    """
    return f"{digits(seconds)} s" if seconds >= 0.9995 else f"{digits(seconds * 1000)} ms"


def mebibytes(count: float) -> str:
    """Bytes in MiB.

    >>> mebibytes(1610612736)
    '1,536 MiB'
    """
    return f"{count / 2**20:,.0f} MiB"

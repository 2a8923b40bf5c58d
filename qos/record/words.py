"""Numbers as a person reads them: three digits and a unit."""

from __future__ import annotations

import math
from typing import Final

_TIMES: Final = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def duration_text(seconds: float) -> str:
    """Seconds in the unit that fits.

    >>> duration_text(0.0413), duration_text(31.04), duration_text(1.238)
    ('41.3 ms', '31 s', '1.24 s')
    """
    if not math.isfinite(seconds):
        return "unknown"
    scale, unit = next(((s, u) for s, u in reversed(_TIMES) if abs(seconds) >= s * 0.9995), _TIMES[0])
    return f"{digits(seconds / scale)} {unit}"


def percent_text(fraction: float) -> str:
    """A fraction as per cent; small ones keep a digit, so that something is not told as nothing.

    >>> percent_text(0.38), percent_text(0.004), percent_text(0.00001)
    ('38 %', '0.4 %', '<0.1 %')
    """
    if 0 < fraction < 0.0005:
        return "<0.1 %"
    return f"{fraction * 100:.1f} %" if 0 < fraction < 0.0095 else f"{fraction * 100:.0f} %"


def bytes_text(count: float) -> str:
    """Bytes in powers of 1024.

    >>> bytes_text(1536 * 1024**2)
    '1.5 GiB'
    """
    power = 0
    while abs(count) >= 1023.5 and power < len(_BYTES) - 1:
        count /= 1024
        power += 1
    return f"{digits(count)} {_BYTES[power]}"


def digits(value: float) -> str:
    """Three significant digits, no exponent, no trailing zeros.

    >>> digits(1234.5), digits(2.0), digits(0.12345)
    ('1234', '2', '0.123')
    """
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

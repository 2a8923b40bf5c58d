"""The spelling of quantities: apimachinery's grammar, and its canonical form.

Source: k8s.io/apimachinery/pkg/api/resource (quantity.go, suffix.go) of Kubernetes 1.36.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple, NoReturn

EXPECTED: Final = "a quantity such as 500m or 1Gi"
NANO: Final = 10**9
MAX_TEXT_LENGTH: Final = 128
MAX_EXPONENT: Final = 99
_INT64_MAX: Final = 2**63 - 1
_BINARY_CAP_NANO: Final = _INT64_MAX * NANO
_FAST_DIGITS: Final = 18
_FAST_BINARY_DIGITS: Final = 15

_GRAMMAR: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT: Final = re.compile(r"[eE]([-+]?[0-9]+)", re.ASCII)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = ("", *_BINARY)


class QuantityFormat(StrEnum):
    """How a quantity is spelled: ``1500m``, ``1Gi`` or ``12e6``."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


class QuantityText(NamedTuple):
    """What a spelling says.

    Attributes:
        nano: the amount in billionths, rounded away from zero.
        format: the kind of suffix.
        canonical: whether apimachinery keeps this spelling as it is.
        is_int64: whether apimachinery holds it as an int64 of whole units.
    """

    nano: int
    format: QuantityFormat
    canonical: bool
    is_int64: bool


def refuse(why: str = "") -> NoReturn:
    """Refuse a spelling; ``why`` follows "must be a quantity such as 500m or 1Gi".

    Raises:
        ValueError: always.
    """
    msg = f"must be {EXPECTED}{why}"
    raise ValueError(msg)


def read_text(text: str) -> QuantityText:
    """What apimachinery reads in ``text``.

    >>> read_text("1.5Gi").nano
    1610612736000000000

    Raises:
        ValueError: not a quantity, too long, or far beyond any machine (more than 10^99).
    """
    if len(text) > MAX_TEXT_LENGTH:
        refuse(f" of at most {MAX_TEXT_LENGTH} characters")
    match = _GRAMMAR.fullmatch(text)
    if match is None or not text:
        refuse(_hint(text))
    sign, whole, fraction, suffix = match.groups()
    exponent, format = _suffix(suffix, text)  # noqa: A001 - apimachinery's word
    digits = whole.lstrip("0") or "0"
    fraction = fraction or ""
    shifted = digits + fraction
    amount = int(shifted)
    nano = _nano(amount, len(fraction), exponent, format)
    scale = _fast_scale(digits, fraction, exponent, format)
    if scale is None and format is QuantityFormat.BINARY_SI:
        nano = min(nano, _BINARY_CAP_NANO)
        if nano < NANO:
            format = QuantityFormat.DECIMAL_SI  # noqa: A001 - apimachinery's word
    kept = scale is not None and _is_canonical(shifted, amount, scale, format)
    int64 = scale is not None and scale >= 0 and nano <= _BINARY_CAP_NANO
    return QuantityText(-nano if sign == "-" else nano, format, kept, int64)


def _suffix(suffix: str, text: str) -> tuple[int, QuantityFormat]:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], QuantityFormat.DECIMAL_SI
    if suffix in _BINARY:
        return _BINARY[suffix], QuantityFormat.BINARY_SI
    match = _EXPONENT.fullmatch(suffix)
    if match is None:
        refuse(_hint(text))
    exponent = int(match[1])
    if exponent > MAX_EXPONENT:
        refuse(f", no larger than 1e{MAX_EXPONENT}")
    return max(exponent, -10 * MAX_TEXT_LENGTH), QuantityFormat.DECIMAL_EXPONENT


def _nano(amount: int, places: int, exponent: int, format: QuantityFormat) -> int:  # noqa: A002 - apimachinery's word
    """``amount`` · 10^-places · suffix in nano units, rounded up."""
    if format is QuantityFormat.BINARY_SI:
        divisor: int = 10**places
        return -(-((amount << exponent) * NANO) // divisor)
    power = 9 + exponent - places
    factor: int = 10 ** abs(power)
    return amount * factor if power >= 0 else -(-amount // factor)


def _fast_scale(digits: str, fraction: str, exponent: int, format: QuantityFormat) -> int | None:  # noqa: A002 - apimachinery's word
    """The power of ten under which apimachinery keeps the digits as an int64; None: as a big decimal.

    It matters only for which spellings are kept as typed.
    """
    if format is QuantityFormat.BINARY_SI:
        room = _FAST_BINARY_DIGITS - len(digits) - exponent * 3 // 10 - 1
        return 0 if room >= 0 and not fraction else None
    scale = exponent - len(fraction)
    return scale if len(digits) + len(fraction) <= _FAST_DIGITS and scale >= -9 else None


def _is_canonical(shifted: str, amount: int, scale: int, format: QuantityFormat) -> bool:  # noqa: A002 - apimachinery's word
    if format is QuantityFormat.BINARY_SI:
        return amount & 7 != 0
    return scale % 3 == 0 and shifted[0] != "0" and not shifted.endswith("000")


def canonical_text(nano: int, format: QuantityFormat) -> str:  # noqa: A002 - apimachinery's word
    """The canonical spelling: the largest suffix that leaves a whole number.

    >>> canonical_text(1500 * 10**9, QuantityFormat.DECIMAL_SI)
    '1500'
    """
    if nano == 0:
        return "0"
    if format is QuantityFormat.BINARY_SI and abs(nano) >= 1024 * NANO and nano % NANO == 0:
        value, thousands = nano // NANO, 0
        while value % 1024 == 0 and thousands < len(_BINARY):
            value //= 1024
            thousands += 1
        return f"{value}{_BINARY_SUFFIX[thousands]}"
    mantissa, exponent = nano, -9
    while mantissa % 1000 == 0:
        mantissa //= 1000
        exponent += 3
    if format is QuantityFormat.DECIMAL_EXPONENT or exponent not in _DECIMAL_SUFFIX:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[exponent]}"


def _hint(text: str) -> str:
    """What was probably meant by a near miss: " (did you mean 512Mi?)", or nothing."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*([kKmMgGtTpPeE])?(i)?([bB])?(?:ytes?)?\s*", text)
    if match is None or not match[1].strip("."):
        return ""
    number, letter, binary, byte = match.groups()
    if letter is None:
        return f" (did you mean {number}?)"
    upper = letter.upper()
    if binary:
        return f" (did you mean {number}{upper}i?)"
    unit = "k" if upper == "K" else upper
    return (
        f" (did you mean {number}{unit} or {number}{upper}i?)"
        if byte or upper == "K"
        else f" (did you mean {number}{letter}?)"
    )

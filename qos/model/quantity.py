"""Exact resource quantities: the grammar, rounding and canonical spelling of apimachinery.

A :class:`Quantity` is an integer number of nano units, so ``requests == limits`` can decide a QoS class.
Where the API server's own int64 arithmetic overflows, this one does not.

Source: k8s.io/apimachinery/pkg/api/resource (quantity.go, suffix.go, math.go) of Kubernetes 1.36.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NoReturn, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

EXPECTED: Final = "a quantity such as 500m or 1Gi"
NANO: Final = 10**9
MAX_TEXT_LENGTH: Final = 128
MAX_EXPONENT: Final = 99
_INT64_MAX: Final = 2**63 - 1
_BINARY_CAP_NANO: Final = _INT64_MAX * NANO
_FAST_DIGITS: Final = 18
_FAST_BINARY_DIGITS: Final = 15

_GRAMMAR: Final = re.compile(r"([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
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


class Quantity:
    """An exact, immutable amount of a resource: CPU in CPUs, memory in bytes.

    Equality, order and hash are those of the amount: ``1`` equals ``1000m``. ``str()`` is the canonical
    spelling, except that a spelling that is canonical already is kept as typed, as the API server does.

    >>> str(Quantity.parse("1.5Gi")), Quantity.parse("1.5Gi").value()
    ('1536Mi', 1610612736)

    Attributes:
        nano: the amount in billionths.
        format: which spelling ``str()`` uses.
    """

    __slots__ = ("_int64", "_text", "format", "nano")

    nano: int
    format: QuantityFormat
    _text: str | None
    _int64: bool

    def __init__(self, nano: int, format: QuantityFormat = QuantityFormat.DECIMAL_SI) -> None:  # noqa: A002 - apimachinery's word
        object.__setattr__(self, "nano", nano)
        object.__setattr__(self, "format", format)
        object.__setattr__(self, "_text", None)
        object.__setattr__(self, "_int64", nano % NANO == 0 and abs(nano) <= _BINARY_CAP_NANO)

    @classmethod
    def parse(cls, value: str | float) -> Quantity:
        """The quantity of a text, or of a bare number as YAML and JSON have it.

        An amount below 1n is rounded up to 1n; a binary suffix caps at 2^63 - 1.

        >>> Quantity.parse("0.0001").milli_value()
        1

        Raises:
            ValueError: not a quantity, or far beyond any machine (more than 10^99).
        """
        if isinstance(value, str):
            return _parse(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse()
        if isinstance(value, int):
            if abs(value) > 10**MAX_EXPONENT:
                _refuse()
            return _parse(str(value))
        if not math.isfinite(value):
            _refuse()
        return _parse(repr(value))

    @classmethod
    def zero(cls) -> Quantity:
        """Nothing."""
        return _ZERO

    @classmethod
    def from_int(cls, value: int, format: QuantityFormat = QuantityFormat.DECIMAL_SI) -> Quantity:  # noqa: A002 - apimachinery's word
        """``value`` whole units.

        >>> str(Quantity.from_int(2048, QuantityFormat.BINARY_SI))
        '2Ki'
        """
        return cls(value * NANO, format)

    @classmethod
    def from_milli(cls, value: int, format: QuantityFormat = QuantityFormat.DECIMAL_SI) -> Quantity:  # noqa: A002 - apimachinery's word
        """``value`` thousandths: 1500 is 1500m."""
        return cls(value * 10**6, format)

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        return (self.nano > 0) - (self.nano < 0)

    @property
    def is_zero(self) -> bool:
        """Whether there is nothing of it; the kubelet treats a zero limit as none."""
        return self.nano == 0

    def scaled_value(self, scale: int) -> int:
        """The amount in units of 10^scale, rounded away from zero.

        >>> Quantity.parse("1.5").scaled_value(0), Quantity.parse("-1.5").scaled_value(0)
        (2, -2)
        """
        if scale <= -9:
            return self.nano * 10 ** (-9 - scale)
        unit = 10 ** (9 + scale)
        return -(-self.nano // unit) if self.nano >= 0 else self.nano // unit

    def value(self) -> int:
        """Whole units (bytes, CPUs), rounded away from zero."""
        return self.scaled_value(0)

    def milli_value(self) -> int:
        """Thousandths (millicores), rounded away from zero."""
        return self.scaled_value(-3)

    def as_int64(self) -> int | None:
        """The amount where apimachinery holds it as a plain int64 of whole units, else None.

        >>> Quantity.parse("1Gi").as_int64(), Quantity.parse("1.5Ki").as_int64()
        (1073741824, None)
        """
        return self.nano // NANO if self._int64 else None

    def round_up_milli(self) -> Quantity:
        """The amount rounded away from zero to a thousandth, as API defaulting does with every list."""
        if self.nano % 10**6 == 0:
            return self
        return Quantity(self.milli_value() * 10**6, self.format)

    def __str__(self) -> str:
        if self._text is None:
            object.__setattr__(self, "_text", _canonical(self.nano, self.format))
        return self._text or "0"

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"

    def __add__(self, other: Quantity) -> Quantity:
        if not isinstance(other, Quantity):
            return NotImplemented
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        if not isinstance(other, Quantity):
            return NotImplemented
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __eq__(self, other: object) -> bool:
        return self.nano == other.nano if isinstance(other, Quantity) else NotImplemented

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano if isinstance(other, Quantity) else NotImplemented

    def __le__(self, other: Quantity) -> bool:
        return self.nano <= other.nano if isinstance(other, Quantity) else NotImplemented

    def __gt__(self, other: Quantity) -> bool:
        return self.nano > other.nano if isinstance(other, Quantity) else NotImplemented

    def __ge__(self, other: Quantity) -> bool:
        return self.nano >= other.nano if isinstance(other, Quantity) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.nano)

    def __setattr__(self, name: str, value: Any) -> None:
        msg = f"a Quantity cannot be changed ({name})"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.nano, self.format, self._text, self._int64)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    @classmethod
    def _validate(cls, value: Any) -> Quantity:
        if isinstance(value, Quantity):
            return value
        if value is None:  # the API server reads null as zero
            return _ZERO
        try:
            return cls.parse(value.strip() if isinstance(value, str) else value)
        except ValueError as error:
            raise PydanticCustomError("quantity", "{why}", {"why": str(error)}) from None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """How pydantic reads (text, number, Quantity) and writes (canonical text) a quantity."""
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The published schema: a text of the grammar, or a number."""
        pattern = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$"
        return {
            "anyOf": [{"type": "string", "pattern": pattern}, {"type": "number"}],
            "examples": ["500m", "1Gi"],
        }


def _refuse(why: str = "") -> NoReturn:
    msg = f"must be {EXPECTED}{why}"
    raise ValueError(msg)


def _restore(nano: int, format: QuantityFormat, text: str | None, int64: bool) -> Quantity:  # noqa: A002 - apimachinery's word
    quantity = Quantity(nano, format)
    object.__setattr__(quantity, "_text", text)
    object.__setattr__(quantity, "_int64", int64)
    return quantity


@lru_cache(maxsize=65536)
def _parse(text: str) -> Quantity:
    if len(text) > MAX_TEXT_LENGTH:
        _refuse(f" of at most {MAX_TEXT_LENGTH} characters")
    match = _GRAMMAR.fullmatch(text)
    if match is None or not (match[2] or match[3] or match[5]) or not text:
        _refuse(_hint(text))
    sign, whole, _, fraction, suffix = match.groups()
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
    return _restore(-nano if sign == "-" else nano, format, text if kept else None, int64)


def _suffix(suffix: str, text: str) -> tuple[int, QuantityFormat]:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], QuantityFormat.DECIMAL_SI
    if suffix in _BINARY:
        return _BINARY[suffix], QuantityFormat.BINARY_SI
    match = _EXPONENT.fullmatch(suffix)
    if match is None:
        _refuse(_hint(text))
    exponent = int(match[1])
    if exponent > MAX_EXPONENT:
        _refuse(f", no larger than 1e{MAX_EXPONENT}")
    return max(exponent, -10 * MAX_TEXT_LENGTH), QuantityFormat.DECIMAL_EXPONENT


def _nano(amount: int, places: int, exponent: int, format: QuantityFormat) -> int:  # noqa: A002 - apimachinery's word
    """``amount`` · 10^-places · suffix in nano units, rounded up."""
    if format is QuantityFormat.BINARY_SI:
        return -(-((amount << exponent) * NANO) // 10**places)
    power = 9 + exponent - places
    return amount * 10**power if power >= 0 else -(-amount // 10**-power)


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


def _canonical(nano: int, format: QuantityFormat) -> str:  # noqa: A002 - apimachinery's word
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


_ZERO: Final = Quantity(0)

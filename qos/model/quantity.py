"""Exact resource quantities: the grammar, rounding and canonical spelling of apimachinery.

A :class:`Quantity` is an integer number of nano units, so ``requests == limits`` can decide a QoS class.
Where the API server's own int64 arithmetic overflows, this one does not.

Source: k8s.io/apimachinery/pkg/api/resource (quantity.go, suffix.go, math.go) of Kubernetes 1.36.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from qos.model.quantity_text import MAX_EXPONENT, NANO, QuantityFormat, canonical_text, read_text, refuse

MICRO: Final = 10**6
_INT64_MAX_NANO: Final = (2**63 - 1) * NANO


class Quantity:
    """An exact, immutable amount of a resource: CPU in CPUs, memory in bytes.

    Equality, order and hash are those of the amount: ``1`` equals ``1000m``. ``str()`` is the canonical
    spelling, except that a spelling that is canonical already is kept as typed, as the API server does.

    >>> str(Quantity.parse("1.5Gi")), Quantity.parse("1.5Gi").value()
    ('1536Mi', 1610612736)

    Attributes:
        nano: the amount in billionths.
        format: which spelling ``str()`` uses.
        is_typed: whether it was read from a text that is canonical already, and is kept.
    """

    __slots__ = ("_int64", "_text", "format", "is_typed", "nano")

    nano: int
    format: QuantityFormat
    is_typed: bool
    _text: str | None
    _int64: bool

    def __init__(self, nano: int, format: QuantityFormat = QuantityFormat.DECIMAL_SI) -> None:  # noqa: A002 - apimachinery's word
        object.__setattr__(self, "nano", nano)
        object.__setattr__(self, "format", format)
        object.__setattr__(self, "_text", None)
        object.__setattr__(self, "is_typed", False)
        object.__setattr__(self, "_int64", nano % NANO == 0 and abs(nano) <= _INT64_MAX_NANO)

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
            refuse()
        if isinstance(value, int):
            if abs(value) > 10**MAX_EXPONENT:
                refuse()
            return _parse(str(value))
        if not math.isfinite(value):
            refuse()
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
            factor: int = 10 ** (-9 - scale)
            return self.nano * factor
        unit: int = 10 ** (9 + scale)
        return -(-self.nano // unit) if self.nano >= 0 else self.nano // unit

    def value(self) -> int:
        """Whole units (bytes, CPUs), rounded away from zero."""
        return -(-self.nano // NANO) if self.nano >= 0 else self.nano // NANO

    def milli_value(self) -> int:
        """Thousandths (millicores), rounded away from zero."""
        return -(-self.nano // MICRO) if self.nano >= 0 else self.nano // MICRO

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
            object.__setattr__(self, "_text", canonical_text(self.nano, self.format))
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
        return _restore, (self.nano, self.format, self._text if self.is_typed else None, self._int64)

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


def _restore(nano: int, format: QuantityFormat, text: str | None, int64: bool) -> Quantity:  # noqa: A002 - apimachinery's word
    quantity = Quantity(nano, format)
    object.__setattr__(quantity, "_text", text)
    object.__setattr__(quantity, "is_typed", text is not None)
    object.__setattr__(quantity, "_int64", int64)
    return quantity


@lru_cache(maxsize=65536)
def _parse(text: str) -> Quantity:
    read = read_text(text)
    return _restore(read.nano, read.format, text if read.canonical else None, read.is_int64)


_ZERO: Final = Quantity(0)

"""The values of a sweep: ``250m..2:8`` is eight of them, equally far apart, ``250m,500m`` are two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from qos.errors import InputError
from qos.model.duration import parse_duration_seconds
from qos.model.quantity import Quantity
from qos.model.quantity_text import NANO, QuantityFormat
from qos.scenario.field_path import Step, parse_path, path_text
from qos.scenario.overrides import Override
from qos.scenario.yaml_scalars import plain_value

MOST_VALUES: Final = 10_000
EXPECTED: Final = "PATH=FROM..TO:HOW_MANY or PATH=VALUE,VALUE"
_RANGE: Final = re.compile(r"(?P<low>[^:,]+?)\.\.(?P<high>[^:,]+)(?::(?P<count>.*))?")
_NUMBER: Final = re.compile(r"(-?\d+(?:\.\d+)?|-?\.\d+)(.*)")


@dataclass(frozen=True, slots=True)
class Axis:
    """One field that is swept.

    Attributes:
        text: the path as typed, without ``spec.``.
        paths: the paths meant, several where it has a set.
        values: what the field is given, as a document would have it.
    """

    text: str
    paths: tuple[tuple[Step, ...], ...]
    values: tuple[str | int | float | bool, ...]

    def overrides(self, index: int) -> tuple[Override, ...]:
        """What the value of that number changes."""
        return tuple(Override(path, self.values[index]) for path in self.paths)


def parse_axis(text: str) -> Axis:
    """``PATH=FROM..TO:N`` or ``PATH=A,B,C``.

    >>> parse_axis("spec.pods[web].limits.cpu=500m..2:4").values
    ('500m', '1', '1500m', '2')

    Raises:
        InputError: no path, no values, or a range that cannot be.
    """
    # A label selector in brackets has a "=" of its own.
    match = re.match(r"(?P<path>(?:\[[^\]]*\]|[^=\[])*)=(?P<values>.*)", text)
    if match is None or not match["path"] or not match["values"].strip():
        raise InputError("is no sweep", field="--sweep", value=text, expected=EXPECTED)
    paths = parse_path(match["path"].strip())
    values = _values(match["values"].strip(), text)
    if len(set(map(str, values))) != len(values):
        raise InputError("has a value twice", field="--sweep", value=text, expected="each once")
    name = match["path"].strip().removeprefix("spec.")
    return Axis(name if len(paths) > 1 else path_text(paths[0]), paths, values)


def _values(text: str, whole: str) -> tuple[str | int | float | bool, ...]:
    match = _RANGE.fullmatch(text)
    if match is None:
        parts = [part.strip() for part in text.split(",")]
        values = [plain_value(part) for part in parts if part]
        if len(values) != len(parts) or None in values:
            raise InputError("has an empty value", field="--sweep", value=whole, expected=EXPECTED)
        return tuple(value for value in values if value is not None)
    count = match["count"]
    if count is None or not count.isdecimal() or not 2 <= int(count) <= MOST_VALUES:
        raise InputError(
            "is a range without a number of values", field="--sweep", value=whole,
            expected=f"FROM..TO:HOW_MANY, 2 to {MOST_VALUES}",
        )  # fmt: skip
    return _spaced(match["low"].strip(), match["high"].strip(), int(count), whole)


def _spaced(low: str, high: str, count: int, whole: str) -> tuple[Any, ...]:
    """Values from ``low`` to ``high``, exact: bare numbers, one unit kept as typed, quantities, durations."""
    first, last = _NUMBER.fullmatch(low), _NUMBER.fullmatch(high)
    if first and last and first[2] == last[2]:
        numbers = _between(Fraction(first[1]), Fraction(last[1]), count)
        unit = first[2]
        made = [_decimal(number) for number in numbers]
        return tuple(f"{each}{unit}" for each in made) if unit else tuple(plain_value(each) for each in made)
    quantities = (_quantity(low), _quantity(high))
    if quantities[0] and quantities[1]:
        nanos = (quantities[0].nano, quantities[1].nano)
        unit_nano = _unit_nano(nanos) if quantities[1].format is QuantityFormat.BINARY_SI else 1
        amounts = _between(Fraction(nanos[0], unit_nano), Fraction(nanos[1], unit_nano), count)
        return tuple(str(Quantity(round(each) * unit_nano, quantities[1].format)) for each in amounts)
    seconds = (_seconds(low), _seconds(high))
    if seconds[0] is not None and seconds[1] is not None:
        return tuple(f"{_decimal(each)}s" for each in _between(seconds[0], seconds[1], count))
    wrong = low if quantities[0] is None and seconds[0] is None else high
    raise InputError(
        f"cannot go from {low!r} to {high!r}", field="--sweep", value=wrong,
        expected=f"numbers, quantities (250m..2) or durations (10ms..1s) in {whole!r}",
    )  # fmt: skip


def _unit_nano(nanos: Sequence[int]) -> int:
    """The largest of Gi, Mi, Ki and 1 that both ends are whole numbers of; values between are too."""
    units = (NANO << 30, NANO << 20, NANO << 10, NANO)
    return next((unit for unit in units if all(nano % unit == 0 for nano in nanos)), 1)


def _between(low: Fraction, high: Fraction, count: int) -> list[Fraction]:
    return [low + (high - low) * index / (count - 1) for index in range(count)]


def _decimal(number: Fraction) -> str:
    """A number as people write it, to nine places.

    >>> _decimal(Fraction(1, 4)), _decimal(Fraction(200)), _decimal(Fraction(1, 3))
    ('0.25', '200', '0.333333333')
    """
    text = f"{Decimal(round(number * 10**9)).scaleb(-9):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _quantity(text: str) -> Quantity | None:
    try:
        return Quantity.parse(text)
    except ValueError:
        return None


def _seconds(text: str) -> Fraction | None:
    try:
        return Fraction(str(parse_duration_seconds(text)))
    except ValueError:
        return None

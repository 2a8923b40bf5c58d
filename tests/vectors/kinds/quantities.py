"""Kinds quantity, quantity-arith and quantity-roundup."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from cases import Case

from kinds.common import Answer, without
from qos.model.quantity import Quantity

UPSTREAM_ERRORS = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    "unable to parse numeric part of quantity",
    "unable to parse quantity's suffix",
)


def _parsed(text: str) -> Quantity | None:
    try:
        return Quantity.parse(text)
    except ValueError:
        return None


def _one_of(text: str, known: tuple[str, ...]) -> str:
    return text if text in known else f"one of {known}"


def _decimal(quantity: Quantity) -> Fraction:
    return Fraction(quantity.nano, 10**9)


def _numbers(expect: dict[str, Any]) -> dict[str, Any]:
    """Decimals as numbers: 1.500 is 1.5 (Go's trailing zeros tell how it stored the number)."""
    if "exactDecimal" in expect:
        return expect | {"exactDecimal": Fraction(expect["exactDecimal"])}
    return expect


def quantity(case: Case) -> Answer:
    """ParseQuantity, String, Value, MilliValue, ScaledValue, Sign, AsInt64, MarshalJSON."""
    expect = dict(case.expect)
    parsed = _parsed(case.input["s"])
    if parsed is None:  # refused, as upstream does in one of these words
        error = expect.get("error")
        return expect, {"expectError": True} if error is None else {"error": _one_of(error, UPSTREAM_ERRORS)}
    as_int64 = parsed.as_int64()
    got = {
        "canonical": str(parsed),
        "exactDecimal": _decimal(parsed),
        "format": parsed.format.value,
        "isInt64": as_int64 is not None,
        "isZero": parsed.is_zero,
        "json": f'"{parsed}"',
        "microValue": parsed.scaled_value(-6),
        "milliValue": parsed.milli_value(),
        "roundUpMilliChanged": parsed.round_up_milli() != parsed,
        "sign": parsed.sign,
        "value": parsed.value(),
    }
    if as_int64 is not None:
        got["asInt64"] = as_int64
    quirks = case.data.get("quirkFields", [])
    return without(_numbers(expect), quirks), without(got, quirks)


def arith(case: Case) -> Answer:
    """Add, Sub and Cmp."""
    a, b = Quantity.parse(case.input["a"]), Quantity.parse(case.input["b"])
    got: dict[str, Any] = {"cmp": (a > b) - (a < b)}
    for name, result in (("add", a + b), ("sub", a - b)):
        got[name] = {"canonical": str(result), "milliValue": result.milli_value(), "value": result.value()}
    quirks = case.data.get("quirkFields", [])
    return without(case.expect, quirks), without(got, quirks)


def roundup(case: Case) -> Answer:
    """RoundUp to a power of ten; upstream's table writes tenths as scale -1."""
    parsed = Quantity.parse(case.input["s"])
    scale = case.input["scale"]
    rounded = parsed.scaled_value(scale) * Fraction(10) ** scale
    got = {"exact": rounded == _decimal(parsed), "exactDecimal": rounded}
    return _numbers(case.expect), got

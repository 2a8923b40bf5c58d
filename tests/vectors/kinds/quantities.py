"""Kinds quantity, quantity-arith and quantity-roundup."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cases import Case

from kinds.common import Answer, without
from qos.model.quantity import Quantity

REFUSED = "refused"


def _parsed(text: str) -> Quantity | None:
    try:
        return Quantity.parse(text)
    except ValueError:
        return None


def _decimal(quantity: Quantity) -> Decimal:
    return Decimal(quantity.nano).scaleb(-9).normalize()


def _numbers(expect: dict[str, Any]) -> dict[str, Any]:
    """Decimals as numbers: 1.500 is 1.5 (Go's trailing zeros tell how it stored the number)."""
    if "exactDecimal" in expect:
        return expect | {"exactDecimal": Decimal(expect["exactDecimal"]).normalize()}
    return expect


def quantity(case: Case) -> Answer:
    """ParseQuantity, String, Value, MilliValue, ScaledValue, Sign, AsInt64, MarshalJSON."""
    expect = dict(case.expect)
    parsed = _parsed(case.input["s"])
    fails = "error" in expect or expect.get("expectError", False)
    if parsed is None or fails:
        return {"refused": bool(fails)}, {"refused": parsed is None}
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
    rounded = Decimal(parsed.scaled_value(scale)).scaleb(scale)
    got = {"exact": rounded == _decimal(parsed), "exactDecimal": rounded.normalize()}
    return _numbers(case.expect), got

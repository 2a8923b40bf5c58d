"""Quantities: exact amounts under apimachinery's grammar, rounding and spelling."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from qos.model.quantity import Quantity
from qos.model.quantity_text import QuantityFormat

SUFFIXES = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "e3", "E-3", "e+6")
SCALES = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
    "e3": 3, "E-3": -3, "e+6": 6,
}  # fmt: skip


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A spelling, and the number it writes down (before rounding up to a billionth)."""
    sign = draw(st.sampled_from(["", "+", "-"]))
    whole = draw(st.text("0123456789", min_size=1, max_size=9))
    places = draw(st.text("0123456789", max_size=6))
    suffix = draw(st.sampled_from(SUFFIXES))
    base = Fraction(int(whole + places), 10 ** len(places))
    if suffix.endswith("i"):
        base *= 1024 ** ("KMGTP".index(suffix[0]) + 1)
    else:
        base *= Fraction(10) ** SCALES[suffix]
    text = f"{sign}{whole}{'.' + places if places or draw(st.booleans()) else ''}{suffix}"
    return text, -base if sign == "-" else base


class TestReading:
    @given(spellings())
    def test_amount(self, spelling: tuple[str, Fraction]) -> None:
        """The amount is the written one, rounded away from zero to a billionth; binary ones cap at 2^63-1."""
        text, number = spelling
        magnitude = abs(number) * 10**9
        nano = -(-magnitude.numerator // magnitude.denominator)
        if text.endswith("i"):
            nano = min(nano, (2**63 - 1) * 10**9)
        assert Quantity.parse(text).nano == (nano if number >= 0 else -nano)

    @pytest.mark.parametrize("text", [".", "-.", "-", "+", "m", "Ki", "e3", "+m", "-Ki", "00", "0.0Gi"])
    def test_odd_zeros(self, text: str) -> None:
        """Upstream reads these as zero, and so do we."""
        assert Quantity.parse(text) == Quantity.zero()
        assert str(Quantity.parse(text)) == "0"

    @pytest.mark.parametrize(
        "text",
        ["", " ", "1K", "1ki", "1KB", "1GB", "0x10", "1e3Ki", "1 Gi", " 1", "--1", "1+", "1i", "1Zi", "1,000",
         "{{ x }}",
         "٣", "1_000", "0b1", "inf", "nan", "NaN", "1e", "1e+"],
    )  # fmt: skip
    def test_refused(self, text: str) -> None:
        """Anything outside the grammar is refused with an example of what is right."""
        with pytest.raises(ValueError, match="must be a quantity such as 500m or 1Gi"):
            Quantity.parse(text)

    @pytest.mark.parametrize("text", ["1e9999", "9" * 129, "1" + "0" * 5000, "1e" + "9" * 100, "-1e100"])
    def test_size_bombs(self, text: str) -> None:
        """An amount beyond any machine is refused instead of computed."""
        with pytest.raises(ValueError, match="must be a quantity"):
            Quantity.parse(text)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), True, 10**200])
    def test_refused_numbers(self, number: float) -> None:
        """A bare number must be finite, and no truth value."""
        with pytest.raises(ValueError, match="must be a quantity"):
            Quantity.parse(number)

    @pytest.mark.parametrize(
        ("near", "meant"),
        [("512MB", "512M or 512Mi"), ("1gi", "1Gi"), ("500 m", "500m"), ("1K", "1k or 1Ki")],
    )
    def test_hint(self, near: str, meant: str) -> None:
        """A near miss is told what was probably meant."""
        with pytest.raises(ValueError, match=rf"did you mean {meant}\?"):
            Quantity.parse(near)

    def test_bare_numbers(self) -> None:
        """YAML's numbers are read as the text they were."""
        assert Quantity.parse(2) == Quantity.parse("2")
        assert Quantity.parse(0.1) == Quantity.parse("100m")
        assert Quantity.parse(1e-7) == Quantity.parse("100n")


class TestSpelling:
    @given(spellings())
    def test_round_trip(self, spelling: tuple[str, Fraction]) -> None:
        """What is written is read back as the same amount, and written the same again."""
        quantity = Quantity.parse(spelling[0])
        again = Quantity.parse(str(quantity))
        assert again == quantity
        assert str(again) == str(quantity)

    @pytest.mark.parametrize(
        ("text", "canonical"),
        [("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1.3Ki", "1331200m"), ("1e-10", "1e-9"), ("1.", "1."),
         ("1e03", "1e03"),
         ("1000m", "1"), ("0.5Ki", "512"), ("8Ei", "9223372036854775807"), ("0.0001", "100u"),
         ("1000E", "1e21")],
    )  # fmt: skip
    def test_canonical(self, text: str, canonical: str) -> None:
        """The largest suffix that leaves a whole number; a canonical spelling is kept as typed."""
        assert str(Quantity.parse(text)) == canonical

    def test_format_of_sums(self) -> None:
        """A sum is spelled as its left operand, unless that is zero."""
        assert str(Quantity.parse("1Gi") + Quantity.parse("1G")) == "2073741824"
        assert (Quantity.parse("0") + Quantity.parse("2Gi")).format is QuantityFormat.BINARY_SI
        assert str(Quantity.parse("32Mi") + Quantity.parse("33554432")) == "64Mi"


class TestArithmetic:
    @given(spellings(), spellings())
    def test_exact(self, one: tuple[str, Fraction], other: tuple[str, Fraction]) -> None:
        """Sums, differences and comparisons are those of the amounts."""
        a, b = Quantity.parse(one[0]), Quantity.parse(other[0])
        assert (a + b).nano == a.nano + b.nano
        assert (a - b).nano == a.nano - b.nano
        assert (a < b, a <= b, a == b) == (a.nano < b.nano, a.nano <= b.nano, a.nano == b.nano)
        assert (-a).nano == -a.nano

    @given(spellings(), st.integers(-12, 9))
    def test_scaled_value(self, spelling: tuple[str, Fraction], scale: int) -> None:
        """A value in units of 10^scale is the least whole number that covers the amount, away from zero."""
        quantity = Quantity.parse(spelling[0])
        units = abs(Fraction(quantity.nano, 10**9)) / Fraction(10) ** scale
        value = quantity.scaled_value(scale)
        assert units <= abs(value) < units + 1
        assert value == 0 or (value > 0) == (quantity.sign > 0)

    def test_value_and_milli(self) -> None:
        """0.0001 has Milli 1 and Value 1; -1.5 has Value -2."""
        assert (Quantity.parse("0.0001").milli_value(), Quantity.parse("0.0001").value()) == (1, 1)
        assert Quantity.parse("-1.5").value() == -2
        assert Quantity.parse("100m").value() == 1

    @given(spellings())
    def test_round_up_milli(self, spelling: tuple[str, Fraction]) -> None:
        """Rounding to a thousandth changes nothing that is one, and never lowers the magnitude."""
        quantity = Quantity.parse(spelling[0])
        rounded = quantity.round_up_milli()
        assert rounded.nano % 10**6 == 0
        assert 0 <= abs(rounded.nano) - abs(quantity.nano) < 10**6
        assert rounded.round_up_milli() == rounded


class TestObject:
    def test_immutable(self) -> None:
        """A quantity cannot be changed, and equal amounts are one key."""
        quantity = Quantity.parse("1Gi")
        with pytest.raises(AttributeError, match="cannot be changed"):
            quantity.nano = 5
        assert (
            len(
                {
                    Quantity.parse("1"),
                    Quantity.parse("1000m"),
                    Quantity.from_int(1),
                    Quantity.from_milli(1000),
                }
            )
            == 1
        )
        assert quantity != "1Gi"

    def test_copies(self) -> None:
        """Pickling keeps amount and spelling; copying is the same object."""
        quantity = Quantity.parse("1e03")
        assert str(pickle.loads(pickle.dumps(quantity))) == "1e03"
        assert copy.deepcopy(quantity) is quantity

    def test_pydantic(self) -> None:
        """A document's field takes text, number, null (zero, as the API) and says what is wrong in words."""

        class Document(BaseModel):
            limits: dict[str, Quantity]

        document = Document.model_validate({"limits": {"cpu": 0.5, "memory": "1Gi ", "gpu": None}})
        assert document.limits == {
            "cpu": Quantity.parse("500m"),
            "memory": Quantity.parse("1Gi"),
            "gpu": Quantity.zero(),
        }
        assert document.model_dump_json() == '{"limits":{"cpu":"500m","memory":"1Gi","gpu":"0"}}'
        with pytest.raises(ValidationError, match="must be a quantity such as 500m or 1Gi"):
            Document.model_validate({"limits": {"cpu": "lots"}})

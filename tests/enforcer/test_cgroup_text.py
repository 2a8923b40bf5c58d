"""The four formats of cgroup files: good, missing and garbage, and every recorded dump there is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.cgroup_text import (
    Pressure,
    parse_flat_keyed,
    parse_nested_keyed,
    parse_number,
    parse_pids,
    parse_pressure,
    parse_words,
)

KEYS = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)
DEVICES = st.from_regex(r"[0-9]{1,3}:[0-9]{1,3}", fullmatch=True)


class TestSingleValue:
    @given(NUMBERS)
    def test_a_number_comes_back(self, number):
        """What the kernel prints as a number is that number."""
        assert parse_number(f"{number}\n") == number

    def test_max_and_negative(self):
        """The word max is kept; cpu.weight.nice may be negative."""
        assert parse_number("max\n") == "max"
        assert parse_number("-20\n") == -20

    @pytest.mark.parametrize("text", ["", "\n", "12 13", "1.5", "0x10", "maximum", "٣", "--1", "1_000"])
    def test_anything_else_is_refused(self, text):
        """No guess is made, not even at digits of other scripts."""
        with pytest.raises(ValueError, match="not a number or 'max'"):
            parse_number(text)


class TestFlatKeyed:
    @given(st.dictionaries(KEYS, NUMBERS))
    def test_what_is_printed_is_read(self, values):
        """Every key and number of a flat-keyed file comes back."""
        text = "".join(f"{key} {number}\n" for key, number in values.items())
        assert parse_flat_keyed(text) == values

    def test_an_empty_file_has_no_keys(self):
        """A file without lines is not an error: io.stat of an idle cgroup is empty."""
        assert parse_flat_keyed("") == {}

    @pytest.mark.parametrize("text", ["garbage\n", "usage_usec many\n", "usage_usec 1 2\n"])
    def test_garbage_is_refused_with_its_line(self, text):
        """The error holds the line."""
        with pytest.raises(ValueError, match=text.split()[0]):
            parse_flat_keyed(text)


class TestNestedKeyed:
    @given(st.dictionaries(DEVICES, st.dictionaries(KEYS, NUMBERS | st.just("max"), min_size=1)))
    def test_what_is_printed_is_read(self, values):
        """Every device, key and number of io.stat comes back."""
        lines = (" ".join((key, *(f"{k}={v}" for k, v in sub.items()))) for key, sub in values.items())
        assert parse_nested_keyed("\n".join(lines)) == values

    def test_devices_without_a_line_end(self):
        """Kernels that print idle devices without a new line: the values are the last device's."""
        assert parse_nested_keyed("7:7 7:6 7:4 rbytes=5 wios=0\n") == {
            "7:7": {},
            "7:6": {},
            "7:4": {"rbytes": 5, "wios": 0},
        }
        assert parse_nested_keyed("7:7 7:6\n") == {"7:7": {}, "7:6": {}}

    def test_weights_and_numa_lines(self):
        """Lines without SUB= and lines without a key are part of the format."""
        assert parse_nested_keyed("default 100\n8:0 200\n") == {"default": {"": 100}, "8:0": {"": 200}}
        assert parse_nested_keyed("total=0 N0=0\n") == {"": {"total": 0, "N0": 0}}
        assert parse_nested_keyed("8:0 cost.vrate=100.05\n") == {"8:0": {"cost.vrate": 100.05}}

    @pytest.mark.parametrize("text", ["8:0 rbps=x", "8:0 rbps=1 stray", "one two three", "8:0 rbps=", "a ="])
    def test_garbage_is_refused(self, text):
        """A word that is neither a device nor SUB=VALUE is an error."""
        with pytest.raises(ValueError, match="not "):
            parse_nested_keyed(text)


class TestPressure:
    def test_both_lines(self):
        """Averages are percent, the total microseconds."""
        some = "some avg10=1.50 avg60=0.20 avg300=0.03 total=99\n"
        full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        assert parse_pressure(some + full) == {
            "some": Pressure(1.5, 0.2, 0.03, 99),
            "full": Pressure(0, 0, 0, 0),
        }

    def test_irq_has_full_only(self):
        """A missing line is missing, not zero."""
        assert set(parse_pressure("full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")) == {"full"}

    @pytest.mark.parametrize(
        "text",
        ["most avg10=0.00", "some avg10=0.00 total=1", "some avg10=a avg60=0 avg300=0 total=1", "some"],
    )
    def test_garbage_is_refused(self, text):
        """Another key, a missing field and a word for a number are errors."""
        with pytest.raises(ValueError, match=text.split()[0]):
            parse_pressure(text)


class TestListsOfWords:
    def test_controllers_and_processes(self):
        """Space separated words, line separated numbers; an empty file is an empty list."""
        assert parse_words("cpu io\n") == ("cpu", "io")
        assert parse_pids("3\n0\n") == (3, 0)
        assert parse_words("") == parse_pids("") == ()

    def test_a_process_is_a_number(self):
        """Garbage in cgroup.procs is an error."""
        with pytest.raises(ValueError, match="init"):
            parse_pids("1\ninit\n")


@given(st.text())
def test_no_text_makes_a_parser_fail_otherwise_than_by_value_error(text):
    """Whatever a file holds, a parser answers or says ValueError."""
    for parser in (parse_number, parse_pids, parse_flat_keyed, parse_nested_keyed, parse_pressure):
        with suppress(ValueError):
            parser(text)

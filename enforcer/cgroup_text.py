"""The four formats of cgroup v2 files, parsed: single values, flat keyed, nested keyed, pressure.

Every parser takes the file's text and raises :class:`ValueError` with the offending line for what is
not of its format; none guesses.

Source: cgroup-v2.rst, "Interface Files: Format"; Documentation/accounting/psi.rst.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Limit = int | Literal["max"]
Number = int | float | Literal["max"]
"""Mostly integers; ``cost.vrate`` of the root's ``io.stat`` has decimals."""

_DEVICE: Final = re.compile(r"^\d+:\d+$")


@dataclass(frozen=True, slots=True)
class Pressure:
    """One line of a ``*.pressure`` file: averages in percent, total in microseconds."""

    avg10: float
    avg60: float
    avg300: float
    total_usec: int


def parse_number(text: str) -> Limit:
    r"""A single value: an integer or ``max``.

    >>> parse_number("67108864\n"), parse_number("max\n")
    (67108864, 'max')

    Raises:
        ValueError: neither.
    """
    word = text.strip()
    if word == "max":
        return "max"
    if not word.removeprefix("-").isdecimal() or not word.isascii():
        raise ValueError(f"not a number or 'max': {word!r}")
    return int(word)


def parse_words(text: str) -> tuple[str, ...]:
    r"""Space-separated values, as of ``cgroup.controllers``.

    >>> parse_words("cpu io memory\n")
    ('cpu', 'io', 'memory')
    """
    return tuple(text.split())


def parse_pids(text: str) -> tuple[int, ...]:
    r"""New-line separated numbers, as of ``cgroup.procs``; 0 is a process outside the reader's namespace.

    >>> parse_pids("17\n4\n")
    (17, 4)

    Raises:
        ValueError: a line is not a number.
    """
    return tuple(_integer(line, line) for line in text.split())


def parse_flat_keyed(text: str) -> dict[str, int]:
    r"""``KEY VALUE`` lines, as of ``cpu.stat``; the value ``max`` is left out.

    >>> parse_flat_keyed("usage_usec 17\nnr_periods 2\n")
    {'usage_usec': 17, 'nr_periods': 2}

    Raises:
        ValueError: a line is not a key and a number.
    """
    values: dict[str, int] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        key, _, word = line.strip().partition(" ")
        if word.strip() != "max":
            values[key] = _integer(word.strip(), line)
    return values


def parse_nested_keyed(text: str) -> dict[str, dict[str, Number]]:
    r"""``KEY SUB=VALUE …`` lines, as of ``io.stat`` and ``io.max``; a key without values is kept, empty.

    ``default 200`` and ``8:0 200`` of ``io.weight`` read as ``{"default": {"": 200}, …}``; the lines
    without a key of ``hugetlb.*.numa_stat`` get the key ``""``. Kernels up to 6.4 print idle devices
    of ``io.stat`` without a new line (``7:7 7:6 rbytes=1``): 7:7 is then a key without values.

    >>> parse_nested_keyed("8:16 rbps=2097152 wiops=max\n")
    {'8:16': {'rbps': 2097152, 'wiops': 'max'}}

    Raises:
        ValueError: a word is not SUB=VALUE, or a value not a number.
    """
    values: dict[str, dict[str, Number]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and "=" not in line and _DEVICE.match(words[1]) is None:
            values[words[0]] = {"": _number(words[1], line)}
            continue
        fields: dict[str, Number] = {}
        key = ""
        for word in words:
            sub, equals, value = word.partition("=")
            if equals:
                fields[sub] = _number(value, line)
            elif fields or (key and _DEVICE.match(word) is None):
                raise ValueError(f"not SUB=VALUE: {word!r} in {line!r}")
            else:
                key = word
                values[key] = {}
        if words:
            values[key] = fields
    return values


def parse_pressure(text: str) -> dict[str, Pressure]:
    r"""A ``*.pressure`` file; ``full`` (``some`` for irq) may be missing.

    >>> parse_pressure("some avg10=0.12 avg60=0.00 avg300=0.00 total=4200\n")["some"].total_usec
    4200

    Raises:
        ValueError: another key, or a field that is missing or not a number.
    """
    values: dict[str, Pressure] = {}
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] not in ("some", "full"):
            raise ValueError(f"neither some nor full: {line!r}")
        values[words[0]] = _pressure_line(dict(word.partition("=")[::2] for word in words[1:]), line)
    return values


def _pressure_line(fields: Mapping[str, str], line: str) -> Pressure:
    try:
        averages = [float(fields[name]) for name in ("avg10", "avg60", "avg300")]
        total = int(fields["total"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"not a pressure line: {line!r}") from error
    return Pressure(averages[0], averages[1], averages[2], total)


def _integer(word: str, line: str) -> int:
    if not word.removeprefix("-").isdecimal() or not word.isascii():
        raise ValueError(f"not a number: {word!r} in {line!r}")
    return int(word)


def _number(word: str, line: str) -> Number:
    if word == "max":
        return "max"
    whole, point, decimals = word.partition(".")
    if point and whole.isdecimal() and decimals.isdecimal() and word.isascii():
        return float(word)
    return _integer(word, line)

"""CPU use over time out of the tables that monitoring leaves: one or several series a file.

Each format is known by its header. Real tables have gaps, times told twice and empty cells: what cannot be
used is counted, not guessed.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

import orjson

from qos.errors import InputError, SourceRef
from qos.scenario.load import read_bytes
from qos.scenario.traces import MAX_TRACE_BYTES

Cells = Mapping[str, str]
_DATES: Final = (
    "%Y.%m.%d-%H:%M:%S:%f",
    "%Y-%m-%d %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%a %b %d %H:%M:%S UTC %Y",
)
_PROMETHEUS_NAMES: Final = ("pod", "container", "instance", "name", "job")


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """One series, in order of time.

    Attributes:
        name: what a pod may be called.
        times_seconds: rising.
        cpus: CPUs used, as many.
        dropped: rows that were empty, no number, negative or of a time told before.
        request_cpus: what the table says was requested, None where it does not.
        limit_cpus: likewise.
    """

    name: str
    times_seconds: tuple[float, ...]
    cpus: tuple[float, ...]
    dropped: int
    request_cpus: float | None = None
    limit_cpus: float | None = None


@dataclass(frozen=True, slots=True)
class _Format:
    """A table: its columns of time and value, and what makes CPUs of a row."""

    time: str
    columns: tuple[str, ...]
    cpus: Callable[[Cells], float]
    request: str | None = None
    limit: str | None = None


def _mhz(cells: Cells) -> float:
    """MHz used as CPUs: 650 of 2600 MHz on 2 cores of 1300 are half a CPU."""
    return float(cells["CPU usage [MHZ]"]) / (
        float(cells["CPU capacity provisioned [MHZ]"]) / float(cells["CPU cores"])
    )


FORMATS: Final[Mapping[str, _Format]] = {
    "bitbrains": _Format(
        "Timestamp [ms]", ("CPU cores", "CPU capacity provisioned [MHZ]", "CPU usage [MHZ]"), _mhz
    ),
    "kruize": _Format(
        "interval_start_time",
        ("cpu_usage_avg_container",),
        lambda cells: float(cells["cpu_usage_avg_container"]),
        "cpu_request_avg_container",
        "cpu_limit_avg_container",
    ),
    "alibaba": _Format("TIMESTAMP", ("CPU_USAGE_ACTUAL",), lambda cells: float(cells["CPU_USAGE_ACTUAL"])),
    "crane": _Format("ts", ("value",), lambda cells: float(cells["value"])),
    "time,value": _Format("timestamp", ("value",), lambda cells: float(cells["value"])),
    "qos": _Format("time_seconds", ("cpus",), lambda cells: float(cells["cpus"])),
}


def read_usage(path: str | os.PathLike[str], scale: float = 1.0) -> tuple[UsageSeries, ...]:
    """The series of a table, or of the JSON of a Prometheus range query.

    Args:
        path: ``.csv`` or ``.json``.
        scale: CPUs for one of the table's unit: 0.01 for a percentage of one CPU.

    Raises:
        InputError: unreadable, of no known format, or without two usable rows.
    """
    file = os.fspath(path)
    raw = read_bytes(path, MAX_TRACE_BYTES)
    name = _pod_name(PurePath(file).stem)
    if file.endswith(".json"):
        return tuple(_prometheus(raw, name, scale, SourceRef(file)))
    return (_table(raw, name, scale, SourceRef(file)),)


def _table(raw: bytes, name: str, scale: float, source: SourceRef) -> UsageSeries:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is no text", source=source, expected="CSV in UTF-8") from None
    head = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ",")
    try:
        header = [cell.strip() for cell in next(rows, [])]
        table = [dict(zip(header, cells, strict=False)) for cells in rows]
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", source=source) from None
    form = next((f for f in FORMATS.values() if {f.time, *f.columns} <= set(header)), None)
    if form is None:
        known = "; ".join(f"{title}: {f.time},{','.join(f.columns)}" for title, f in FORMATS.items())
        raise InputError("is no usage table", source=source, value=head.strip()[:60], expected=known)
    pairs = (_pair(cells, form, scale) for cells in table)
    last = next((cells for cells in reversed(table) if cells.get(form.time)), {})
    return _series(name, pairs, source, _number(last, form.request), _number(last, form.limit))


def _pair(cells: Cells, form: _Format, scale: float) -> tuple[float, float] | None:
    try:
        return _seconds(cells[form.time].strip()), form.cpus(cells) * scale
    except (KeyError, ValueError, ZeroDivisionError, AttributeError):
        return None


def _seconds(text: str) -> float:
    """Unix seconds of a number or a date.

    Raises:
        ValueError: neither.
    """
    try:
        return float(text)
    except ValueError:
        for form in _DATES:
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
            except ValueError:
                continue
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def _number(cells: Cells, column: str | None) -> float | None:
    try:
        value = float(cells[column]) if column else math.nan
    except (KeyError, ValueError):
        return None
    return value if 0 < value < math.inf else None


def _prometheus(raw: bytes, name: str, scale: float, source: SourceRef) -> Iterable[UsageSeries]:
    try:
        data: Any = orjson.loads(raw)
        found = data.get("data", data)["result"]
        series = [(each.get("metric", {}), each["values"]) for each in found]
        pairs = [[(float(time), float(value) * scale) for time, value in values] for _, values in series]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(
            "is no answer of a range query", source=source, expected='{"data": {"result": [{"values": […]}]}}'
        ) from None
    if not series:
        raise InputError("holds no series", source=source, expected="the answer of a range query")
    names = [
        _pod_name(next((str(metric[key]) for key in _PROMETHEUS_NAMES if metric.get(key)), name))
        for metric, _ in series
    ]
    for index, (own, values) in enumerate(zip(names, pairs, strict=True)):
        yield _series(own if names.count(own) == 1 else f"{own}-{index}", values, source)


def _series(
    name: str,
    pairs: Iterable[tuple[float, float] | None],
    source: SourceRef,
    request: float | None = None,
    limit: float | None = None,
) -> UsageSeries:
    """The usable rows in order of time, each time once."""
    good: dict[float, float] = {}
    dropped = 0
    for pair in pairs:
        if pair is None or not 0 <= pair[1] < math.inf or not math.isfinite(pair[0]) or pair[0] in good:
            dropped += 1
        else:
            good[pair[0]] = pair[1]
    if len(good) < 2:
        raise InputError("has no two usable rows", source=source, expected="times and CPUs")
    times = sorted(good)
    return UsageSeries(name, tuple(times), tuple(good[time] for time in times), dropped, request, limit)


def _pod_name(text: str) -> str:
    """What a pod may be called: a-z, 0-9 and -.

    >>> _pod_name("vm1_full_first15d")
    'vm1-full-first15d'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "series"

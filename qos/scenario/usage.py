"""Usage from files: CSV with time, CPU and memory, and the JSON of Prometheus range queries.

Real series have gaps, empty cells, repeated and unsorted times: rows without a value are left out, of rows of
one time the highest counts, and the rest is sorted. pandas is imported only when a file is read.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from qos.errors import InputError, SourceRef
from qos.model.usage import Floats, Usage
from qos.scenario.load import read_bytes

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES: Final = 512 * 2**20
_TIMES: Final = ("time", "timestamp", "time_seconds", "seconds", "t", "ts")
_CPUS: Final = ("cpu", "cpus", "cpu_cores", "cores", "value")
_MEMORIES: Final = ("memory", "memory_bytes", "mem", "mem_bytes")
_NUMERIC: Final = 0.5


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a CSV are called ("" finds the usual names), and what their values are times.

    ``scale``: CPUs a unit of the CPU column; ``memory_scale``: bytes a unit of the memory column.
    """

    time: str = ""
    cpu: str = ""
    memory: str = ""
    scale: float = 1.0
    memory_scale: float = 1.0


def read_usage_csv(path: str, columns: Columns | None = None) -> Usage:
    """One container's usage from a CSV, separated by commas, semicolons or tabs.

    Raises:
        InputError: unreadable, a column is missing, or no row has a value.
    """
    columns = columns or Columns()
    source = SourceRef(path)
    table = _table(path, source)
    time = _column(table, columns.time, _TIMES, "--time-column", source)
    cpu = _column(table, columns.cpu, _CPUS, "--cpu-column", source)
    memory = _column(table, columns.memory, _MEMORIES, "--memory-column", source)
    if time is None or (cpu is None and memory is None):
        raise InputError(
            "has no column of " + ("times" if time is None else "CPU or memory"), source=source,
            expected="time and cpu or memory, or --time-column, --cpu-column, --memory-column; it has "
            + ", ".join(map(str, table.columns)),
        )  # fmt: skip
    seconds = _seconds(table[time], source)
    cpu_times, cpus = _series(seconds, table[cpu], columns.scale, source) if cpu else (_no(), _no())
    memory_times, memories = (
        _series(seconds, table[memory], columns.memory_scale, source) if memory else (_no(), _no())
    )
    if not len(cpus) and not len(memories):
        raise InputError("has no row with a value", source=source, expected="times and values")
    return Usage(PurePath(path).stem, cpu_times, cpus, memory_times, memories)


def read_prometheus(path: str) -> list[tuple[dict[str, str], Floats, Floats]]:
    """The series of a range query's answer: labels, times in seconds, values.

    Raises:
        InputError: unreadable, no answer of a range query, or a value that is none.
    """
    return range_answer(read_bytes(path, MAX_BYTES), SourceRef(path))


def range_answer(
    raw: bytes, source: SourceRef, *, empty_ok: bool = False
) -> list[tuple[dict[str, str], Floats, Floats]]:
    """The series of a range query's answer as it came.

    Raises:
        InputError: no answer of a range query, or a value that is none; ``empty_ok``: none is fine.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"is no JSON: {error}", source=SourceRef(source.file, error.lineno, error.colno),
            expected="the answer of a range query",
        ) from None  # fmt: skip
    result: Any = data.get("data", data).get("result") if isinstance(data, dict) else None
    if isinstance(data, dict) and data.get("status") == "error":
        raise InputError(f"is an error: {data.get('error')}", source=source, expected="status: success")
    if not isinstance(result, list) or not (result or empty_ok):
        raise InputError(
            "holds no series", source=source, expected="the answer of a range query (data.result)"
        )
    found = []
    for number, each in enumerate(result):
        try:
            rows = np.array([(float(time), float(value)) for time, value in each["values"]]).reshape(-1, 2)
            labels = {str(key): str(value) for key, value in each.get("metric", {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                "is no series", source=source, field=f"data.result[{number}]",
                expected='{"metric": {…}, "values": [[time, "value"], …]}',
            ) from None  # fmt: skip
        found.append((labels, *_tidy(rows[:, 0], rows[:, 1])))
    return found


def _no() -> Floats:
    return np.empty(0)


def _table(path: str, source: SourceRef) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 400 ms, only for usage files

    raw = read_bytes(path, MAX_BYTES)
    first = raw.partition(b"\n")[0]
    separator = max((",", ";", "\t"), key=lambda each: first.count(each.encode()))
    try:
        table = pd.read_csv(io.BytesIO(raw), sep=separator, skipinitialspace=True, engine="c")
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"is no CSV: {error}", source=source, expected="a header and rows") from None
    table.columns = [str(name).strip() for name in table.columns]
    return table


def _column(
    table: pd.DataFrame, name: str, usual: Sequence[str], field: str, source: SourceRef
) -> str | None:
    if name:
        if name not in table.columns:
            raise InputError(
                "is no column", source=source, field=field, value=name,
                expected="one of " + ", ".join(map(str, table.columns)),
            )  # fmt: skip
        return name
    return next((str(each) for each in table.columns if str(each).lower() in usual), None)


def _seconds(column: Any, source: SourceRef) -> Floats:
    import pandas as pd  # noqa: PLC0415 - imported already by the reader

    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().mean() > _NUMERIC:
        return np.asarray(numbers, dtype=np.float64)
    times = pd.to_datetime(column, utc=True, errors="coerce", format="mixed")
    if times.isna().all():
        raise InputError(
            "has no times", source=source, value=str(column.iloc[0]) if len(column) else "",
            expected="seconds or dates",
        )  # fmt: skip
    seconds = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return np.asarray(seconds, dtype=np.float64)


def _series(times: Floats, column: Any, scale: float, source: SourceRef) -> tuple[Floats, Floats]:
    import pandas as pd  # noqa: PLC0415 - imported already by the reader

    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64) * scale
    bad = np.flatnonzero(values < 0)
    if len(bad):
        raise InputError(
            "is negative", source=SourceRef(source.file, int(bad[0]) + 2), value=float(values[bad[0]]),
            expected="0 or more",
        )  # fmt: skip
    return _tidy(times, values)


def _tidy(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Sorted, without rows that lack time or value; of equal times the highest value."""
    there = np.isfinite(times) & np.isfinite(values)
    times, values = times[there], values[there]
    if not len(times):
        return times, values
    order = np.lexsort((values, times))
    times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)
    return times[last], values[last]

"""Traces: CPU use over time from CSV, Parquet or the JSON of a Prometheus range query.

pandas and pyarrow are imported only when a trace is read.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import orjson

from qos.errors import InputError, SourceRef
from qos.model.workload import Trace
from qos.scenario.load import read_bytes

if TYPE_CHECKING:
    import pandas as pd

MAX_TRACE_BYTES: Final = 512 * 2**20
_TIME_NAMES: Final = ("time", "timestamp", "time_seconds", "seconds", "t", "ts")


def read_trace(trace: Trace, folder: str) -> Trace:
    """The trace with ``times_seconds`` (from 0) and ``cpus`` filled in from its file.

    Times are numbers of seconds, or dates; values are CPUs.

    Raises:
        InputError: the file or a column is missing, not sorted, negative, or has no rows.
    """
    if trace.file is None:
        if trace.times_seconds and len(trace.times_seconds) == len(trace.cpus):
            return trace
        raise InputError("has neither a file nor values", field="trace", expected="file: PATH")
    path = str(PurePath(folder) / trace.file)
    source = SourceRef(path)
    suffix = PurePath(trace.file).suffix.lower()
    reader = READERS.get(suffix)
    if reader is None:
        raise InputError(
            "is no trace", source=source, field="file", value=trace.file, expected=" ".join(READERS) + " file"
        )
    try:
        times, values = reader(read_bytes(path, MAX_TRACE_BYTES), trace)
    except InputError as error:
        raise error.at(source) from None
    except (ValueError, KeyError, OSError) as error:
        raise InputError(
            f"cannot be read as {suffix}: {error}", source=source, expected="a time and a value column"
        ) from None
    return _checked(trace, times, values, source)


def _checked(trace: Trace, times: list[float], values: list[float], source: SourceRef) -> Trace:
    if not times:
        raise InputError("has no rows", source=source, expected="at least one time and value")
    for row, value in enumerate(values, start=1):
        if not 0 <= value < float("inf"):
            raise InputError(
                f"row {row} is negative or not a number", source=source, value=value, expected="CPUs"
            )
    for row, (before, after) in enumerate(pairwise(times), start=2):
        if not after > before:
            raise InputError(
                f"row {row} does not come after row {row - 1}", source=source, expected="rising times"
            )
    origin = times[0]
    return trace.model_copy(
        update={
            "times_seconds": tuple(time - origin for time in times),
            "cpus": tuple(value * trace.scale for value in values),
        }
    )


def _from_csv(raw: bytes, trace: Trace) -> tuple[list[float], list[float]]:
    import pandas as pd  # noqa: PLC0415 - 400 ms, only for traces

    return _columns(pd.read_csv(io.BytesIO(raw)), trace)


def _from_parquet(raw: bytes, trace: Trace) -> tuple[list[float], list[float]]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - 115 ms, only for traces

    return _columns(pq.read_table(io.BytesIO(raw)).to_pandas(), trace)


def _from_prometheus(raw: bytes, trace: Trace) -> tuple[list[float], list[float]]:
    """``{"data": {"result": [{"values": [[time, "value"], …]}]}}``: one series, in CPUs."""
    data = orjson.loads(raw)
    result: Any = data.get("data", data).get("result") if isinstance(data, dict) else None
    if not isinstance(result, list) or len(result) != 1:
        count = len(result) if isinstance(result, list) else 0
        raise InputError(f"holds {count} series", expected="the answer of a range query with one series")
    if trace.time_column or trace.value_column:
        raise InputError("has no columns to name", field="valueColumn", expected="a CSV or Parquet file")
    pairs = result[0]["values"]
    return [float(time) for time, _ in pairs], [float(value) for _, value in pairs]


def _columns(table: pd.DataFrame, trace: Trace) -> tuple[list[float], list[float]]:
    time_name = trace.time_column or next(
        (name for name in table.columns if str(name).lower() in _TIME_NAMES), table.columns[0]
    )
    value_name = trace.value_column
    if value_name is None:
        others = [name for name in table.columns if name != time_name]
        if len(others) != 1:
            raise InputError(
                f"has {len(others)} value columns",
                field="valueColumn",
                expected="one of " + ", ".join(map(str, others)),
            )
        value_name = others[0]
    for field, name in (("timeColumn", time_name), ("valueColumn", value_name)):
        if name not in table.columns:
            raise InputError(
                "is no column",
                field=field,
                value=name,
                expected="one of " + ", ".join(map(str, table.columns)),
            )
    if table.empty:
        return [], []
    return _seconds(table[time_name]), [float(value) for value in table[value_name]]


def _seconds(column: Any) -> list[float]:
    import pandas as pd  # noqa: PLC0415 - imported already by the reader

    if pd.api.types.is_numeric_dtype(column):
        return [float(value) for value in column]
    times = pd.to_datetime(column, utc=True)
    return [float(value) for value in (times - times.iloc[0]).dt.total_seconds()]


READERS: Final[dict[str, Callable[[bytes, Trace], tuple[list[float], list[float]]]]] = {
    ".csv": _from_csv,
    ".parquet": _from_parquet,
    ".json": _from_prometheus,
}

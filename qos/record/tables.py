"""The three tables of a recording as Arrow tables, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.event import Event, EventKind
from qos.model.sample import Completions, Samples, Source

TIME: Final = "time_seconds"
CGROUP: Final = "cgroup"
_KINDS: Final = frozenset(get_args(EventKind))


def samples_table(samples: Samples) -> pa.Table:
    """Samples as rows (time, cgroup, columns…), T·C of them, time by time; NaN becomes null.

    Raises:
        ValueError: times without a cgroup, or a column that is named as one of the two keys.
    """
    times, count = len(samples.times), len(samples.cgroups)
    if times and not count:
        raise ValueError("samples hold times but no cgroup")
    columns: dict[str, Any] = {
        TIME: _numbers(np.repeat(samples.times, count), pa.float64()),
        CGROUP: _names(np.tile(np.arange(count, dtype=np.int32), times), samples.cgroups),
    }
    for name, values in samples.columns.items():
        if name in columns:
            raise ValueError(f"{name} cannot be the name of a column of samples")
        flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
        columns[name] = _numbers(flat, pa.float64(), absent=np.isnan(flat))
    return pa.table(columns)


def samples_of(
    table: pa.Table, times: int, cgroups: Sequence[str], columns: Sequence[str], source: Source
) -> Samples:
    """The Samples of :func:`samples_table`.

    Args:
        table: what was written.
        times: number of times, T.
        cgroups: names in their order, C of them.
        columns: names in their order.
        source: simulated or measured.

    Raises:
        ValueError, KeyError: the table is not of T·C rows, or lacks a column.
    """
    count = len(cgroups)
    if table.num_rows != times * count:
        raise ValueError(f"{table.num_rows} rows of samples, expected {times * count}")
    values = {name: _floats(table, name).reshape(times, count) for name in columns}
    names = tuple(CgroupName(name) for name in cgroups)
    return Samples(_floats(table, TIME)[:: count or 1].copy(), names, values, source)


def completions_table(completions: Completions) -> pa.Table:
    """Completions as rows (cgroup, arrival_seconds, latency_seconds)."""
    return pa.table(
        {
            CGROUP: _names(completions.cgroup, completions.cgroups),
            "arrival_seconds": _numbers(completions.arrival_seconds, pa.float64()),
            "latency_seconds": _numbers(completions.latency_seconds, pa.float64()),
        }
    )


def completions_of(table: pa.Table, cgroups: Sequence[str]) -> Completions:
    """The Completions of :func:`completions_table`; ``cgroups`` are the names in their order.

    Raises:
        ValueError, KeyError: the table names another cgroup, or lacks a column.
    """
    names = table[CGROUP].cast(pa.string())
    index = pc.index_in(names, value_set=pa.array(cgroups, type=pa.string()))
    if index.null_count:
        raise ValueError("completions of a cgroup that is not listed")
    return Completions(
        tuple(CgroupName(name) for name in cgroups),
        index.to_numpy().astype(np.int32),
        _floats(table, "arrival_seconds"),
        _floats(table, "latency_seconds"),
    )


def events_table(events: Sequence[Event]) -> pa.Table:
    """Events as rows (time_seconds, kind, cgroup, reason, exit_code)."""
    return pa.table(
        {
            TIME: _numbers(np.array([event.time for event in events], dtype=np.float64), pa.float64()),
            "kind": _texts([event.kind for event in events]),
            CGROUP: _texts([event.cgroup for event in events]),
            "reason": _texts([event.reason for event in events]),
            "exit_code": _numbers(
                np.array([event.exit_code or 0 for event in events], dtype=np.int64),
                pa.int64(),
                absent=np.array([event.exit_code is None for event in events], dtype=np.bool_),
            ),
        }
    )


def events_of(table: pa.Table) -> tuple[Event, ...]:
    """The events of :func:`events_table`.

    Raises:
        ValueError, KeyError: an unknown kind of event or a missing column.
    """
    events = tuple(
        Event(row[TIME], row["kind"], CgroupName(row[CGROUP]), row["reason"], row["exit_code"])
        for row in table.to_pylist()
    )
    unknown = {event.kind for event in events} - _KINDS
    if unknown:
        raise ValueError(f"unknown kind of event {', '.join(sorted(unknown))}")
    return events


def _names(index: NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(_numbers(index, pa.int32()), _texts(names))


# Arrays are made from their buffers: pa.array() imports pandas first, a sixth of a whole `qos simulate`.


def _numbers(values: NDArray[Any], kind: pa.DataType, absent: NDArray[np.bool_] | None = None) -> pa.Array:
    """An Arrow array of one kind of number; null where ``absent``."""
    whole = np.ascontiguousarray(values, dtype=kind.to_pandas_dtype())
    there = None
    if absent is not None and absent.any():
        there = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes())
    return pa.Array.from_buffers(kind, len(whole), [there, pa.py_buffer(whole)])


def _texts(words: Sequence[str]) -> pa.StringArray:
    """An Arrow array of strings."""
    encoded = [word.encode() for word in words]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(word) for word in encoded], out=offsets[1:])
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """One column as floats, nulls as NaN, in memory of its own."""
    return np.array(table[name].to_numpy(), dtype=np.float64)

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
        TIME: pa.array(np.repeat(samples.times, count), type=pa.float64()),
        CGROUP: _names(np.tile(np.arange(count, dtype=np.int32), times), samples.cgroups),
    }
    for name, values in samples.columns.items():
        if name in columns:
            raise ValueError(f"{name} cannot be the name of a column of samples")
        columns[name] = pa.array(np.ascontiguousarray(values).ravel(), type=pa.float64(), from_pandas=True)
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
            "arrival_seconds": pa.array(completions.arrival_seconds, type=pa.float64()),
            "latency_seconds": pa.array(completions.latency_seconds, type=pa.float64()),
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
            TIME: pa.array([event.time for event in events], type=pa.float64()),
            "kind": pa.array([event.kind for event in events], type=pa.string()),
            CGROUP: pa.array([event.cgroup for event in events], type=pa.string()),
            "reason": pa.array([event.reason for event in events], type=pa.string()),
            "exit_code": pa.array([event.exit_code for event in events], type=pa.int64()),
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
    return pa.DictionaryArray.from_arrays(
        pa.array(index, type=pa.int32()), pa.array(list(names), type=pa.string())
    )


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """One column as floats, nulls as NaN, in memory of its own."""
    return np.array(table[name].to_numpy(), dtype=np.float64)

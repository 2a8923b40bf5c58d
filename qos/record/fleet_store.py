"""A fleet's run on disk: tables that grow while it runs, and one ``fleet.json`` in the end.

``groups.parquet`` has a row for each reading and group, ``histograms.parquet`` one for each group and bin
that was hit, ``events.parquet`` the kills; ``curves.parquet``, written while it runs, one for each step and
container asked for. ``fleet.json`` is written last: a folder without it is of a run that did not end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qos.errors import RecordingError
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.fleet_run import BINS, BUSY_BINS, COUNTERS, FleetGroup, FleetRun, bin_edges
from qos.record.fleet_summary import to_json
from qos.record.store import read_text, write_text

FORMAT: Final = "qos.dev/fleet/v1"
INDEX: Final = "fleet.json"
_TABLES: Final = ("groups", "histograms", "events", "curves")
_ROWS: Final = 1 << 21
Floats = NDArray[np.float64]


class FleetWriter:
    """The folder of one run; takes its curves as they come.

    Raises:
        RecordingError: the folder holds something else, or the disk refused.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._leaves: list[pa.DictionaryArray] = []
        self._writer: pq.ParquetWriter | None = None
        known = {INDEX, *(f"{name}.parquet" for name in _TABLES)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            strange = sorted(path.name for path in folder.iterdir() if path.name not in known)
            if strange:
                raise RecordingError(
                    f"{folder}: holds {strange[0]}, which is no fleet's run; not written over"
                )
            for name in known:
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise RecordingError(f"{folder}: cannot be written: {error.strerror}") from error

    def names(self, leaves: Sequence[tuple[str, str, str]]) -> None:
        """(Node, namespace/pod, container) of the leaves whose curves will come."""
        self._leaves = [pa.array(column).dictionary_encode() for column in zip(*leaves, strict=True)]

    def curves(self, times: Floats, cpus: NDArray[np.float32]) -> None:
        """(T,) ends of steps and (T, K) CPUs used in them."""
        count = cpus.shape[1]
        rows = max(1, _ROWS // max(count, 1))
        for begin in range(0, len(times), rows):
            some = cpus[begin : begin + rows]
            repeated = np.tile(np.arange(count), len(some))
            columns = {
                "time_seconds": np.repeat(times[begin : begin + rows], count),
                **{
                    name: column.take(pa.array(repeated))
                    for name, column in zip(("node", "pod", "container"), self._leaves, strict=True)
                },
                "cpus": some.reshape(-1),
            }
            self._write(pa.table(columns))

    def _write(self, table: pa.Table) -> None:
        path = self.folder / "curves.parquet"
        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            self._writer.write_table(table)
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written: {error}") from error

    def finish(self, run: FleetRun) -> None:
        """Write what the run has in the end, ``fleet.json`` last."""
        if self._writer is not None:
            self._writer.close()
        try:
            pq.write_table(groups_table(run), self.folder / "groups.parquet", compression="zstd")
            pq.write_table(histograms_table(run), self.folder / "histograms.parquet", compression="zstd")
            pq.write_table(_events_table(run), self.folder / "events.parquet", compression="zstd")
        except OSError as error:
            raise RecordingError(f"{self.folder}: cannot be written: {error}") from error
        index: dict[str, Any] = {"format": FORMAT, "meta": dict(run.meta), **to_json(run)}
        write_text(self.folder / INDEX, json.dumps(index, indent=1, allow_nan=False) + "\n")


def groups_table(run: FleetRun) -> pa.Table:
    """A row for each reading and group: counters from the start, and memory held."""
    count, readings = len(run.groups), len(run.times)
    names = {
        name: pa.array([getattr(group, name) for group in run.groups] * readings).dictionary_encode()
        for name in ("pool", "qos_class", "workload")
    }
    return pa.table(
        {
            "time_seconds": np.repeat(run.times, count),
            **names,
            **{name: run.counters[name].reshape(-1) for name in COUNTERS},
            "memory_bytes": run.memory.reshape(-1),
        }
    )


def histograms_table(run: FleetRun) -> pa.Table:
    """Container-steps by use and by delay, machine-steps by busy part; ``from`` is the bin's lower edge."""
    edges, rows = bin_edges(), []
    for what, counts in (("cpus", run.use), ("delay_seconds", run.delay)):
        for group, place in np.argwhere(counts):
            key = run.groups[group]
            rows.append(
                (what, key.pool, key.qos_class, key.workload, float(edges[place]), int(counts[group, place]))
            )
    pools = list(run.pools)
    for pool, place in np.argwhere(run.busy):
        rows.append(("busy", pools[pool], "", "", place / (BUSY_BINS - 1), int(run.busy[pool, place])))
    columns = list(zip(*rows, strict=True)) or [()] * 6
    heads = ("of", "pool", "qos_class", "workload", "from", "count")
    return pa.table({head: list(column) for head, column in zip(heads, columns, strict=True)})


def _events_table(run: FleetRun) -> pa.Table:
    return pa.table(
        {
            "time_seconds": pa.array([event.time for event in run.events], pa.float64()),
            "kind": pa.array([event.kind for event in run.events], pa.string()),
            "container": pa.array([str(event.cgroup) for event in run.events], pa.string()),
            "reason": pa.array([event.reason for event in run.events], pa.string()),
        }
    )


def is_fleet_run(path: Path) -> bool:
    """Whether a fleet's run lies at ``path``, readable or not, ended or not."""
    return (path / INDEX).is_file() or any(
        (path / f"{name}.parquet").is_file() for name in ("groups", "curves")
    )


def read_fleet(path: Path) -> FleetRun:
    """The run of a folder, without the group of each kill and without curves, which stay on disk.

    Raises:
        RecordingError: a run that did not end, one of another version, or one that is damaged.
    """
    text = read_text(path / INDEX)
    if text is None:
        raise RecordingError(f"{path}: holds no {INDEX}: a fleet's run that did not end; run it again")
    try:
        index = json.loads(text)
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            version = index.get("format") if isinstance(index, dict) else None
            raise RecordingError(f"{path}: is of format {version!r}; this version of qos reads {FORMAT}")
        tables = {
            name: pq.read_table(path / f"{name}.parquet") for name in ("groups", "histograms", "events")
        }
        return _run_of(index, tables)
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, pa.ArrowException) as error:
        raise RecordingError(f"{path}: damaged: {error}") from error


def _run_of(index: dict[str, Any], tables: dict[str, pa.Table]) -> FleetRun:
    groups = tuple(
        FleetGroup(each["pool"], each["qosClass"], each["workload"], int(each["containers"]))
        for each in index["groups"]
    )
    rows, shape = tables["groups"], (-1, len(groups))
    pools = {name: int(found["machines"]) for name, found in index["pools"].items()}
    use, delay, busy = _counts(tables["histograms"], groups, list(pools))
    events = tables["events"].to_pylist()
    return FleetRun(
        policy=str(index["policy"]),
        seed=int(index["seed"]),
        meta=dict(index["meta"]),
        groups=groups,
        pools=pools,
        times=rows["time_seconds"].to_numpy().reshape(shape)[:, 0],
        counters={name: rows[name].to_numpy().reshape(shape) for name in COUNTERS},
        memory=rows["memory_bytes"].to_numpy().reshape(shape),
        memory_peaks=np.array([each["memory_peak_bytes"] or 0.0 for each in index["groups"]]),
        use=use,
        delay=delay,
        busy=busy,
        kills=np.array([each["oom_kills"] for each in index["groups"]], dtype=np.int64),
        events=tuple(
            Event(each["time_seconds"], each["kind"], CgroupName(each["container"]), each["reason"])
            for each in events
        ),
        unplaced=dict(index["unplaced"]),
    )


def _counts(
    table: pa.Table, groups: Sequence[FleetGroup], pools: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The counts that :func:`histograms_table` has written: use, delay and busy."""
    number = {(each.pool, each.qos_class, each.workload): place for place, each in enumerate(groups)}
    edges = bin_edges()
    found = {name: np.zeros((len(groups), BINS), dtype=np.int64) for name in ("cpus", "delay_seconds")}
    busy = np.zeros((len(pools), BUSY_BINS), dtype=np.int64)
    for row in table.to_pylist():
        if row["of"] == "busy":
            busy[pools.index(row["pool"]), round(row["from"] * (BUSY_BINS - 1))] = row["count"]
        else:
            group = number[row["pool"], row["qos_class"], row["workload"]]
            found[row["of"]][group, int(np.searchsorted(edges, row["from"]))] = row["count"]
    return found["cpus"], found["delay_seconds"], busy

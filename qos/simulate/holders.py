"""The processes of leaves as holders of memory: their records and what they want over time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.workload import Anon, Workload
from qos.simulate.demand import number
from qos.simulate.layout import HOLDER, UNLIMITED

Floats = NDArray[np.float64]
_FOREVER_SECONDS: Final = 1e7


class Holders:
    """One record a started workload, in order of cgroup name.

    Attributes:
        records: (H,) of ``layout.HOLDER``.
        names: the cgroup of each.
        times: corners of wanted anonymous memory of all, one after another; ``records`` say where.
        values: bytes at the corners.
    """

    def __init__(self) -> None:
        self.records: NDArray[Any] = np.zeros(0, dtype=HOLDER)
        self.names: list[CgroupName] = []
        self.times: Floats = np.zeros(0)
        self.values: Floats = np.zeros(0)

    def start(
        self, name: CgroupName, node: int, workload: Workload, *, tasks: int, adj: int, now: float
    ) -> None:
        """Add the processes of a cgroup, or start them again."""
        if name in self.names:
            self.remove(name)
        place = sum(other < name for other in self.names)
        record = np.zeros(1, dtype=HOLDER)
        record["node"], record["alive"], record["tasks"], record["adj"] = node, 1, tasks, adj
        record["synced"], record["stalled_until"] = now, -UNLIMITED
        shape = workload.memory
        times, values = corners(shape.anon) if shape and shape.anon else (np.zeros(0), np.zeros(0))
        record["first"] = values[0] if len(values) and times[0] <= 0.0 else 0.0
        record["corner"], record["corner_end"] = len(self.times), len(self.times) + len(times)
        self.times = np.concatenate([self.times, times + now])
        self.values = np.concatenate([self.values, values])
        if shape and shape.cache:
            cache = shape.cache
            written = number(cache.write_per_second) if cache.write_per_second else 0.0
            record["file_size"] = number(cache.file)
            record["read_rate"] = number(cache.read_per_second) + written
            record["file_start"] = now + cache.start
        self.records = np.insert(self.records, place, record)
        self.names.insert(place, name)

    def remove(self, name: CgroupName) -> None:
        """Forget the processes of a cgroup."""
        place = self.names.index(name)
        gone = self.records[place]
        start, stop = int(gone["corner"]), int(gone["corner_end"])
        self.records = np.delete(self.records, place)
        del self.names[place]
        self._close_gap(start, stop)

    def place(self, index: dict[CgroupName, int]) -> None:
        """Tell the records where their cgroups are now."""
        for place, name in enumerate(self.names):
            self.records[place]["node"] = index[name]

    def _close_gap(self, start: int, stop: int) -> None:
        """Drop corners [start, stop); those of others move up."""
        self.times, self.values = (
            np.delete(self.times, np.s_[start:stop]),
            np.delete(self.values, np.s_[start:stop]),
        )
        later = self.records["corner"] >= stop
        self.records["corner"][later] -= stop - start
        self.records["corner_end"][later] -= stop - start


def corners(anon: Anon) -> tuple[Floats, Floats]:
    """Anonymous memory wanted over time, as corners of a polygon: seconds and bytes.

    >>> corners(Anon(start="1Mi", grow_per_second="1Mi", grow_at=5, limit="3Mi"))[0].tolist()
    [0.0, 5.0, 7.0]
    """
    if anon.points is not None:
        times = [point.at for point in anon.points]
        values = [max(number(point.value), 0.0) for point in anon.points]
        return np.array(times), np.array(values)
    start = number(anon.start) if anon.start is not None else 0.0
    growth = number(anon.grow_per_second) if anon.grow_per_second is not None else 0.0
    if growth == 0.0:
        return np.zeros(1), np.array([start])
    end = start + growth * _FOREVER_SECONDS
    if growth < 0.0:
        end = 0.0
    if anon.limit is not None:
        end = max(number(anon.limit), start) if growth > 0.0 else min(number(anon.limit), start)
    return np.array([0.0, anon.grow_at, anon.grow_at + (end - start) / growth]), np.array([start, start, end])

"""The workloads that run: their records, their feeds and their requests in service, as flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.simulate.demand import Demand, Feed
from qos.simulate.layout import REQUESTS, SOURCE, UNLIMITED

Floats = NDArray[np.float64]


class Sources:
    """One record a workload with CPU demand, in order of cgroup name.

    So results do not depend on the order of starts.

    Attributes:
        records: (S,) of ``layout.SOURCE``.
        names: the cgroup of each.
        feed_times: feeds of all, one after another; ``records`` say where each lies.
        feed_values: values of the feeds.
        keys: heaps of all requests in service: attained service at which each is done.
        arrivals: when each of them arrived.
        turns: virtual runtime of each, where CPU is given in slices.

    Args:
        credit: how far ahead of its leaf's others a waking thread is put; None: no slices.
        wake_seconds: so much later than it asked a sleeper wakes.
    """

    def __init__(self, credit: float | None = None, wake_seconds: float = 0.0) -> None:
        self._wake = wake_seconds
        self._credit = credit
        self.records: NDArray[Any] = np.zeros(0, dtype=SOURCE)
        self.names: list[CgroupName] = []
        self.feed_times: Floats = np.zeros(0)
        self.feed_values: Floats = np.zeros(0)
        self.keys: Floats = np.zeros(0)
        self.arrivals: Floats = np.zeros(0)
        self.turns: Floats = np.zeros(0)
        self._feeds: list[Feed | None] = []

    def start(self, name: CgroupName, node: int, demand: Demand, now: float) -> None:
        """Add a workload, or start the one of this cgroup again."""
        if name in self.names:
            self.remove(name)
        place = sum(other < name for other in self.names)
        record = np.zeros(1, dtype=SOURCE)
        record["node"], record["kind"], record["alive"] = node, demand.kind, 1
        record["threads"], record["since"] = demand.threads, now
        record["sliced"] = self._credit is not None and demand.kind == REQUESTS
        record["credit"] = self._credit or 0.0
        record["feed"] = record["feed_end"] = record["queue"] = len(self.feed_times)
        self.records = np.insert(self.records, place, record)
        self.names.insert(place, name)
        self._feeds.insert(place, _shifted(demand.feed, now + self._wake))
        self._lay_heaps()

    def remove(self, name: CgroupName) -> None:
        """Forget a workload."""
        place = self.names.index(name)
        self.records = np.delete(self.records, place)
        del self.names[place], self._feeds[place]
        self._lay_heaps()

    def refill(self, until: float) -> None:
        """Read feeds on, so that each goes beyond ``until`` or to its end."""
        short = [place for place, feed in enumerate(self._feeds) if feed and self._last_time(place) <= until]
        if not short:
            return
        parts: list[tuple[Floats, Floats]] = []
        position = 0
        for place, record in enumerate(self.records):
            base = record["queue"] if record["kind"] == REQUESTS else record["feed"]
            kept = slice(base, record["feed_end"])
            pieces = [(self.feed_times[kept], self.feed_values[kept])]
            while place in short and (not len(pieces[-1][0]) or pieces[-1][0][-1] <= until):
                chunk = next(self._feeds[place] or iter(()), None)
                if chunk is None:
                    self._feeds[place] = None
                    break
                pieces.append(chunk)
            times = np.concatenate([piece[0] for piece in pieces])
            parts.append((times, np.concatenate([piece[1] for piece in pieces])))
            record["feed"] += position - base
            record["queue"] += position - base
            position += len(times)
            record["feed_end"] = position
        self.feed_times = np.concatenate([part[0] for part in parts])
        self.feed_values = np.concatenate([part[1] for part in parts])

    def place(self, index: dict[CgroupName, int]) -> None:
        """Tell the records where their cgroups are now."""
        for place, name in enumerate(self.names):
            self.records[place]["node"] = index[name]

    def scratch(self) -> tuple[Floats, NDArray[np.int64]]:
        """The engine's ``due`` and ``moved``: it fills them from the records."""
        return np.zeros(len(self.names)), np.zeros(len(self.names), dtype=np.int64)

    def _last_time(self, place: int) -> float:
        record = self.records[place]
        if not record["alive"]:
            return UNLIMITED
        return float(self.feed_times[record["feed_end"] - 1]) if record["feed"] < record["feed_end"] else -1.0

    def _lay_heaps(self) -> None:
        widths = np.where(self.records["kind"] == REQUESTS, self.records["threads"], 0).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(widths)])
        keys, arrivals, turns = np.zeros((3, starts[-1]))
        for record, start in zip(self.records, starts[:-1], strict=True):
            old = slice(record["heap"], record["heap"] + record["in_service"])
            new = slice(start, start + record["in_service"])
            keys[new], arrivals[new], turns[new] = self.keys[old], self.arrivals[old], self.turns[old]
            record["heap"] = start
        self.keys, self.arrivals, self.turns = keys, arrivals, turns


def _shifted(feed: Feed, by: float) -> Feed:
    for times, values in feed:
        yield times + by, values

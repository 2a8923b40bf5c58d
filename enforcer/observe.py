"""Samples of a real kernel: cgroup files read at an interval through descriptors that stay open.

A :class:`Sampler` takes a row when asked, or when the kernel says that something happened to a cgroup
(an OOM kill, its last process gone): so the last numbers of a cgroup are there when it is removed.

Source: cgroup-v2.rst ("file modified event" of memory.events and cgroup.events).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from enforcer.counters import SAMPLED
from enforcer.kept import KeptFiles
from enforcer.layouts import Layouts
from qos.errors import CgroupError, HostError
from qos.model.cgroup import ROOT, CgroupName
from qos.model.sample import Samples

Parts = tuple[tuple[str, ...], Sequence[float]]
"""Columns that stand together in a file, and their values."""
Clock = Callable[[], float]
Beside = Callable[[CgroupName], dict[str, float]]
_LOOK_AGAIN_ROWS: Final = 32
"""A file that was not there is looked for again after so many rows: a controller may be switched on."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What the cgroups' files said, cgroup by cgroup, file by file."""

    time: float
    names: tuple[CgroupName, ...]
    values: tuple[list[Parts], ...]


@dataclass(slots=True)
class _Place:
    """A cgroup that is sampled, and which of its files are not there."""

    path: str
    absent: set[str] = field(default_factory=set)


class Sampler:
    """Readings of a set of cgroups, collected row by row.

    Args:
        fs: the tree, live or recorded.
        cgroups: name in the Samples → path beneath the root of ``fs``.
        clock: seconds, written into the rows; counts from the sampler's making where None.
        beside: more columns of a cgroup, from elsewhere than its files, as what its pod sent.
        node: columns of the whole machine, a row of ROOT's own; its cgroup files do not have them.
        files: which files are read.
    """

    def __init__(
        self,
        fs: CgroupFS,
        cgroups: Mapping[CgroupName, str],
        *,
        clock: Clock | None = None,
        beside: Beside | None = None,
        node: Callable[[], dict[str, float]] | None = None,
        files: Sequence[str] = tuple(SAMPLED),
    ) -> None:
        began = time.monotonic()
        self._fs = fs
        self._kept = KeptFiles(fs)
        self._clock = clock or (lambda: time.monotonic() - began)
        self._beside = beside or (lambda _: {})
        self._node = node
        self._files = tuple(files)
        self._places: dict[CgroupName, _Place] = {}
        self._rows: list[_Row] = []
        self._layouts = Layouts()
        self._taken = 0
        self.unreadable: dict[str, str] = {}
        self.set_cgroups(cgroups)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release all descriptors; rows that were not taken stay."""
        self._kept.close()

    def set_cgroups(self, cgroups: Mapping[CgroupName, str]) -> None:
        """Sample these from now on; those left out are forgotten after the rows they are in."""
        gone = [place.path for name, place in self._places.items() if cgroups.get(name) != place.path]
        self._kept.forget(gone)
        self._places = {
            name: self._places[name] if name in self._places and path not in gone else _Place(path)
            for name, path in cgroups.items()
        }

    def sample(self) -> float:
        """Take one row of all cgroups, now.

        Returns:
            The row's time by the clock.

        Raises:
            CgroupError: not permitted.
        """
        now = self._clock()
        if self._taken % _LOOK_AGAIN_ROWS == 0:
            for place in self._places.values():
                place.absent.clear()
        self._taken += 1
        values = [self._read(name, place) for name, place in self._places.items()]
        names = list(self._places)
        if self._node is not None:
            names.append(ROOT)
            values.append([_parts(self._node())])
        self._rows.append(_Row(now, tuple(names), tuple(values)))
        return now

    def take(self) -> Samples:
        """The rows since the last call, oldest first; a row is taken if there is none.

        A cgroup or file that was not there is NaN.

        Raises:
            CgroupError: not permitted.
        """
        if not self._rows:
            self.sample()
        names = tuple(dict.fromkeys(name for row in self._rows for name in row.names))
        position = {name: index for index, name in enumerate(names)}
        shape = (len(self._rows), len(names))
        columns: dict[str, NDArray[np.float64]] = {}
        for at, row in enumerate(self._rows):
            for together, (where, values) in _by_columns(row, position).items():
                for column, series in zip(together, np.array(values, dtype=np.float64).T, strict=True):
                    if column not in columns:
                        columns[column] = np.full(shape, np.nan)
                    columns[column][at, where] = series
        times = np.array([row.time for row in self._rows], dtype=np.float64)
        self._rows = []
        return Samples(times, names, columns, "measured")

    def _read(self, name: CgroupName, place: _Place) -> list[Parts]:
        values: list[Parts] = []
        for file in self._files:
            if file in place.absent:
                continue
            text = self._kept.read(place.path, file)
            if text is None:
                place.absent.add(file)
                continue
            try:
                values.append(self._layouts.read(file, text))
            except ValueError as error:
                self.unreadable.setdefault(file, str(error))
        if not values:
            place.absent.clear()  # the cgroup itself is gone: it may come back under its name
        beside = self._beside(name)
        if beside:
            values.append(_parts(beside))
        return values


def _parts(columns: Mapping[str, float]) -> Parts:
    return tuple(columns), tuple(columns.values())


def _by_columns(
    row: _Row, position: Mapping[CgroupName, int]
) -> dict[tuple[str, ...], tuple[list[int], list[Sequence[float]]]]:
    """A row's numbers by the columns that stand together in a file: where they go, and they."""
    found: dict[tuple[str, ...], tuple[list[int], list[Sequence[float]]]] = {}
    for name, parts in zip(row.names, row.values, strict=True):
        at = position[name]
        for together, values in parts:
            if together not in found:
                found[together] = ([], [])
            where, rows = found[together]
            where.append(at)
            rows.append(values)
    return found


@dataclass(frozen=True, slots=True)
class Happening:
    """Something the kernel announced: a counter or state of a cgroup changed from ``old`` to ``new``."""

    cgroup: CgroupName
    key: str
    old: int
    new: int


_WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "memory.events": ("oom_kill",),
    "cgroup.events": ("populated", "frozen"),
    "pids.events": ("max",),
}


class Watch:
    """Waiting for the kernel's own announcements, instead of looking all the time.

    Args:
        fs: the tree.
        cgroups: name → path of the cgroups to watch; one that is not there is left out.
    """

    def __init__(self, fs: CgroupFS, cgroups: Mapping[CgroupName, str]) -> None:
        self._fs = fs
        self._poller = select.poll()
        self._watched: dict[int, tuple[CgroupName, str]] = {}
        self._seen: dict[tuple[CgroupName, str], int] = {}
        for name, path in cgroups.items():
            self.add(name, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, name: CgroupName, path: str) -> None:
        """Watch one more cgroup; what it says now is taken as known."""
        for file in _WATCHED:
            try:
                fd = self._fs.open_file(path, file)
            except CgroupError:
                continue  # not there, or its controller is off: nothing to be announced
            self._watched[fd] = (name, file)
            self._changed(fd)
            self._poller.register(fd, select.POLLPRI)

    def wait(self, seconds: float) -> list[Happening]:
        """Wait until something happens, ``seconds`` at most.

        Returns:
            What happened; empty when the time was up first, or the announcement was of nothing watched.

        Raises:
            HostError: the wait was refused.
        """
        try:
            ready = self._poller.poll(max(0.0, seconds) * 1000)
        except OSError as error:
            raise HostError(f"poll of cgroup files: {error.strerror}") from error
        return [happening for fd, _ in ready for happening in self._changed(fd)]

    def look(self, cgroup: CgroupName) -> list[Happening]:
        """What one cgroup's files say that they did not before, announced or not.

        The kernel counts at once and announces memory.events at most every 10 ms
        (CGROUP_FILE_NOTIFY_MIN_INTV in kernel/cgroup/cgroup.c).
        """
        mine = [fd for fd, (name, _) in self._watched.items() if name == cgroup]
        return [happening for fd in mine for happening in self._changed(fd)]

    def close(self) -> None:
        """Release all descriptors."""
        for fd in list(self._watched):
            self._forget(fd)

    def _changed(self, fd: int) -> list[Happening]:
        name, file = self._watched[fd]
        try:
            values = parse_flat_keyed(os.pread(fd, 4096, 0).decode())
        except OSError:
            self._forget(fd)  # the cgroup is gone, or its controller was switched off
            return []
        happened = []
        for key in _WATCHED[file]:
            new = values.get(key, 0)
            full = f"{file.replace('.', '_')}_{key}"
            old = self._seen.get((name, full), new)
            self._seen[(name, full)] = new
            if new != old:
                happened.append(Happening(name, full, old, new))
        return happened

    def _forget(self, fd: int) -> None:
        del self._watched[fd]
        with contextlib.suppress(KeyError):  # forgotten before it was registered
            self._poller.unregister(fd)
        os.close(fd)

"""What is shown outside: counters of the engine as the columns of Samples, in the kernel's units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import InputError
from qos.model.cgroup import CgroupName
from qos.model.sample import Samples
from qos.simulate.averages import Averages, averages_of
from qos.simulate.flows import IO_COLUMNS, TRAFFIC_COLUMNS
from qos.simulate.layout import (
    ANON,
    ARRIVED,
    BACKLOG,
    BOOKED,
    BURST,
    COMPLETED,
    CPU_FULL,
    CPU_SOME,
    DEMAND,
    EVENTS,
    EVENTS_LOCAL,
    FILE,
    INACTIVE_FILE,
    LOST,
    MEMORY,
    MEMORY_FULL,
    MEMORY_SOME,
    NR_BURSTS,
    NR_PERIODS,
    NR_THROTTLED,
    PEAK,
    PIDS,
    PIDS_EVENTS_MAX,
    SUBMITTED,
    SWAP,
    SWAP_PEAK,
    THROTTLED,
    USAGE,
    WAIT_CPU,
    WAIT_QUOTA,
)  # fmt: skip

_USEC: Final = 1e6
_MEMORY_EVENTS: Final = ("low", "high", "max", "oom", "oom_kill", "oom_group_kill")

COLUMNS: Final[dict[str, tuple[int, float]]] = {
    "cpu_stat_usage_usec": (USAGE, _USEC),
    "cpu_stat_nr_periods": (NR_PERIODS, 1.0),
    "cpu_stat_nr_throttled": (NR_THROTTLED, 1.0),
    "cpu_stat_throttled_usec": (THROTTLED, _USEC),
    "cpu_stat_nr_bursts": (NR_BURSTS, 1.0),
    "cpu_stat_burst_usec": (BURST, _USEC),
    "cpu_pressure_some_total": (CPU_SOME, _USEC),
    "cpu_pressure_full_total": (CPU_FULL, _USEC),
    "memory_pressure_some_total": (MEMORY_SOME, _USEC),
    "memory_pressure_full_total": (MEMORY_FULL, _USEC),
    "memory_current": (MEMORY, 1.0),
    "memory_peak": (PEAK, 1.0),
    "memory_swap_current": (SWAP, 1.0),
    "memory_swap_peak": (SWAP_PEAK, 1.0),
    "memory_stat_anon": (ANON, 1.0),
    "memory_stat_file": (FILE, 1.0),
    "memory_stat_inactive_file": (INACTIVE_FILE, 1.0),
    **{f"memory_events_{event}": (EVENTS + place, 1.0) for place, event in enumerate(_MEMORY_EVENTS)},
    **{
        f"memory_events_local_{event}": (EVENTS_LOCAL + place, 1.0)
        for place, event in enumerate(_MEMORY_EVENTS)
    },
    "pids_current": (PIDS, 1.0),
    "pids_events_max": (PIDS_EVENTS_MAX, 1.0),
    "sim_wait_quota_usec": (WAIT_QUOTA, _USEC),
    "sim_wait_cpu_usec": (WAIT_CPU, _USEC),
    "sim_demand_usec": (DEMAND, _USEC),
    "sim_submitted_usec": (SUBMITTED, _USEC),
    "sim_backlog_usec": (BACKLOG, _USEC),
    "sim_arrived": (ARRIVED, 1.0),
    "sim_completed": (COMPLETED, 1.0),
    "sim_lost": (LOST, 1.0),
}
"""Column → its counter, and the factor from the engine's unit (seconds) to the file's (microseconds).

``sim_`` columns are what no file of a real kernel tells: thread time that wanted a CPU (demand) and what
it waited for, own limit (quota) or busy CPUs (cpu); demand = usage + both waits. submitted = usage +
backlog, for all shapes but spin; arrived, completed and lost count requests and pieces of work.
"""

AVERAGES: Final[dict[str, str]] = {
    average: total
    for total in (*COLUMNS, *IO_COLUMNS)
    if "_pressure_" in total
    for average in averages_of(total)
}
"""Column of averages → the column of totals it is made from."""

_CHUNK_VALUES: Final = 4_000_000
"""Readings are converted in pieces of this many numbers, so that a long run needs no second copy of all."""


class Readings:
    """Readings taken and not yet handed out.

    Args:
        columns: the columns wanted, None for all.
        booked: usage is what a clock says that moves on ticks.

    Attributes:
        picked: (K,) the engine's counter of each column.

    Raises:
        InputError: no such column.
    """

    def __init__(self, columns: Sequence[str] | None, *, booked: bool = False) -> None:
        self._wanted = (
            AVERAGES.keys() | COLUMNS.keys() | set(TRAFFIC_COLUMNS) if columns is None else frozenset(columns)
        )
        for name in columns or ():
            if name not in COLUMNS and name not in TRAFFIC_COLUMNS and name not in AVERAGES:
                msg = "the simulated kernel has no such column"
                known = ", ".join((*COLUMNS, *TRAFFIC_COLUMNS, *AVERAGES))
                raise InputError(msg, field="columns", value=name, expected=known)
        self._totals = frozenset(AVERAGES[name] for name in self._wanted if name in AVERAGES)
        self._columns = tuple(name for name in COLUMNS if name in self._wanted | self._totals)
        self.picked = np.array([COLUMNS[name][0] for name in self._columns], dtype=np.int64)
        if booked:
            self.picked[self.picked == USAGE] = BOOKED
        self._averages = Averages()
        self._parts: list[Samples] = []

    def rows_at_once(self, cgroups: int) -> int:
        """How many readings to take before they are converted."""
        return max(1, _CHUNK_VALUES // max(1, cgroups * len(self._columns)))

    def room(self, count: int, cgroups: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Arrays for ``count`` readings (count, K, C) and their times (count,)."""
        return np.empty((count, len(self._columns), cgroups)), np.empty(count)

    def add(
        self,
        rows: NDArray[np.float64],
        times: NDArray[np.float64],
        names: Sequence[CgroupName],
        traffic: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Keep rows (T, K, C) of the engine and columns (T, C) of traffic; values are whole, as in files."""
        if len(times):
            values = {
                name: np.rint(rows[:, place] * COLUMNS[name][1]) for place, name in enumerate(self._columns)
            }
            values |= {name: np.rint(column) for name, column in traffic.items()}
            totals = {name: column for name, column in values.items() if name in self._totals}
            values |= self._averages.add(totals, times, names)
            kept = {name: column for name, column in values.items() if name in self._wanted}
            self._parts.append(Samples(times.copy(), tuple(names), kept, "simulated"))

    def newest_seconds(self) -> float:
        """Time of the newest reading kept, -1 if there is none."""
        return float(self._parts[-1].times[-1]) if self._parts else -1.0

    def take(self) -> Samples:
        """All readings kept, which are then forgotten."""
        parts, self._parts = self._parts, []
        return Samples.concat(parts)

"""avg10, avg60 and avg300 of the pressure files, from their totals, as the kernel averages.

Every two seconds (and a tick: 2.004 s at 250 Hz) the part of the time since the last look, in whole per
cent, is mixed into each average: avg = avg · e + part · (1 - e), with e = 1677/2048 for 10 s, 1981/2048
for 60 s, 2034/2048 for 300 s. All wait from now on: 18.1 % after the first look in avg10, 86.4 % after ten.

Source: kernel/sched/psi.c (update_averages, calc_avgs, psi_show) and include/linux/sched/loadavg.h
(calc_load, FIXED_1) of Linux 6.12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.simulate.jit import compiled

Floats = NDArray[np.float64]

WINDOWS: Final = ("avg10", "avg60", "avg300")
_EXP: Final = np.array([1677, 1981, 2034], dtype=np.int64)
_FIXED_1: Final = 2048
_PERIOD_USEC: Final = 2_004_000.0


def averages_of(total: str) -> tuple[str, ...]:
    """The columns that belong to a column of totals.

    >>> averages_of("io_pressure_some_total")[0]
    'io_pressure_some_avg10'
    """
    return tuple(total.replace("_total", f"_{window}") for window in WINDOWS)


@compiled
def follow(times: Any, totals: Any, clock: Any, last: Any, looked: Any, means: Any, out: Any) -> None:
    """Take all looks up to each reading; between readings totals rise in straight lines.

    Args:
        times: (T,) of the readings, in microseconds.
        totals: (T, C) microseconds.
        clock: time of the next look, and of the reading before.
        last: (C,) totals at the reading before.
        looked: (C,) totals at the look before.
        means: (3, C) averages in 2048ths of a per cent, whole numbers.
        out: (3, T, C) gets the averages in per cent, two decimals, as the files print them.
    """
    for row in range(len(times)):
        while clock[0] <= times[row]:
            span = times[row] - clock[1]
            part = (clock[0] - clock[1]) / span if span > 0.0 else 1.0
            for place in range(totals.shape[1]):
                total = last[place] + (totals[row, place] - last[place]) * part
                waited = min(max(total - looked[place], 0.0), _PERIOD_USEC)
                active = int(waited * 100.0 / _PERIOD_USEC + 1e-6) * _FIXED_1
                for window in range(3):
                    mean = means[window, place]
                    mixed = mean * _EXP[window] + active * (_FIXED_1 - _EXP[window])
                    if active >= mean:
                        mixed += _FIXED_1 - 1
                    means[window, place] = mixed // _FIXED_1
                looked[place] = total
            clock[0] += _PERIOD_USEC
        for place in range(totals.shape[1]):
            last[place] = totals[row, place]
            for window in range(3):
                mean = means[window, place]
                out[window, row, place] = mean // _FIXED_1 + (mean % _FIXED_1 * 100 // _FIXED_1) / 100.0
        clock[1] = times[row]


@dataclass(slots=True)
class _State:
    names: tuple[str, ...]
    clock: Floats
    last: Floats
    looked: Floats
    means: NDArray[np.int64]


@dataclass(slots=True)
class Averages:
    """The averages of all columns of totals, carried from reading to reading."""

    _states: dict[str, _State] = field(default_factory=dict)

    def add(self, totals: Mapping[str, Floats], times: Floats, names: Sequence[str]) -> dict[str, Floats]:
        """Columns (T, C) of averages for columns (T, C) of totals read at ``times`` (T,) seconds."""
        found: dict[str, Floats] = {}
        for column, values in totals.items():
            state = self._state(column, tuple(names))
            out = np.empty((len(WINDOWS), *values.shape))
            follow(times * 1e6, values, state.clock, state.last, state.looked, state.means, out)
            found |= dict(zip(averages_of(column), out, strict=True))
        return found

    def _state(self, column: str, names: tuple[str, ...]) -> _State:
        before = self._states.get(column)
        if before is not None and before.names == names:
            return before
        count = len(names)
        now = np.array([_PERIOD_USEC, 0.0]) if before is None else before.clock
        means = np.zeros((len(WINDOWS), count), dtype=np.int64)
        state = _State(names, now, np.zeros(count), np.zeros(count), means)
        if before is not None:
            old = {name: place for place, name in enumerate(before.names)}
            kept = [place for place, name in enumerate(names) if name in old]
            source = [old[names[place]] for place in kept]
            state.last[kept], state.looked[kept] = before.last[source], before.looked[source]
            state.means[:, kept] = before.means[:, source]
        self._states[column] = state
        return state

"""What is shown outside: counters of the engine as the columns of Samples, in the kernel's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.sample import Samples
from qos.simulate.layout import (
    ARRIVED,
    BACKLOG,
    BURST,
    COMPLETED,
    DEMAND,
    LOST,
    NR_BURSTS,
    NR_PERIODS,
    NR_THROTTLED,
    SUBMITTED,
    THROTTLED,
    USAGE,
    WAIT_CPU,
    WAIT_QUOTA,
)

_USEC: Final = 1e6

COLUMNS: Final[dict[str, tuple[int, float]]] = {
    "cpu_stat_usage_usec": (USAGE, _USEC),
    "cpu_stat_nr_periods": (NR_PERIODS, 1.0),
    "cpu_stat_nr_throttled": (NR_THROTTLED, 1.0),
    "cpu_stat_throttled_usec": (THROTTLED, _USEC),
    "cpu_stat_nr_bursts": (NR_BURSTS, 1.0),
    "cpu_stat_burst_usec": (BURST, _USEC),
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


def to_samples(rows: NDArray[np.float64], times: NDArray[np.float64], names: Sequence[CgroupName]) -> Samples:
    """Rows (T, C, COUNTERS) of the engine as Samples; values are whole, as files have them."""
    columns: dict[str, Any] = {
        name: np.rint(rows[:, :, counter] * factor) for name, (counter, factor) in COLUMNS.items()
    }
    return Samples(times, tuple(names), columns, "simulated")

"""The newest reading of Samples, by column and cgroup, with None for what was not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qos.model.cgroup import ROOT, CgroupName

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

MEMORY_CURRENT = "memory_current"
MEMORY_INACTIVE_FILE = "memory_stat_inactive_file"
CPU_USAGE_USEC = "cpu_stat_usage_usec"
PIDS_CURRENT = "pids_current"


class Reading:
    """The last row of some Samples; a look-up costs the same for 10 cgroups and for 10,000."""

    def __init__(self, samples: Samples) -> None:
        self._columns = samples.columns
        self._cgroups = samples.cgroups
        self._position: dict[CgroupName, int] | None = None
        self._rows = len(samples.times)
        self.time_seconds: float | None = float(samples.times[-1]) if self._rows else None

    def value(self, column: str, cgroup: CgroupName) -> float | None:
        """The newest value, None where the file or the cgroup was not there."""
        if self._position is None:
            self._position = {name: index for index, name in enumerate(self._cgroups)}
        index = self._position.get(cgroup)
        values = self._columns.get(column)
        if index is None or values is None or not self._rows:
            return None
        value = float(values[-1, index])
        return value if value == value else None  # noqa: PLR0124 - NaN is the one that differs from itself

    def working_set_bytes(self, cgroup: CgroupName) -> int | None:
        """Memory in use less the page cache that has lain idle, as the kubelet counts it.

        100 MiB with 30 MiB of inactive_file is 70 MiB; never below 0.
        """
        usage = self.value(MEMORY_CURRENT, cgroup)
        if usage is None:
            return None
        idle = self.value(MEMORY_INACTIVE_FILE, cgroup) or 0.0
        return max(0, int(usage) - int(idle))

    def node_working_set_bytes(self) -> int | None:
        """The working set of the whole machine.

        Read from the root cgroup's row where the kernel gives one (there ``memory_current`` is MemTotal
        less MemFree); else the sum over the cgroups at the top, which leaves out what lies in none.
        """
        of_root = self.working_set_bytes(ROOT)
        if of_root is not None:
            return of_root
        known = [one for name in self._tops() if (one := self.working_set_bytes(name)) is not None]
        return sum(known) if known else None

    def node_value(self, column: str) -> float | None:
        """One column of the whole machine: the root's, or the sum over the cgroups at the top."""
        of_root = self.value(column, ROOT)
        if of_root is not None:
            return of_root
        known = [one for name in self._tops() if (one := self.value(column, name)) is not None]
        return sum(known) if known else None

    def _tops(self) -> list[CgroupName]:
        return [name for name in self._cgroups if name and "/" not in name]

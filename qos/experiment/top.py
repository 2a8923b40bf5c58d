"""`qos top`: one line a container from two readings: use against request and limit, and what held it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qos.experiment.observe import pod_label
from qos.model.cgroup import CgroupName, ancestors

if TYPE_CHECKING:
    from qos.experiment.pods_here import Here
    from qos.model.sample import Samples


@dataclass(frozen=True, slots=True)
class TopRow:
    """One container over the time between two readings. None: not known here.

    Attributes:
        name: of the pod and container.
        qos_class: Guaranteed, Burstable, BestEffort.
        cpu: CPUs used.
        cpu_request: CPUs.
        cpu_limit: CPUs.
        memory_bytes: charged to it now.
        memory_request_bytes: asked for.
        memory_limit_bytes: most it may have.
        throttled_own: share of its quota periods in which its own cpu.max stopped it.
        throttled_above: the same of the cgroup above whose cpu.max stopped most.
        cpu_pressure: share of the time in which a task waited for a CPU.
        memory_pressure: share of the time in which a task waited for memory.
        io_pressure: share of the time in which a task waited for a disk.
        oom_kills: since the cgroup was made.
        tasks: processes and threads.
        restarts: how often qos started it again; None: qos did not start it.
        frozen: whether it is frozen.
    """

    name: str
    qos_class: str | None
    cpu: float | None
    cpu_request: float | None
    cpu_limit: float | None
    memory_bytes: float | None
    memory_request_bytes: float | None
    memory_limit_bytes: float | None
    throttled_own: float | None
    throttled_above: float | None
    cpu_pressure: float | None
    memory_pressure: float | None
    io_pressure: float | None
    oom_kills: float | None
    tasks: float | None
    frozen: bool
    restarts: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The stable machine form."""
        return {name: getattr(self, name) for name in self.__slots__}


def top_rows(here: Here, samples: Samples) -> list[TopRow]:
    """A row for each container that is there, from the first to the last of two or more readings.

    Args:
        here: the containers.
        samples: readings of their cgroups and of those above.
    """
    seconds = float(samples.times[-1] - samples.times[0])
    restarts = here.restarts()
    return [
        _row(record, _Reader(samples, CgroupName(record["cgroup"]), seconds), restarts)
        for record in here.pods
        if record["cgroup"] in samples.cgroups
    ]


class _Reader:
    """Columns of one cgroup over one interval."""

    def __init__(self, samples: Samples, cgroup: CgroupName, seconds: float) -> None:
        self._samples = samples
        self.cgroup = cgroup
        self._seconds = seconds

    def of(self, cgroup: CgroupName) -> _Reader:
        """The same interval of another cgroup."""
        return _Reader(self._samples, cgroup, self._seconds)

    def last(self, column: str) -> float | None:
        """The newest value."""
        return self._at(column, -1)

    def rate(self, column: str) -> float | None:
        """How fast a counter of microseconds rose, in seconds a second: CPUs, or a share of the time."""
        rise = self.rise(column)
        return None if rise is None or self._seconds <= 0 else rise / 1e6 / self._seconds

    def rise(self, column: str) -> float | None:
        """How far a counter rose."""
        first, last = self._at(column, 0), self._at(column, -1)
        return None if first is None or last is None else max(0.0, last - first)

    def throttled(self) -> float | None:
        """Share of the quota periods in which this cgroup's own cpu.max stopped it; None without a quota."""
        periods, throttled = self.rise("cpu_stat_nr_periods"), self.rise("cpu_stat_nr_throttled")
        return None if not periods or throttled is None else min(1.0, throttled / periods)

    def _at(self, column: str, row: int) -> float | None:
        if column not in self._samples.columns or self.cgroup not in self._samples.cgroups:
            return None
        value = float(self._samples.column(column, self.cgroup)[row])
        return value if value == value else None  # noqa: PLR0124 — NaN: not there


def _row(record: Mapping[str, Any], read: _Reader, restarts: Mapping[CgroupName, int]) -> TopRow:
    above = [read.of(name).throttled() for name in ancestors(read.cgroup)]
    return TopRow(
        name=pod_label(record),
        qos_class=record["qosClass"],
        cpu=read.rate("cpu_stat_usage_usec"),
        cpu_request=record["cpuRequest"],
        cpu_limit=record["cpuLimit"],
        memory_bytes=read.last("memory_current"),
        memory_request_bytes=record["memoryRequest"],
        memory_limit_bytes=record["memoryLimit"],
        throttled_own=read.throttled(),
        throttled_above=max((share for share in above if share is not None), default=None),
        cpu_pressure=read.rate("cpu_pressure_some_total"),
        memory_pressure=read.rate("memory_pressure_some_total"),
        io_pressure=read.rate("io_pressure_some_total"),
        oom_kills=read.last("memory_events_oom_kill"),
        tasks=read.last("pids_current"),
        frozen=read.last("cgroup_events_frozen") == 1.0,
        restarts=restarts.get(read.cgroup),
    )


@dataclass(frozen=True, slots=True)
class TopColumn:
    """A column on screen: its title, what is written, and what is sorted by."""

    title: str
    text: Callable[[TopRow], str]
    key: Callable[[TopRow], float | str]


def sorted_rows(rows: Sequence[TopRow], column: str, *, reverse: bool = False) -> list[TopRow]:
    """By one column, the largest first (names: A first); what is not known comes last."""
    chosen = TOP_COLUMNS[column]
    known = [row for row in rows if chosen.key(row) != _UNKNOWN]
    unknown = [row for row in rows if chosen.key(row) == _UNKNOWN]
    largest_first = not isinstance(chosen.key(rows[0]), str) if rows else True
    return [*sorted(known, key=chosen.key, reverse=largest_first != reverse), *unknown]


_UNKNOWN: Final = float("-inf")


def _number(value: float | None) -> float:
    return _UNKNOWN if value is None else float(value)


def cpu_text(cpus: float | None) -> str:
    """CPUs as Kubernetes writes them, briefly.

    >>> cpu_text(0.25), cpu_text(12.3), cpu_text(None)
    ('250m', '12.3', '-')
    """
    if cpus is None:
        return "-"
    return f"{cpus * 1000:.0f}m" if cpus < 9.9995 else f"{cpus:.1f}"


def bytes_text(count: float | None) -> str:
    """Bytes in binary units, three digits or so.

    >>> bytes_text(1536 * 1024), bytes_text(64 * 2**20), bytes_text(None)
    ('1.5Mi', '64Mi', '-')
    """
    if count is None:
        return "-"
    size, unit = float(count), ""
    for unit in ("", "Ki", "Mi", "Gi", "Ti"):
        if size < 1000 or unit == "Ti":
            break
        size /= 1024
    return f"{size:.0f}{unit}" if size >= 10 or not unit or size == int(size) else f"{size:.1f}{unit}"


def percent_text(share: float | None) -> str:
    """A share in percent.

    >>> percent_text(0.256), percent_text(None)
    ('26%', '-')
    """
    return "-" if share is None else f"{share * 100:.0f}%"


def _frozen_name(row: TopRow) -> str:
    return f"{row.name} (frozen)" if row.frozen else row.name


def _pair(text: Callable[[float | None], str], first: float | None, second: float | None) -> str:
    return "-" if first is None and second is None else f"{text(first)}/{text(second)}"


_CLASSES: Final = {"Guaranteed": "Gua", "Burstable": "Bur", "BestEffort": "BE"}

TOP_COLUMNS: Final[Mapping[str, TopColumn]] = {
    "name": TopColumn("NAME", _frozen_name, lambda row: row.name),
    "class": TopColumn(
        "QOS", lambda row: _CLASSES.get(row.qos_class or "", "-"), lambda row: row.qos_class or ""
    ),
    "cpu": TopColumn("CPU", lambda row: cpu_text(row.cpu), lambda row: _number(row.cpu)),
    "cpu-limit": TopColumn(
        "REQ/LIM",
        lambda row: _pair(cpu_text, row.cpu_request, row.cpu_limit),
        lambda row: _number(row.cpu_limit),
    ),
    "throttled": TopColumn(
        "THR-OWN", lambda row: percent_text(row.throttled_own), lambda row: _number(row.throttled_own)
    ),
    "throttled-above": TopColumn(
        "ABOVE", lambda row: percent_text(row.throttled_above), lambda row: _number(row.throttled_above)
    ),
    "cpu-pressure": TopColumn(
        "WAIT", lambda row: percent_text(row.cpu_pressure), lambda row: _number(row.cpu_pressure)
    ),
    "memory": TopColumn(
        "MEM", lambda row: bytes_text(row.memory_bytes), lambda row: _number(row.memory_bytes)
    ),
    "memory-limit": TopColumn(
        "REQ/LIM",
        lambda row: _pair(bytes_text, row.memory_request_bytes, row.memory_limit_bytes),
        lambda row: _number(row.memory_limit_bytes),
    ),
    "oom": TopColumn(
        "OOM",
        lambda row: "-" if row.oom_kills is None else f"{row.oom_kills:.0f}",
        lambda row: _number(row.oom_kills),
    ),
    "restarts": TopColumn(
        "RST",
        lambda row: "-" if row.restarts is None else str(row.restarts),
        lambda row: _number(row.restarts),
    ),
}
"""By the word for --sort, in their order on screen."""

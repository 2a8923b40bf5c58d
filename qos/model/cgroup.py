"""The words of cgroup v2: names of cgroups and one line for each knob.

A knob's field name is its file's name with dots as underscores (``memory_swap_max`` is
``memory.swap.max``); adding a knob is adding one line to :class:`CgroupSpec`, and it can then be
planned, diffed, applied, read back and printed. Every limit has three states: ``None`` (this policy
does not manage the file), a number, or ``"max"``.

Source: Documentation/admin-guide/cgroup-v2.rst of Linux 6.12 (and 6.18 where said).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, NewType, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

CgroupName = NewType("CgroupName", str)
"""A cgroup before any driver's spelling, ``/``-separated: ``kubepods/burstable/pod-a/web``."""

ROOT: Final = CgroupName("")
Controller = Literal["cgroup", "cpu", "cpuset", "memory", "io", "pids", "hugetlb"]
Limit = int | Literal["max"]

U64_MAX: Final = 2**64 - 1
MEMORY_MAX_BYTES: Final = 2**63 - 1
PIDS_MAX: Final = 4194304
CPU_PERIOD_USEC: Final = 100_000


def parent(name: CgroupName) -> CgroupName:
    """The cgroup above ``name``; the parent of a top cgroup is ROOT ("").

    >>> parent(CgroupName("kubepods/burstable/pod-a"))
    'kubepods/burstable'
    """
    return CgroupName(name.rpartition("/")[0])


def ancestors(name: CgroupName) -> tuple[CgroupName, ...]:
    """Every cgroup above ``name``, outermost first, without ROOT.

    >>> ancestors(CgroupName("kubepods/burstable/pod-a"))
    ('kubepods', 'kubepods/burstable')
    """
    parts = name.split("/")
    return tuple(CgroupName("/".join(parts[:count])) for count in range(1, len(parts)))


class CpuMax(BaseModel):
    """``cpu.max``: at most ``quota_usec`` of CPU time in every ``period_usec``."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    quota_usec: Annotated[int, Field(ge=1000, le=2**44)] | Literal["max"] = "max"
    period_usec: Annotated[int, Field(ge=1000, le=1_000_000)] = CPU_PERIOD_USEC

    def __str__(self) -> str:
        return f"{self.quota_usec} {self.period_usec}"

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = value.split()
        if not 1 <= len(words) <= 2:
            msg = "must be 'QUOTA' or 'QUOTA PERIOD'"
            raise ValueError(msg)
        quota = words[0] if words[0] == "max" else int(words[0])
        return {"quota_usec": quota} | ({"period_usec": int(words[1])} if len(words) > 1 else {})

    @property
    def cpus(self) -> float:
        """The limit in CPUs; ``inf`` for max. 50000 of 100000 is 0.5."""
        return float("inf") if self.quota_usec == "max" else self.quota_usec / self.period_usec


def _keyed(value: Any) -> Any:
    """Flat-keyed file ``KEY SUB=VAL …`` as {key: "SUB=VAL …"}; a mapping passes unchanged."""
    if not isinstance(value, str):
        return value
    lines = {}
    for line in filter(None, (raw.strip() for raw in value.splitlines())):
        key, _, rest = line.partition(" ")
        lines[key] = rest.strip()
    return lines


def _cpu_list(value: Any) -> Any:
    text = value if value is None or isinstance(value, str) else format_cpu_list(value)
    if text:
        parse_cpu_list(text)
    return text


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """CPUs or memory nodes of a kernel list.

    >>> parse_cpu_list("0-2,5")
    (0, 1, 2, 5)

    Raises:
        ValueError: not a kernel list of numbers and ranges.
    """
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start or stop > 8191:
            msg = f"no such range: {part}"
            raise ValueError(msg)
        numbers.update(range(start, stop + 1))
    return tuple(sorted(numbers))


def format_cpu_list(numbers: Any) -> str:
    """The shortest kernel list of some CPU numbers.

    >>> format_cpu_list([5, 0, 1, 2])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


CpuList = Annotated[str, BeforeValidator(_cpu_list)]
Keyed = Annotated[dict[str, str], BeforeValidator(_keyed)]


@dataclass(frozen=True, slots=True)
class Knob:
    """What one line of :class:`CgroupSpec` says: the file, its controller, default, docs."""

    field: str
    file: str
    controller: Controller
    default: str
    doc: str
    unit: str


def _knob(controller: Controller, default: str, unit: str, doc: str, **bounds: Any) -> Any:
    return Field(
        default=None,
        description=doc,
        json_schema_extra={"controller": controller, "default": default, "unit": unit},
        **bounds,
    )


_Weight = Annotated[int, Field(ge=1, le=10_000)]
_Bytes = Annotated[int, Field(ge=0, le=MEMORY_MAX_BYTES)]
_LimitBytes = _Bytes | Literal["max"]
_Percent = Annotated[str, Field(pattern=r"^(max|(100(\.0{1,2})?)|([0-9]{1,2}(\.[0-9]{1,2})?))$")]
_Flag = Annotated[int, Field(ge=0, le=1)]
_BfqWeight = Annotated[int, Field(ge=1, le=1000)]


class CgroupSpec(BaseModel):
    """The values one cgroup's files shall have; None leaves the file alone. One line a knob."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    # fmt: off
    cpu_weight: _Weight | None = _knob("cpu", "100", "share", "share of CPU among runnable siblings")
    cpu_weight_nice: Annotated[int, Field(ge=-20, le=19)] | None = _knob("cpu", "0", "nice", "cpu.weight spelled as a nice value")
    cpu_max: CpuMax | None = _knob("cpu", "max 100000", "usec/usec", "CPU time per period before throttling")
    cpu_max_burst: Annotated[int, Field(ge=0, le=2**44)] | None = _knob("cpu", "0", "usec", "unused quota that may be saved for a burst")
    cpu_idle: _Flag | None = _knob("cpu", "0", "bool", "1: runs only when no sibling wants the CPU (SCHED_IDLE)")
    cpu_uclamp_min: _Percent | None = _knob("cpu", "0.00", "percent", "least utilisation the frequency governor is told")
    cpu_uclamp_max: _Percent | None = _knob("cpu", "max", "percent", "most utilisation the frequency governor is told")
    cpuset_cpus: CpuList | None = _knob("cpuset", "", "list", "CPUs the tasks may run on")
    cpuset_mems: CpuList | None = _knob("cpuset", "", "list", "memory nodes the tasks may allocate from")
    cpuset_cpus_exclusive: CpuList | None = _knob("cpuset", "", "list", "CPUs kept for a partition of this cgroup")
    cpuset_cpus_partition: Literal["member", "root", "isolated"] | None = _knob("cpuset", "member", "word", "whether this cgroup is the root of a partition")
    memory_min: _LimitBytes | None = _knob("memory", "0", "bytes", "never reclaimed below this (hard protection)")
    memory_low: _LimitBytes | None = _knob("memory", "0", "bytes", "reclaimed only when nothing unprotected is left")
    memory_high: _LimitBytes | None = _knob("memory", "max", "bytes", "above this allocations are slowed and reclaimed")
    memory_max: _LimitBytes | None = _knob("memory", "max", "bytes", "above this the OOM killer comes")
    memory_oom_group: _Flag | None = _knob("memory", "0", "bool", "1: an OOM kill takes all tasks of the cgroup")
    memory_swap_high: _LimitBytes | None = _knob("memory", "max", "bytes", "above this swapping allocations are slowed")
    memory_swap_max: _LimitBytes | None = _knob("memory", "max", "bytes", "swap this cgroup may use")
    memory_zswap_max: _LimitBytes | None = _knob("memory", "max", "bytes", "compressed swap this cgroup may use")
    memory_zswap_writeback: _Flag | None = _knob("memory", "1", "bool", "0: zswap never writes to the swap device")
    io_max: Keyed | None = _knob("io", "", "keyed", "bytes and operations per second, by device")
    io_weight: Keyed | None = _knob("io", "default 100", "keyed", "share of a device's time, default and by device")
    io_latency: Keyed | None = _knob("io", "", "keyed", "completion-latency target in usec, by device")
    io_bfq_weight: _BfqWeight | None = _knob("io", "default 100", "share", "share of a device under the BFQ scheduler")
    io_prio_class: Literal["no-change", "promote-to-rt", "restrict-to-be", "idle", "none-to-rt"] | None = _knob("io", "no-change", "word", "I/O priority class of the tasks")
    io_cost_qos: Keyed | None = _knob("io", "", "keyed", "io.cost quality of service, root only, by device")
    io_cost_model: Keyed | None = _knob("io", "", "keyed", "io.cost device model, root only, by device")
    pids_max: Annotated[int, Field(ge=0, le=PIDS_MAX)] | Literal["max"] | None = _knob("pids", "max", "tasks", "tasks this cgroup may hold")
    hugetlb_64KB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "64 KB huge pages in use")
    hugetlb_64KB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "64 KB huge pages reserved")
    hugetlb_2MB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "2 MB huge pages in use")
    hugetlb_2MB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "2 MB huge pages reserved")
    hugetlb_32MB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "32 MB huge pages in use")
    hugetlb_32MB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "32 MB huge pages reserved")
    hugetlb_512MB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "512 MB huge pages in use")
    hugetlb_512MB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "512 MB huge pages reserved")
    hugetlb_1GB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "1 GB huge pages in use")
    hugetlb_1GB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "1 GB huge pages reserved")
    hugetlb_16GB_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "16 GB huge pages in use")
    hugetlb_16GB_rsvd_max: _LimitBytes | None = _knob("hugetlb", "max", "bytes", "16 GB huge pages reserved")
    cgroup_max_depth: Annotated[int, Field(ge=0)] | Literal["max"] | None = _knob("cgroup", "max", "levels", "levels of cgroups below this one")
    cgroup_max_descendants: Annotated[int, Field(ge=0)] | Literal["max"] | None = _knob("cgroup", "max", "cgroups", "cgroups below this one")
    # fmt: on

    def files(self) -> dict[str, str]:
        """File name → text as the kernel would be written it, managed files only.

        >>> CgroupSpec(cpu_weight=39, memory_max="max").files()
        {'cpu.weight': '39', 'memory.max': 'max'}
        """
        known = knobs()
        return {
            known[field].file: format_value(value)
            for field, value in self.__dict__.items()
            if value is not None
        }

    @classmethod
    def from_files(cls, files: Mapping[str, str]) -> Self:
        """The spec whose :meth:`files` these are.

        Raises:
            pydantic.ValidationError: an unknown file or a value out of range.
        """
        by_file = {knob.file: knob for knob in knobs().values()}
        values: dict[str, Any] = {}
        for file, text in files.items():
            knob = by_file.get(file)
            values[knob.field if knob else file] = parse_value(knob, text) if knob else text
        return cls.model_validate(values)


def format_value(value: Any) -> str:
    """A knob's value as its file is written; keyed files get one line a key."""
    if isinstance(value, dict):
        return "\n".join(f"{key} {rest}" for key, rest in value.items())
    return str(value)


def parse_value(knob: Knob, text: str) -> Any:
    """A file's text as the knob's value; ranges are checked by :class:`CgroupSpec`."""
    text = text.strip()
    if knob.unit in {"list", "word", "keyed", "percent", "usec/usec"} or text == "max":
        return text
    return int(text)


@cache
def knobs() -> dict[str, Knob]:
    """Every knob by field name, in the order of :class:`CgroupSpec`."""
    return {name: _describe(name) for name in CgroupSpec.model_fields}


def _describe(name: str) -> Knob:
    info = CgroupSpec.model_fields[name]
    extra: Any = info.json_schema_extra
    return Knob(
        name,
        name.replace("_", "."),
        extra["controller"],
        extra["default"],
        info.description or "",
        extra["unit"],
    )


CONTROLLERS: Final[tuple[str, ...]] = get_args(Controller)

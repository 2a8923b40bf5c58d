"""A machine's CPUs by core, socket, NUMA node and last-level cache, as the static CPU manager sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from qos.errors import InputError

Level = Literal["core", "socket", "numa", "uncore"]


@dataclass(frozen=True, slots=True)
class Cpu:
    """One hardware thread. Core numbers are unique on the machine; ``uncore`` is its last-level cache."""

    cpu: int
    core: int
    socket: int = 0
    numa: int = 0
    uncore: int = 0

    def at(self, level: Level) -> int:
        """The number of the part of ``level`` that this thread lies in."""
        value: int = getattr(self, level)
        return value


class CpuTopology:
    """All CPUs of a machine.

    Raises:
        InputError: no CPU at all, or one number twice.
    """

    def __init__(self, cpus: Iterable[Cpu]) -> None:
        listed = tuple(cpus)
        self.cpus = {one.cpu: one for one in listed}
        if not listed or len(self.cpus) != len(listed):
            raise InputError(
                "a topology needs each CPU once", value=[one.cpu for one in listed], expected="unique numbers"
            )

    def parts(self, level: Level, among: Iterable[int]) -> tuple[int, ...]:
        """The numbers of the parts of one level that have a CPU in ``among``, ascending."""
        return tuple(sorted({self.cpus[cpu].at(level) for cpu in among}))

    def inside(self, level: Level, part: int, among: Iterable[int]) -> frozenset[int]:
        """The CPUs of ``among`` that lie in one part."""
        return frozenset(cpu for cpu in among if self.cpus[cpu].at(level) == part)

    def fullest(self, level: Level, among: Iterable[int]) -> list[int]:
        """The parts with the fewest CPUs in ``among`` first, so that small gaps are filled first."""
        pool = frozenset(among)
        return sorted(self.parts(level, pool), key=lambda part: (len(self.inside(level, part, pool)), part))

    def average(self, level: Level) -> int:
        """CPUs of a part, taking all parts to be alike as the kubelet does: 20 CPUs on 2 sockets are 10."""
        return len(self.cpus) // len(self.parts(level, self.cpus))

    @property
    def numa_first(self) -> bool:
        """Whether a NUMA node holds one or more sockets, not the other way round."""
        return len(self.parts("socket", self.cpus)) >= len(self.parts("numa", self.cpus))


def uniform_topology(
    sockets: int, numa_per_socket: int, cores_per_numa: int, threads: int = 2
) -> CpuTopology:
    """A machine of equal parts with CPUs numbered thread by thread; one last-level cache a NUMA node.

    >>> len(uniform_topology(2, 1, 10).cpus)
    40
    """
    cores: Sequence[tuple[int, int, int]] = [
        (socket, socket * numa_per_socket + numa, (socket * numa_per_socket + numa) * cores_per_numa + core)
        for socket in range(sockets)
        for numa in range(numa_per_socket)
        for core in range(cores_per_numa)
    ]
    return CpuTopology(
        Cpu(core * threads + thread, core, socket, numa, numa)
        for socket, numa, core in cores
        for thread in range(threads)
    )


def parse_lscpu(text: str) -> CpuTopology:
    r"""The topology in the output of ``lscpu -p``, or of any ``lscpu -p=CPU,CORE,SOCKET,NODE[,CACHE]``.

    Cores are numbered by their lowest CPU, as the kubelet does; a machine that names no last-level cache
    has one to a NUMA node; offline CPUs, which lack a core, are left out.

    >>> parse_lscpu("# CPU,Core,Socket,Node\n0,0,0,0\n1,0,0,0\n2,1,0,0").cpus[2].core
    2

    Raises:
        InputError: no header naming CPU and Core, a number that is none, or a CPU twice.
    """
    columns: list[str] = []
    rows: list[dict[str, str]] = []
    for line in text.splitlines():
        if line.startswith("#"):
            names = [name.strip().lower() for name in line.lstrip("# ").split(",")]
            columns = names if "cpu" in names and "core" in names else columns
        elif line.strip():
            rows.append(dict(zip(columns, (cell.strip() for cell in line.split(",")), strict=False)))
    if not columns:
        raise InputError("no line '# CPU,Core,Socket,Node'", value=text[:80], expected="output of lscpu -p")
    first: dict[tuple[int, int], int] = {}
    cpus = []
    for row in rows:
        if not row.get("core"):
            continue
        cpu, core, socket, node = (_number(row, name) for name in ("cpu", "core", "socket", "node"))
        cache = row.get("l3", "")
        lowest = first.setdefault((socket, core), cpu)
        cpus.append(Cpu(cpu, lowest, socket, node, int(cache) if cache.isdecimal() else node))
    return CpuTopology(cpus)


def _number(row: dict[str, str], column: str) -> int:
    text = row.get(column, "") or "0"
    if not text.isdecimal():
        raise InputError(
            "not a number", field=column, value=text, expected="a number in every column of lscpu -p"
        )
    return int(text)

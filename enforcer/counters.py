"""Which cgroup files are sampled and how a file's text becomes columns: ``cpu_stat_usage_usec``.

A column is named by file then key, dots as underscores. Adding a file is adding one line to
:data:`SAMPLED`.

Source: cgroup-v2.rst; Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from enforcer.cgroup_text import parse_flat_keyed, parse_nested_keyed, parse_number, parse_pressure

Columns = Iterable[tuple[str, float]]
Reader = Callable[[str, str], Columns]

MEMORY_STAT_KEYS: Final = (
    "anon", "file", "kernel", "kernel_stack", "pagetables", "sock", "shmem", "file_mapped", "file_dirty",
    "file_writeback", "inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable",
    "slab_reclaimable", "slab_unreclaimable", "workingset_refault_anon", "workingset_refault_file", "pgfault",
    "pgmajfault", "pgscan", "pgsteal",
)  # fmt: skip
"""Of some 60; the rest is not read into numbers, which is most of memory.stat's cost."""

IO_STAT_KEYS: Final = ("rbytes", "wbytes", "rios", "wios", "dbytes", "dios")


def _number(prefix: str, text: str) -> Columns:
    value = parse_number(text)
    return () if value == "max" else ((prefix, float(value)),)


def _flat(prefix: str, text: str) -> Columns:
    return (
        (f"{prefix}_{key.replace('.', '_')}", float(value)) for key, value in parse_flat_keyed(text).items()
    )


def _picked(prefix: str, text: str) -> Columns:
    return _flat(prefix, "\n".join(_lines_of(text, MEMORY_STAT_KEYS)))


def _lines_of(text: str, keys: Iterable[str]) -> Iterable[str]:
    r"""The lines of some keys, found without parsing the others.

    >>> list(_lines_of("anon 5\nfile 6\nanon_thp 7\n", ["file", "anon"]))
    ['file 6', 'anon 5']
    """
    whole = "\n" + text
    for key in keys:
        at = whole.find(f"\n{key} ")
        if at >= 0:
            end = whole.find("\n", at + 1)
            yield whole[at + 1 : end if end >= 0 else None]


def _summed(prefix: str, text: str) -> Columns:
    """Over all devices: what lies on another device (dm, md, loop) counts on both.

    A device without traffic has no line: an empty file says that nothing was moved.
    """
    sums = {f"{prefix}_{key}": 0.0 for key in IO_STAT_KEYS}
    for fields in parse_nested_keyed(text).values():
        for key, value in fields.items():
            if value != "max" and key:
                name = f"{prefix}_{key.replace('.', '_')}"
                sums[name] = sums.get(name, 0.0) + float(value)
    return sums.items()


def _pressure(prefix: str, text: str) -> Columns:
    for line, values in parse_pressure(text).items():
        yield f"{prefix}_{line}_avg10", values.avg10
        yield f"{prefix}_{line}_avg60", values.avg60
        yield f"{prefix}_{line}_avg300", values.avg300
        yield f"{prefix}_{line}_total", float(values.total_usec)


SAMPLED: Final[Mapping[str, Reader]] = {
    "cpu.stat": _flat,
    "cpu.stat.local": _flat,
    "cpu.pressure": _pressure,
    "memory.current": _number,
    "memory.peak": _number,
    "memory.stat": _picked,
    "memory.events": _flat,
    "memory.events.local": _flat,
    "memory.swap.current": _number,
    "memory.swap.peak": _number,
    "memory.swap.events": _flat,
    "memory.pressure": _pressure,
    "io.stat": _summed,
    "io.pressure": _pressure,
    "irq.pressure": _pressure,
    "pids.current": _number,
    "pids.peak": _number,
    "pids.events": _flat,
    "cgroup.events": _flat,
}
"""File → how it is read. Files that a kernel or a controller does not offer are simply not there."""


def columns_of(file: str, text: str) -> list[tuple[str, float]]:
    r"""The columns of one file's text.

    >>> columns_of("memory.events", "low 0\noom_kill 3\n")
    [('memory_events_low', 0.0), ('memory_events_oom_kill', 3.0)]

    Raises:
        ValueError: not of the file's format.
        KeyError: a file that is not sampled.
    """
    return list(SAMPLED[file](file.replace(".", "_"), text))

"""Whether a load's first memory has room: then it is put in place before the start."""

from __future__ import annotations

from typing import Final

from enforcer.cgroupfs import CgroupFS
from enforcer.procfs import ProcFS

_SPARE: Final = 0.05
"""Part of the machine's memory that is left to others."""
_PAGE_TABLES_AND_BATCHES: Final = 1.01


def has_room(fs: CgroupFS, cgroup: str, wanted_bytes: int, proc: ProcFS) -> bool:
    """Whether a cgroup can be charged so much more without reclaim, delay or kill, at every level.

    Args:
        fs: the tree.
        cgroup: the leaf.
        wanted_bytes: of new memory.
        proc: where /proc is.
    """
    wanted = wanted_bytes * _PAGE_TABLES_AND_BATCHES
    memory = proc.memory()
    if memory is not None and memory.available < wanted + _SPARE * memory.total:
        return False
    parts = cgroup.split("/")
    for depth in range(len(parts), 0, -1):
        above = "/".join(parts[:depth])
        current = fs.read_or_none(above, "memory.current")
        for file in ("memory.max", "memory.high"):
            limit = (fs.read_or_none(above, file) or "max").strip()
            if limit != "max" and current is not None and int(current) + wanted > int(limit):
                return False
    return True

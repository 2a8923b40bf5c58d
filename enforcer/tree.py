"""What applying a plan needs of a cgroup tree; :class:`enforcer.cgroupfs.CgroupFS` is one.

The seam between deciding and doing: the systemd driver stands here with the same words, and the
fault matrix puts a failure before any single one of these operations.
"""

from __future__ import annotations

from typing import Protocol


class Tree(Protocol):
    """A cgroup tree that can be read and written; cgroups as in a driver's spelling, ``""`` the root."""

    def exists(self, cgroup: str, file: str | None = None) -> bool:
        """Whether the cgroup, or one file of it, is there."""

    def children(self, cgroup: str = "") -> tuple[str, ...]:
        """The names of the cgroups directly below."""

    def identity(self, cgroup: str) -> int:
        """Another number means removed and made again."""

    def controllers(self, cgroup: str = "") -> frozenset[str]:
        """The controllers offered to the cgroup (``cgroup.controllers``)."""

    def read(self, cgroup: str, file: str) -> str:
        """The text of one file."""

    def read_or_none(self, cgroup: str, file: str) -> str | None:
        """The text of one file, None where it is not there."""

    def write(self, cgroup: str, file: str, value: str) -> bool:
        """Write one file; False where there was nothing to write to and nothing to limit."""

    def create(self, cgroup: str) -> bool:
        """Make one cgroup; False if it was there."""

    def remove(self, cgroup: str) -> bool:
        """Remove one cgroup; False if it was not there."""

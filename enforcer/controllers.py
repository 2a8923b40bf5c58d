"""Switching controllers on from the root down to a cgroup, and off again.

A controller's files appear in a cgroup once the controller is in ``cgroup.subtree_control`` of every
cgroup above it.

Source: cgroup-v2.rst, "Controlling Controllers".
"""

from __future__ import annotations

from collections.abc import Iterable

from enforcer.cgroup_text import parse_words
from enforcer.cgroupfs import CgroupFS


def enable(fs: CgroupFS, cgroup: str, controllers: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Make the controllers' files appear in ``cgroup``: on in ``cgroup.subtree_control`` of all above.

    Returns:
        What was switched on, ``(cgroup, controller)`` outermost first: :func:`disable` undoes it.

    Raises:
        CgroupError: a controller is not offered, or a cgroup above holds processes.
    """
    wanted = set(controllers)
    changed: list[tuple[str, str]] = []
    parts = cgroup.split("/") if cgroup else []
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        on = set(parse_words(fs.read(above, "cgroup.subtree_control")))
        for controller in sorted(wanted - on):
            fs.write(above, "cgroup.subtree_control", f"+{controller}")
            changed.append((above, controller))
    return tuple(changed)


def disable(fs: CgroupFS, changed: Iterable[tuple[str, str]]) -> None:
    """Switch off what :func:`enable` switched on, innermost first; a vanished cgroup is passed over.

    Raises:
        CgroupError: a controller is in use by a cgroup below.
    """
    for cgroup, controller in reversed(tuple(changed)):
        if fs.exists(cgroup):
            fs.write(cgroup, "cgroup.subtree_control", f"-{controller}")

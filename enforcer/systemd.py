"""The systemd driver: the same door as :class:`~enforcer.cgroupfs.CgroupFS`, with systemd doing the writing.

A cgroup of a Plan is a transient slice; a value is a unit property where systemd has one, so that it
survives ``systemctl daemon-reload``. What systemd has no property for is written into the file, which
systemd leaves alone; but :data:`RESET_BY_SYSTEMD`. Reading is the same for both drivers.

Processes do not live in a slice but in a scope inside it (:meth:`SystemdFS.start_scope`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.systemd_bus import SystemdBus, SystemdError
from enforcer.unit_properties import FILES, Property, properties_of
from qos.errors import CgroupError

RESET_BY_SYSTEMD: Final = frozenset({"memory.oom.group"})
"""Files that systemd writes without having a property of a slice for them: lost at a daemon-reload
(systemd 252 and later); the next apply, or ``qos apply --watch``, writes them again."""

_SUFFIX: Final = ".slice"
_CONTROLLERS: Final[tuple[Property, ...]] = (
    ("CPUWeight", ("t", 100)),
    ("IOWeight", ("t", 100)),
    ("MemoryAccounting", ("b", True)),
    ("TasksAccounting", ("b", True)),
)
"""The kernel's defaults, said aloud: a controller that no property asks for systemd switches off above."""


class SystemdFS(CgroupFS):
    """A cgroup v2 tree whose cgroups are slices of systemd.

    Paths are the systemd driver's (:func:`qos.model.cgroup_path.to_systemd` without the leading
    ``/``), relative to the top of the cgroup mount.

    Args:
        bus: the connection; the caller closes it.
        root: where cgroup2 is mounted.
    """

    def __init__(self, bus: SystemdBus, root: str | os.PathLike[str] = CGROUP_MOUNT) -> None:
        super().__init__(root)
        self._bus = bus

    def create(self, cgroup: str) -> bool:
        """Start the cgroup's slice; as :meth:`CgroupFS.create`, slices above are started by systemd.

        Raises:
            CgroupError: not the path of a slice, or systemd refuses.
        """
        unit = self._slice(cgroup)
        try:
            return self._bus.start(unit, (("Description", ("s", f"qos {unit}")), *_CONTROLLERS))
        except SystemdError as error:
            raise CgroupError(str(self.root / cgroup), None, str(error)) from error

    def remove(self, cgroup: str) -> bool:
        """Stop the cgroup's slice, and with it every unit in it; as :meth:`CgroupFS.remove`.

        Raises:
            CgroupError: it holds processes, or systemd refuses.
        """
        unit = self._slice(cgroup)
        was_there = self.exists(cgroup)
        if was_there and self.is_populated(cgroup):
            reason = "still holds processes; kill or move them first"
            raise CgroupError(str(self.root / cgroup), None, reason)
        try:
            self._bus.stop(unit)
        except SystemdError as error:
            raise CgroupError(str(self.root / cgroup), None, str(error)) from error
        return was_there

    def write(self, cgroup: str, file: str, value: str) -> bool:
        """Set the unit property that stands for the file, or write the file where there is none.

        Raises:
            CgroupError: systemd or the kernel refuses, or the value would not survive a daemon-reload.
        """
        if file not in FILES or not cgroup.endswith(_SUFFIX):
            return super().write(cgroup, file, value)
        path = str(self.root / cgroup / file)
        try:
            properties = properties_of(file, value)
        except ValueError as error:
            raise CgroupError(path, value, f"no value of this file: {error}") from error
        if properties is None:
            if file == "cpu.idle":
                return super().write(cgroup, file, value)
            reason = "systemd keeps CPU quotas in whole percents of a CPU; round it up to 10 ms a second"
            raise CgroupError(path, value, reason)
        try:
            self._bus.set_properties(self._slice(cgroup), properties)
        except SystemdError as error:
            raise CgroupError(path, value, str(error)) from error
        return True

    def start_scope(self, cgroup: str, pids: Sequence[int]) -> str:
        """Put processes into the scope of a slice; where they, and what they start, live.

        The scope ends by itself with its last process. It is delegated: its inside is ours.

        Returns:
            The scope's path.

        Raises:
            CgroupError: not the path of a slice, no such process, or systemd refuses.
        """
        unit = self._slice(cgroup)
        scope = unit.removesuffix(_SUFFIX) + ".scope"
        properties: tuple[Property, ...] = (
            ("Slice", ("s", unit)),
            ("PIDs", ("au", list(pids))),
            ("Delegate", ("b", True)),
            ("CollectMode", ("s", "inactive-or-failed")),
        )
        try:
            if not self._bus.start(scope, properties):
                reason = "its scope is there already"
                raise CgroupError(str(self.root / cgroup / scope), None, reason)
        except SystemdError as error:
            raise CgroupError(str(self.root / cgroup / scope), None, str(error)) from error
        return f"{cgroup}/{scope}"

    def _slice(self, cgroup: str) -> str:
        unit = cgroup.rpartition("/")[2]
        expected = _place(unit)
        if not unit.endswith(_SUFFIX) or cgroup != expected:
            reason = f"systemd puts slice {unit!r} at {expected!r}, not here"
            raise CgroupError(str(self.root / cgroup), None, reason)
        return unit


def _place(unit: str) -> str:
    """Where systemd puts a slice: inside the slices its name's dashes say.

    >>> _place("kubepods-burstable.slice")
    'kubepods.slice/kubepods-burstable.slice'
    """
    parts = unit.removesuffix(_SUFFIX).split("-")
    return "/".join("-".join(parts[:count]) + _SUFFIX for count in range(1, len(parts) + 1))

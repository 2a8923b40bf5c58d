"""The systemd driver: the same door as :class:`~enforcer.cgroupfs.CgroupFS`, with systemd doing the writing.

A cgroup of a Plan is a transient slice, a container's a transient service (:mod:`enforcer.layout`); a
value is a unit property where systemd has one, so that it survives ``systemctl daemon-reload``. What
systemd has no property for is written into the file, which systemd leaves alone.

``memory.oom.group`` it does not leave alone: at every reload it writes 0 into that of a slice, and into
that of a service unless ``OOMPolicy=kill``, which also stops the unit with the first OOM kill. Of a
container it is therefore written into the cgroup inside its service: an OOM kill at the service's limit
finds it there (the kernel takes the highest such cgroup between the victim and the limit), and systemd
never touches it. Of a slice it cannot be kept: :meth:`SystemdFS.resets`.

Source: systemd's src/core/cgroup.c (cgroup_context_apply) and src/core/service.c (service_add_extras);
mm/memcontrol.c (mem_cgroup_get_oom_group).
"""

from __future__ import annotations

import os
from typing import Final

from enforcer.cgroup_text import parse_words
from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.layout import INSIDE, Layout, is_container
from enforcer.systemd_bus import SystemdBus, SystemdError
from enforcer.unit_properties import FILES, INFINITY, Property, properties_of
from qos.errors import CgroupError

_SYSTEMD: Final = Layout("systemd")
_RESET: Final = "memory.oom.group"
_OF_THE_INSIDE: Final = frozenset({_RESET, "cgroup.procs", "cgroup.threads"})
_CONTROL: Final = "cgroup.subtree_control"
_MEMORY: Final = "memory"

_CONTROLLERS: Final[tuple[Property, ...]] = (
    ("CPUWeight", ("t", 100)),
    ("IOWeight", ("t", 100)),
    ("MemoryAccounting", ("b", True)),
    ("TasksAccounting", ("b", True)),
)
"""The kernel's defaults, said aloud: a controller that no property asks for systemd switches off above."""

_HOLDER: Final[tuple[Property, ...]] = (
    ("Type", ("s", "oneshot")),
    ("RemainAfterExit", ("b", True)),
    ("ExecStart", ("a(sasb)", [("/bin/true", ["/bin/true"], False)])),  # one command is asked for
    ("Delegate", ("b", True)),
    ("OOMPolicy", ("s", "continue")),
    ("TasksMax", ("t", INFINITY)),  # else a share of the machine's, as for any service
    ("StandardOutput", ("s", "null")),
    ("StandardError", ("s", "null")),
    ("CollectMode", ("s", "inactive-or-failed")),
    ("DefaultDependencies", ("b", False)),
    ("Conflicts", ("as", ["shutdown.target"])),
    ("Before", ("as", ["shutdown.target"])),
)
"""A service that stays active without a process: what holds a container's cgroup while nothing runs in it."""


class SystemdFS(CgroupFS):
    """A cgroup v2 tree whose cgroups are slices of systemd, those of containers services.

    Paths are :class:`enforcer.layout.Layout`'s, relative to the top of the cgroup mount. A container's
    cgroup looks like a leaf that holds its processes, whatever lies inside it.

    Args:
        bus: the connection; the caller closes it.
        root: where cgroup2 is mounted.
    """

    def __init__(self, bus: SystemdBus, root: str | os.PathLike[str] = CGROUP_MOUNT) -> None:
        super().__init__(root)
        self._bus = bus

    @staticmethod
    def resets(cgroup: str, file: str) -> bool:
        """Whether systemd writes the kernel's default into the file at every reload, whatever is asked."""
        return file == _RESET and not _is_container(cgroup)

    def create(self, cgroup: str) -> bool:
        """Start the cgroup's unit; as :meth:`CgroupFS.create`, slices above are started by systemd.

        Raises:
            CgroupError: not the path of a unit of ours, or systemd refuses.
        """
        unit = self._unit(cgroup)
        properties: tuple[Property, ...] = (("Description", ("s", f"qos {unit}")), *_CONTROLLERS)
        try:
            if not _is_container(cgroup):
                return self._bus.start(unit, properties)
            above = cgroup.rpartition("/")[0].rpartition("/")[2]
            made = self._bus.start(unit, (*properties, *_HOLDER, ("Slice", ("s", above))))
            self._bus.set_properties(
                unit, _CONTROLLERS[:1]
            )  # systemd removed its cgroup with the command's end
        except SystemdError as error:
            raise CgroupError(str(self.root / cgroup), None, str(error)) from error
        self._make_inside(cgroup)
        return made

    def remove(self, cgroup: str) -> bool:
        """Stop the cgroup's unit, and with it every unit in it; as :meth:`CgroupFS.remove`.

        Raises:
            CgroupError: it holds processes, or systemd refuses.
        """
        unit = self._unit(cgroup)
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
        if file not in FILES or _SYSTEMD.name(cgroup) is None:
            if file == _RESET and _is_container(cgroup):
                self._make_inside(cgroup)
            elif file == _RESET:
                self._bus.version()  # an answer says that it has done with what was asked before
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
            self._bus.set_properties(self._unit(cgroup), properties)
        except SystemdError as error:
            raise CgroupError(path, value, str(error)) from error
        return True

    def children(self, cgroup: str = "") -> tuple[str, ...]:
        """As :meth:`CgroupFS.children`; a container's service shows none."""
        found = super().children(cgroup)
        return tuple(name for name in found if name != INSIDE) if _is_container(cgroup) else found

    def open_directory(self, cgroup: str) -> int:
        """As :meth:`CgroupFS.open_directory`; of a container, the cgroup that holds its processes."""
        return super().open_directory(f"{cgroup}/{INSIDE}" if _is_container(cgroup) else cgroup)

    def _open(self, cgroup: str, file: str | None, flags: int) -> int:
        if file in _OF_THE_INSIDE and _is_container(cgroup):
            cgroup = f"{cgroup}/{INSIDE}"
        return super()._open(cgroup, file, flags)

    def _make_inside(self, cgroup: str) -> None:
        """Make the cgroup of the container's processes, with the memory controller for memory.oom.group."""
        super().create(f"{cgroup}/{INSIDE}")
        if _MEMORY in self.controllers(cgroup) and _MEMORY not in parse_words(self.read(cgroup, _CONTROL)):
            super().write(cgroup, _CONTROL, f"+{_MEMORY}")

    def _unit(self, cgroup: str) -> str:
        unit = cgroup.rpartition("/")[2]
        if _SYSTEMD.name(cgroup) is None:
            reason = f"systemd puts {unit!r} elsewhere: slices inside those that their names' dashes say"
            raise CgroupError(str(self.root / cgroup), None, reason)
        return unit


def _is_container(cgroup: str) -> bool:
    if not cgroup.endswith(".service"):
        return False
    name = _SYSTEMD.name(cgroup)
    return name is not None and is_container(name)

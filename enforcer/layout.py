"""Where a Plan's cgroup lies on this host, by driver; and which of a Plan a directory is.

With the cgroupfs driver processes live in the cgroup itself, with systemd in a scope inside its slice:
slices keep the values and stay without processes, scopes come and go with them.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

from qos.errors import PlanError
from qos.model.cgroup import CgroupName
from qos.model.cgroup_path import to_cgroupfs, to_systemd
from qos.model.profile import CgroupDriver

_SLICE: Final = ".slice"
_UNIT_BYTES: Final = 255  # UNIT_NAME_MAX of systemd is 256 with the ending NUL
_UNIT_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + ":-_.")


@dataclass(frozen=True, slots=True)
class Layout:
    """A driver's spelling of cgroups, relative to the root of a CgroupFS.

    Attributes:
        driver: "cgroupfs" or "systemd".
    """

    driver: CgroupDriver

    def path(self, name: CgroupName) -> str:
        """Where the cgroup's files are.

        >>> Layout("systemd").path(CgroupName("kubepods/burstable"))
        'kubepods.slice/kubepods-burstable.slice'

        Raises:
            PlanError: systemd takes no unit of this name.
        """
        if self.driver == "cgroupfs":
            return to_cgroupfs(name)[1:]
        path = to_systemd(name)[1:]
        _check_unit(path.rpartition("/")[2], name)
        return path

    def processes_path(self, name: CgroupName) -> str:
        """Where the cgroup's processes are: the same with cgroupfs, a scope in the slice with systemd.

        >>> Layout("systemd").processes_path(CgroupName("kubepods"))
        'kubepods.slice/kubepods.scope'

        Raises:
            PlanError: as :meth:`path`.
        """
        path = self.path(name)
        if self.driver == "cgroupfs":
            return path
        return f"{path}/{path.rpartition('/')[2].removesuffix(_SLICE)}.scope"

    def name(self, path: str) -> CgroupName | None:
        """The name whose :meth:`path` this is, None for a scope, a service or a foreign slice.

        The systemd spelling cannot tell ``-`` from ``_``; names never hold ``_``.

        >>> Layout("systemd").name("kubepods.slice/kubepods-pod_a.slice")
        'kubepods/pod-a'
        """
        if self.driver == "cgroupfs":
            return CgroupName(path)
        unit = path.rpartition("/")[2]
        if not unit.endswith(_SLICE):
            return None
        parts = unit.removesuffix(_SLICE).replace("-", "/").replace("_", "-")
        name = CgroupName(parts)
        return name if to_systemd(name)[1:] == path else None


def _check_unit(unit: str, name: CgroupName) -> None:
    stem = unit.removesuffix(_SLICE)
    if stem.startswith("-") or "--" in stem or not set(stem) <= _UNIT_CHARACTERS:
        raise PlanError(f"{name}: systemd takes no slice {unit!r}: letters, digits and : - _ . only")
    if len(unit) > _UNIT_BYTES:
        raise PlanError(f"{name}: systemd takes unit names of {_UNIT_BYTES} characters, this has {len(unit)}")

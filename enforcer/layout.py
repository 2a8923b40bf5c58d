"""Where a Plan's cgroup lies on this host, by driver; and which of a Plan a directory is.

With the systemd driver a cgroup is a slice, and a container's a service that runs nothing itself
(``RemainAfterExit``) and is delegated: its values are the unit's properties, its processes live in a cgroup
inside it, which systemd leaves to us. crun lays out its scopes in the same way, with the same name.

Source: systemd's docs/CGROUP_DELEGATION.md; crun(1), ``run.oci.systemd.subgroup``.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

from qos.errors import PlanError
from qos.model.cgroup import CgroupName
from qos.model.cgroup_path import to_cgroupfs, to_systemd
from qos.model.profile import CgroupDriver

INSIDE: Final = "container"
"""The cgroup within a container's service that holds its processes."""

_SLICE: Final = ".slice"
_SERVICE: Final = ".service"
_POD: Final = "pod"
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
        if is_container(name):
            above, _, unit = path.rpartition("/")
            path = f"{above}/{unit.removesuffix(_SLICE)}{_SERVICE}"
        _check_unit(path.rpartition("/")[2], name)
        return path

    def processes_path(self, name: CgroupName) -> str:
        """Where the processes of a container are: in its cgroup, with systemd in one inside its service.

        >>> Layout("systemd").processes_path(CgroupName("kubepods/poda/web"))
        'kubepods.slice/kubepods-poda.slice/kubepods-poda-web.service/container'

        Raises:
            PlanError: as :meth:`path`.
        """
        path = self.path(name)
        return f"{path}/{INSIDE}" if self.driver == "systemd" and is_container(name) else path

    def name(self, path: str) -> CgroupName | None:
        """The name whose :meth:`path` this is, None for a scope, a foreign slice or service.

        The systemd spelling cannot tell ``-`` from ``_``; names never hold ``_``.

        >>> Layout("systemd").name("kubepods.slice/kubepods-pod_a.slice")
        'kubepods/pod-a'
        """
        if self.driver == "cgroupfs":
            return CgroupName(path)
        stem, dot, kind = path.rpartition("/")[2].rpartition(".")
        if f"{dot}{kind}" not in (_SLICE, _SERVICE):
            return None
        name = CgroupName(stem.replace("-", "/").replace("_", "-"))
        above = "".join(f"{each}/" for each in to_systemd(name)[1:].split("/")[:-1])
        expected = f"{above}{stem}{_SERVICE if is_container(name) else _SLICE}"
        return name if expected == path else None


def is_container(name: CgroupName) -> bool:
    """Whether the cgroup is a container's: right below its pod's, as the kubelet names them.

    >>> [is_container(CgroupName(name)) for name in ("kubepods/burstable", "kubepods/poda/web")]
    [False, True]
    """
    _, _, pod = name.rpartition("/")[0].rpartition("/")
    return "/" in name.rpartition("/")[0] and pod.startswith(_POD)


def _check_unit(unit: str, name: CgroupName) -> None:
    stem, _, kind = unit.rpartition(".")
    if stem.startswith("-") or "--" in stem or not set(stem) <= _UNIT_CHARACTERS:
        raise PlanError(f"{name}: systemd takes no {kind} {unit!r}: letters, digits and : - _ . only")
    if len(unit) > _UNIT_BYTES:
        raise PlanError(f"{name}: systemd takes unit names of {_UNIT_BYTES} characters, this has {len(unit)}")

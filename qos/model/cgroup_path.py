"""A cgroup's name in the spelling of a driver: where the cgroupfs and the systemd driver put it.

Pure text; which directory exists on a host is the enforcer's business.

Source: kubelet pkg/kubelet/cm/cgroup_manager_linux.go (NewCgroupName, ToSystemd, ToCgroupfs) and
opencontainers/cgroups systemd ExpandSlice; systemd.slice(5) for a slice's name and place.
"""

from __future__ import annotations

from collections.abc import Iterable

from qos.errors import PlanError
from qos.model.cgroup import CgroupName

_FORBIDDEN = "/_"  # "/" separates components, "_" is what systemd's spelling makes of "-"


def cgroup_name(components: Iterable[str]) -> CgroupName:
    """The name of a cgroup with these components, as the kubelet's NewCgroupName.

    >>> cgroup_name(["kubepods", "burstable", "pod-a"])
    'kubepods/burstable/pod-a'

    Raises:
        PlanError: a component is empty or holds ``/`` or ``_``, which no driver could tell apart.
    """
    parts = tuple(components)
    for part in parts:
        if not part or any(character in part for character in _FORBIDDEN):
            raise PlanError(f"invalid component {part!r} of a cgroup's name: no '/' and no '_', not empty")
    return CgroupName("/".join(parts))


def to_cgroupfs(name: CgroupName) -> str:
    """The cgroupfs driver's path below the cgroup mount.

    >>> to_cgroupfs(CgroupName("kubepods/burstable/pod-a"))
    '/kubepods/burstable/pod-a'
    """
    return f"/{name}"


def to_systemd(name: CgroupName) -> str:
    """The systemd driver's path: a slice inside the slices above it, dashes of a component as ``_``.

    >>> to_systemd(CgroupName("kubepods/burstable/pod-a"))
    '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod_a.slice'
    >>> to_systemd(CgroupName(""))
    '/'
    """
    parts = [part.replace("-", "_") for part in name.split("/") if part]
    slices = ["-".join(parts[:count]) + ".slice" for count in range(1, len(parts) + 1)]
    return "/" + "/".join(slices)

"""Who a container's process is: user, group and capabilities, from its securityContext.

The capabilities a container has by default are those of containerd and CRI-O; ``capabilities`` adds and
drops in their order: ALL added, ALL dropped, each added, each dropped.

Source: capabilities(7); core/v1 SecurityContext; containerd pkg/oci/spec.go (defaultUnixCaps) and
internal/cri/server (the order).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qos.errors import InputError
from qos.model.pod import Capabilities, SecurityContext

CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number: CHOWN is 0 (include/uapi/linux/capability.h)."""

DEFAULT: Final = frozenset({
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
    "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a process may do: user and group (None: as the launcher's), capability names, root file system."""

    uid: int | None = None
    gid: int | None = None
    capabilities: frozenset[str] = DEFAULT
    read_only_root: bool = False

    def mask(self) -> int:
        """The capabilities as bits.

        >>> Credentials(capabilities=frozenset({"CHOWN", "KILL"})).mask()
        33
        """
        return sum(1 << CAPABILITIES.index(name) for name in self.capabilities)


def credentials(pod: SecurityContext | None, container: SecurityContext | None) -> Credentials:
    """What a container's securityContext grants, the pod's filling in what it leaves open.

    >>> credentials(SecurityContext(run_as_user=7), SecurityContext(run_as_group=8)).uid
    7

    Raises:
        InputError: an unknown capability, a negative id, or root where ``runAsNonRoot`` forbids it.
    """
    own, shared = container or SecurityContext(), pod or SecurityContext()
    uid = own.run_as_user if own.run_as_user is not None else shared.run_as_user
    gid = own.run_as_group if own.run_as_group is not None else shared.run_as_group
    non_root = own.run_as_non_root if own.run_as_non_root is not None else shared.run_as_non_root
    for field, number in (("runAsUser", uid), ("runAsGroup", gid)):
        if number is not None and not 0 <= number < 2**32 - 1:
            raise InputError(
                "no such id", field=f"securityContext.{field}", value=number, expected="0 or more"
            )
    if non_root and not uid:
        raise InputError(
            "runAsNonRoot forbids root",
            field="securityContext.runAsUser",
            value=uid,
            expected="a user other than 0",
        )
    if own.privileged:
        return Credentials(uid, gid, frozenset(CAPABILITIES), read_only_root=False)
    return Credentials(uid, gid, _granted(own.capabilities), bool(own.read_only_root_filesystem))


def _granted(wanted: Capabilities | None) -> frozenset[str]:
    if wanted is None:
        return DEFAULT
    added, dropped = ({_known(name) for name in names} for names in (wanted.add, wanted.drop))
    granted = set(CAPABILITIES) if "ALL" in added else set(DEFAULT)
    if "ALL" in dropped:
        granted = set()
    return frozenset((granted | added) - dropped - {"ALL"})


def _known(name: str) -> str:
    plain = name.upper().removeprefix("CAP_")
    if plain != "ALL" and plain not in CAPABILITIES:
        raise InputError(
            "no such capability",
            field="securityContext.capabilities",
            value=name,
            expected="a name such as NET_ADMIN, or ALL",
        )
    return plain

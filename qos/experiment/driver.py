"""Which cgroup driver writes on this host: the one asked for, else the one of what is in force here."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.ownership import Record
from qos.errors import InputError
from qos.model.profile import CgroupDriver

if TYPE_CHECKING:
    from enforcer.apply import Enforcer
    from enforcer.state import StateStore

_OPTION: Final = "--cgroup-driver"


def driver_of(kept: Record | None, boot: str, asked: CgroupDriver | None = None) -> CgroupDriver:
    """The driver to use: both at once would plan the same pods twice, side by side.

    Args:
        kept: what qos did so far; that of an earlier boot says nothing about this one.
        boot: this boot.
        asked: what the user typed; None: as before, cgroupfs at first.

    Raises:
        InputError: the pods in force are the other driver's.
    """
    if kept is None or kept.boot_id != boot or not kept.cgroups:
        return asked or "cgroupfs"
    # The cgroupfs driver spells a cgroup as it is named, systemd never: its units end in .slice, .service.
    spelled_alike = all(path == owned.name for path, owned in kept.cgroups.items())
    before: CgroupDriver = "cgroupfs" if spelled_alike else "systemd"
    if asked not in (None, before):
        raise InputError(
            "what is in force here is the other driver's; qos delete --all gives it back first",
            field=_OPTION,
            value=asked,
            expected=before,
        )
    return before


def open_enforcer(
    opened: ExitStack, fs: CgroupFS, store: StateStore, boot: str, driver: CgroupDriver
) -> tuple[CgroupFS, Enforcer]:
    """The tree as the driver writes it, and the enforcer over it.

    Args:
        opened: closes what is opened here.
        fs: the plain tree.
        store: where the record lies.
        boot: this boot.
        driver: who writes.

    Raises:
        InputError: systemd's slices were asked for somewhere else than at the top of the whole tree.
        HostError: systemd is not PID 1, or its bus does not answer.
    """
    from enforcer.apply import Enforcer
    from enforcer.layout import Layout

    if driver == "cgroupfs":
        return fs, Enforcer(fs, store, boot_id=boot, root=str(fs.root))
    from enforcer.systemd import SystemdFS
    from enforcer.systemd_bus import SystemdBus

    if fs.root != Path(CGROUP_MOUNT):
        raise InputError(
            "slices of systemd lie at the top of the whole tree: as root, without --root",
            field=_OPTION,
            value=driver,
            expected=f"a root of {CGROUP_MOUNT}, or cgroupfs",
        )
    bus = opened.enter_context(SystemdBus())
    slices = opened.enter_context(SystemdFS(bus, fs.root))
    return slices, Enforcer(
        slices,
        store,
        boot_id=boot,
        spell=Layout("systemd").path,
        root=str(fs.root),
        driver_resets=slices.resets,
    )

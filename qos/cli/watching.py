"""What `qos top` and `qos record` share: which cgroups to look at, and when to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qos.errors import InputError

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS
    from qos.experiment.pods_here import Here


@contextmanager
def open_here(
    selectors: Sequence[str],
    cgroups: Sequence[str],
    everything: bool,
    root: Path | None,
    state_dir: Path | None,
) -> Iterator[tuple[CgroupFS, Here]]:
    """The tree and the containers that are meant: qos's own, cgroups by name, or all that hold processes.

    Raises:
        InputError: options that contradict each other, or nothing is found.
        HostError: no cgroup v2 here.
    """
    if selectors and (cgroups or everything):
        raise InputError("SELECTOR means pods of qos; --cgroup and --all mean others", expected="one of them")
    if cgroups or everything:
        from enforcer.cgroupfs import CGROUP_MOUNT
        from enforcer.place import open_tree
        from qos.experiment.pods_here import unmanaged

        with open_tree(root or Path(CGROUP_MOUNT)) as fs:
            yield fs, unmanaged(fs, cgroups)
        return
    from qos.experiment.enforce import Host
    from qos.experiment.pods_here import managed

    with Host(root, state_dir) as host:
        here = managed(host, selectors)
        if not here.pods:
            raise InputError(
                "qos manages no pod on this host", expected="qos apply or qos run first, or --all or --cgroup"
            )
        yield host.fs, here


@contextmanager
def stopped_by_signal() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came; the first one only asks to stop, so that all is written."""
    came: list[int] = []

    def note(number: int, _frame: Any) -> None:
        came.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Events of the engine in words a human can act on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.model.event import Event, EventKind
from qos.model.plan import Plan
from qos.model.sample import Completions
from qos.simulate.layout import EVENT_OOM, EVENT_OOM_GLOBAL, EVENT_OOM_TOGETHER, EVENT_THROTTLE

_BINARY_UNITS: Final = ("", "Ki", "Mi", "Gi", "Ti")


def describe(entry: Any, names: Sequence[CgroupName], plan: Plan) -> Event:
    """One record of ``layout.EVENT`` as an Event."""
    kind, words = _KINDS[int(entry["kind"])]
    cgroup = names[entry["node"]]
    return Event(float(entry["time"]), kind, cgroup, words(entry, cgroup, names[entry["about"]], plan))


def in_bytes(amount: float) -> str:
    """Bytes for people.

    >>> in_bytes(522190848), in_bytes(2**29)
    ('498Mi', '512Mi')
    """
    unit = 0
    while unit < len(_BINARY_UNITS) - 1 and abs(amount) >= 1024:
        amount /= 1024
        unit += 1
    return f"{amount:.3g}{_BINARY_UNITS[unit]}" if amount < 1000 else f"{amount:.0f}{_BINARY_UNITS[unit]}"


def _throttle(entry: Any, cgroup: CgroupName, about: CgroupName, plan: Plan) -> str:
    del about
    limit: Any = plan.cgroups[cgroup].cpu_max
    threads = float(entry["a"])
    busy = f"{threads:.3g} thread{'s' if threads != 1 else ''}"
    return (
        f"throttled by its own cpu.max: {busy} used up {limit.quota_usec / 1000:g} ms "
        f"before the period of {limit.period_usec / 1000:g} ms was over"
    )


def _growing(entry: Any) -> str:
    return f" while growing {in_bytes(float(entry['b']))}/s" if entry["b"] > 0 else ""


def _oom(entry: Any, cgroup: CgroupName, about: CgroupName, plan: Plan) -> str:
    del plan
    name = _short(cgroup)
    whose = "memory.max" if about == cgroup else f"memory.max of {about},"
    swap = f"{in_bytes(float(entry['d']))} in swap" if entry["d"] > 0 else "no swap"
    return (
        f"{name} killed: {whose} {in_bytes(float(entry['a']))} reached{_growing(entry)}, "
        f"{in_bytes(float(entry['c']))} anonymous, {swap}"
    )


def _oom_global(entry: Any, cgroup: CgroupName, about: CgroupName, plan: Plan) -> str:
    del about, plan
    return (
        f"{_short(cgroup)} killed: the machine's {in_bytes(float(entry['a']))} are used up, nothing is left "
        f"to reclaim; {in_bytes(float(entry['c']))} anonymous, highest oom score {float(entry['d']):.0f}"
    )


def _together(entry: Any, cgroup: CgroupName, about: CgroupName, plan: Plan) -> str:
    del entry, plan
    return f"{_short(cgroup)} killed together with {about}: memory.oom.group"


def _short(cgroup: CgroupName) -> str:
    return cgroup.rpartition("/")[2]


_KINDS: Final[dict[int, tuple[EventKind, Callable[[Any, CgroupName, CgroupName, Plan], str]]]] = {
    EVENT_THROTTLE: ("throttle", _throttle),
    EVENT_OOM: ("oom_kill", _oom),
    EVENT_OOM_GLOBAL: ("global_oom_kill", _oom_global),
    EVENT_OOM_TOGETHER: ("oom_kill", _together),
}


def completions_of(done: Sequence[tuple[tuple[CgroupName, ...], NDArray[Any]]]) -> Completions:
    """Rows of ``layout.COMPLETION``, each part with the cgroups of its sources, as Completions."""
    names = tuple(dict.fromkeys(name for names, _ in done for name in names))
    place = {name: index for index, name in enumerate(names)}
    parts = [np.array([place[name] for name in names_])[rows["source"]] for names_, rows in done if len(rows)]
    if not parts:
        return Completions(names)
    rows = np.concatenate([rows for _, rows in done])
    return Completions(
        names, np.concatenate(parts).astype(np.int32), rows["arrival"].copy(), rows["latency"].copy()
    )

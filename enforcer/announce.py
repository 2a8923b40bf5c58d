"""What the kernel announced, as Events in words: OOM kills and their cause, ends, refused forks, throttling.

Source: cgroup-v2.rst, memory.events ("oom": the limit was reached and allocation was about to fail;
"oom_kill": a process of this cgroup was killed by any OOM killer), cpu.stat nr_throttled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from enforcer.cgroup_text import parse_flat_keyed
from enforcer.observe import Happening
from enforcer.tree import Tree
from qos.model.cgroup import CgroupName, ancestors
from qos.model.event import Event
from qos.model.plan import Plan
from qos.model.sample import Samples

THROTTLE_QUIET_SECONDS: Final = 10.0
"""Throttling is told when there was none for so long before."""

_LOCAL: Final = "memory.events.local"
_SAME_KILL_SECONDS: Final = 2.0


class Announcer:
    """Turns counters that moved into Events.

    Args:
        tree: where the counters are read.
        paths: cgroup → path in the tree.
    """

    def __init__(self, tree: Tree, paths: Mapping[CgroupName, str]) -> None:
        self._tree = tree
        self._paths: dict[CgroupName, str] = {}
        self._ooms: dict[CgroupName, int] = {}
        self._told: dict[CgroupName, float] = {}
        self._throttled: dict[CgroupName, float] = {}
        self._throttles: dict[CgroupName, float] = {}
        self.set_cgroups(paths)

    def set_cgroups(self, paths: Mapping[CgroupName, str]) -> None:
        """These cgroups from now on; what the new ones count already is taken as known."""
        for name in self._ooms.keys() - paths.keys():
            del self._ooms[name]
        self._paths = dict(paths)
        for name in paths.keys() - self._ooms.keys():
            self._ooms[name] = self._oom_count(name)

    def of(self, happening: Happening, time: float, plan: Plan) -> Event | None:
        """The Event of one announcement; None for what is told otherwise."""
        if happening.key == "memory_events_oom_kill" and happening.new > happening.old:
            return self._oom_kill(happening, time, plan)
        if happening.key == "pids_events_max" and happening.new > happening.old:
            count = happening.new - happening.old
            reason = f"{count} forks refused: pids.max of it or of a cgroup above is reached"
            return Event(time, "pids_max", happening.cgroup, reason)
        return None

    def _oom_kill(self, happening: Happening, time: float, plan: Plan) -> Event | None:
        """An OOM kill, by whose limit: the innermost cgroup whose own ``oom`` counter moved."""
        leaf = happening.cgroup
        count = happening.new - happening.old
        killed = f"{leaf.rpartition('/')[2]} killed ({count} {'processes' if count > 1 else 'process'})"
        cause = None
        for name in (leaf, *reversed(ancestors(leaf))):
            now = self._oom_count(name)
            if now > self._ooms.get(name, 0) and cause is None:
                cause = name
            self._ooms[name] = now
        told, self._told[leaf] = self._told.get(leaf, -np.inf), time
        if cause is None and time - told < _SAME_KILL_SECONDS:
            return None  # oom_kill counts every process of a group that is killed, oom once
        if cause is None:
            return Event(time, "global_oom_kill", leaf, f"{killed}: the machine's memory is used up", 137)
        whose = "memory.max" if cause == leaf else f"memory.max of {cause},"
        spec = plan.cgroups.get(cause)
        limit = "" if spec is None or spec.memory_max is None else f" {spec.memory_max} bytes"
        return Event(time, "oom_kill", leaf, f"{killed}: {whose}{limit} reached", 137)

    def _oom_count(self, name: CgroupName) -> int:
        path = self._paths.get(name)
        text = None if path is None else self._tree.read_or_none(path, _LOCAL)
        return 0 if text is None else parse_flat_keyed(text).get("oom", 0)

    def throttling(self, samples: Samples, plan: Plan) -> Iterator[Event]:
        """Cgroups whose own ``cpu.max`` throttled them now, and not in the ten seconds before."""
        counts = samples.columns.get("cpu_stat_nr_throttled")
        if counts is None:
            return
        for row, time in enumerate(samples.times):
            for column in np.flatnonzero(~np.isnan(counts[row])):
                name = samples.cgroups[column]
                if self._moved(name, float(counts[row, column]), float(time)):
                    yield Event(float(time), "throttle", name, _throttle_words(name, plan))

    def _moved(self, name: CgroupName, count: float, time: float) -> bool:
        before = self._throttles.get(name)
        self._throttles[name] = count
        if before is None or count <= before:
            return False
        last = self._throttled.get(name, -np.inf)
        self._throttled[name] = time
        return time - last > THROTTLE_QUIET_SECONDS


def _throttle_words(name: CgroupName, plan: Plan) -> str:
    spec = plan.cgroups.get(name)
    limit = spec.cpu_max if spec else None
    if limit is None or limit.quota_usec == "max":
        return "throttled by its own cpu.max, which somebody else set"
    return (
        f"throttled by its own cpu.max: {limit.quota_usec / 1000:g} ms were used up "
        f"before the period of {limit.period_usec / 1000:g} ms was over"
    )


def leaves_below(leaves: Iterable[CgroupName], cgroup: CgroupName) -> list[CgroupName]:
    """The leaves that are ``cgroup`` or lie below it."""
    return [leaf for leaf in leaves if leaf == cgroup or leaf.startswith(f"{cgroup}/")]

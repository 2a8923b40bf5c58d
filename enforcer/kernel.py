"""The real kernel behind the one Kernel interface: plans enforced, time waited for, readings taken.

:class:`HostKernel` and the simulator's kernel are driven by the same loop and the same agents. Time
begins with the first :meth:`HostKernel.advance`: until then processes are put in place and wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self

from enforcer import control
from enforcer.announce import Announcer, leaves_below
from enforcer.apply import Enforcer
from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from enforcer.drift import Difference, Spell
from enforcer.observe import Beside, Happening, Sampler, Watch
from enforcer.reconcile import Reconciler
from enforcer.work import Starter, Work
from enforcer.works import Works
from qos.errors import HostError, PlanError, SupersededError
from qos.model.cgroup import CgroupName
from qos.model.event import Event, EventKind
from qos.model.plan import Change, Plan, apply_changes
from qos.model.sample import Completions, Samples, Source
from qos.model.workload import Workload

_READINGS_AHEAD: Final = 2.0
"""The reading before the start begins so many times its length before it."""


class HostKernel:
    """A cgroup v2 tree of this machine as a Kernel.

    Args:
        fs: the tree.
        enforcer: keeps it to the plan; its record must be of no other plan than this kernel's.
        plan: put in force at once, and nothing else of the record.
        starter: starts workloads; None: this kernel starts none.
        spell: a cgroup's name in the driver's spelling.
        sample_interval_seconds: between two readings.
        repair_interval_seconds: how often values that somebody changed are set right; None: never.
        begin_on_seconds: time begins at a multiple of this on CLOCK_MONOTONIC, where Linux up to 6.3 ends the
            periods of cpu.max, and a reading is taken just before; 0: at once, without.
        leave_running: what this kernel started goes on when it is closed.
        only_if: whether what is kept with the enforcer's record still is what this kernel's plan is of; where
            not, nothing is written and :class:`SupersededError` is raised.
        node: columns of the whole machine, as a row of ROOT.
        beside: more columns of a cgroup than its files tell; see :class:`enforcer.observe.Sampler`.

    Raises:
        HostError: the host refuses the plan.
    """

    source: Source = "measured"

    def __init__(
        self,
        fs: CgroupFS,
        enforcer: Enforcer,
        plan: Plan,
        *,
        starter: Starter | None = None,
        spell: Spell | None = None,
        sample_interval_seconds: float = 1.0,
        repair_interval_seconds: float | None = None,
        begin_on_seconds: float = 0.0,
        leave_running: bool = False,
        only_if: Callable[[Mapping[str, Any]], bool] | None = None,
        node: Callable[[], dict[str, float]] | None = None,
        beside: Beside | None = None,
    ) -> None:
        self._fs = fs
        self._enforcer = enforcer
        self._plan = plan
        self._starter = starter
        self._spell: Spell = spell or str
        self._interval = sample_interval_seconds
        self._repair_interval = repair_interval_seconds or math.inf
        self._begin_on = begin_on_seconds
        self._began: float | None = None
        self._next_sample = 0.0
        self._reading_seconds = 0.0
        self._next_repair = self._repair_interval
        self._leave_running = leave_running
        self._works = Works(fs, enforcer, self._spell)
        self._reconciler: Reconciler | None = None
        self._events: list[Event] = []
        self._getting_ready: dict[CgroupName, float] = {}
        self.late_starts: list[tuple[float, CgroupName, float]] = []
        """Of each workload started after time began: when it began, and the CPU seconds it got ready with."""
        self._only_if = only_if
        enforcer.apply(plan, prune=True, only_if=only_if)
        paths = self._paths()
        self._sampler = Sampler(fs, paths, clock=lambda: self.now_seconds, beside=beside, node=node)
        self._watch = Watch(fs, {leaf: paths[leaf] for leaf in plan.leaves()})
        self._announcer = Announcer(fs, paths)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what this kernel started and release all descriptors; the plan stays in force."""
        self._works.close(leave_running=self._leave_running)
        self._forget_values()
        self._sampler.close()
        self._watch.close()

    @property
    def now_seconds(self) -> float:
        """Seconds since time began with the first :meth:`advance`."""
        return 0.0 if self._began is None else max(0.0, time.monotonic() - self._began)

    @property
    def plan(self) -> Plan:
        """The cgroups and values in force."""
        return self._plan

    def apply(self, changes: Sequence[Change]) -> None:
        """Create, set and remove as told, all or nothing; a last reading is taken before a removal.

        Raises:
            PlanError: the changes do not fit the tree.
            HostError: the host refused; what was written is undone.
        """
        new = apply_changes(self._plan, list(changes))
        if any(change.kind == "remove" for change in changes):
            self._sampler.sample()
        self._enforcer.apply(new, prune=True, only_if=self._only_if)
        self._forget_values()
        added = [leaf for leaf in new.leaves() if leaf not in self._plan.cgroups]
        self._plan = new
        paths = self._paths()
        self._sampler.set_cgroups(paths)
        self._announcer.set_cgroups(paths)
        for leaf in added:
            self._watch.add(leaf, paths[leaf])

    def start(self, cgroup: CgroupName, workload: Workload, oom_score_adj: int = 0) -> None:
        """Put a workload's processes into a leaf; they begin with the next :meth:`advance`.

        Raises:
            PlanError: no such leaf.
            HostError: they cannot be started.
        """
        if cgroup not in self._plan.leaves():
            raise PlanError(f"cgroup {cgroup}: processes run in leaf cgroups of the plan only")
        starter = self._starter
        if starter is None:
            raise HostError("this kernel was made without a way to start workloads")
        if self._began is not None:
            self._getting_ready[cgroup] = self._cpu_seconds(cgroup)
        self._works.put(cgroup, lambda: starter(cgroup, self._spell(cgroup), workload, oom_score_adj))

    def hand_over(self) -> Mapping[CgroupName, Work]:
        """What this kernel started and looks after, to be given to another's :meth:`take_over`."""
        return self._works.hand_over()

    def take_over(self, works: Mapping[CgroupName, Work]) -> None:
        """Look after what another kernel started."""
        self._works.take_over({name: work for name, work in works.items() if name in self._plan.cgroups})

    def advance(self, seconds: float) -> None:
        """Wait; readings are taken at every interval and at once when the kernel announces something.

        Raises:
            HostError: a load did not get ready, or the host refused a repair.
        """
        self._begin()
        end = self.now_seconds + seconds
        while (now := self.now_seconds) < end:
            happened = self._watch.wait(min(self._next_sample, self._next_repair, end) - now)
            if happened:
                self._sampler.sample()
                self._tell_all(happened)
            self._look_after(self.now_seconds)

    def read(self) -> Samples:
        """The readings since the last call; at least one row, of now."""
        if self._began is None:
            self._works.wait_ready()
        before = time.monotonic()
        self._sampler.sample()
        self._reading_seconds = time.monotonic() - before
        samples = self._sampler.take()
        self._events += self._announcer.throttling(samples, self._plan)
        return samples

    def events(self) -> Sequence[Event]:
        """What happened since the last call, in order of time."""
        events, self._events = self._events, []
        return sorted(events, key=lambda event: event.time)

    def completions(self) -> Completions:
        """The requests and jobs completed since the last call."""
        return self._works.completions()

    def freeze(self, cgroup: CgroupName) -> None:
        """Stop every task below ``cgroup`` from running until thawed.

        Raises:
            HostError: not confirmed by the kernel in time.
        """
        took = control.freeze(self._fs, self._spell(cgroup))
        self._tell("frozen", cgroup, f"all its tasks stand still, confirmed after {took * 1000:.0f} ms")

    def thaw(self, cgroup: CgroupName) -> None:
        """Undo :meth:`freeze`.

        Raises:
            HostError: not confirmed by the kernel in time.
        """
        control.thaw(self._fs, self._spell(cgroup))
        self._tell("thawed", cgroup, "its tasks run again")

    def terminate(self, cgroup: CgroupName) -> None:
        """Ask what runs below ``cgroup`` to end by itself: SIGTERM, as before :meth:`kill` with grace."""
        self._works.terminate(leaves_below(self._plan.leaves(), cgroup))

    def kill(self, cgroup: CgroupName) -> None:
        """Kill every task below ``cgroup``; a last reading is taken before. Nothing where none is left.

        Raises:
            HostError: not confirmed by the kernel in time.
        """
        self._sampler.sample()
        below = leaves_below(self._plan.leaves(), cgroup)
        self._works.forget_ends(below)
        took = control.kill(self._fs, self._spell(cgroup)) if self._works.is_populated(cgroup) else None
        for leaf in below:
            self._works.end(leaf)
        if took is not None:
            self._tell("killed", cgroup, f"all tasks killed, confirmed after {took * 1000:.0f} ms")

    def repair(self) -> Sequence[Difference]:
        """Set right what somebody else changed, and say what it was.

        Raises:
            HostError: the host refused.
        """
        if self._only_if is not None and not self._only_if(self._enforcer.record().objects):
            raise SupersededError("another run applied something newer meanwhile")
        if self._reconciler is None:
            self._reconciler = Reconciler(self._fs, self._enforcer.record())
        if not self._reconciler.differing():
            return ()
        self._forget_values()
        return self._enforcer.apply(
            self._plan, prune=True, force_conflicts=True, only_if=self._only_if
        ).differences

    # -- inside ----------------------------------------------------------------------------------

    def _forget_values(self) -> None:
        if self._reconciler is not None:
            self._reconciler.close()
            self._reconciler = None

    def _paths(self) -> Mapping[CgroupName, str]:
        return {name: self._spell(name) for name in self._plan}

    def _begin(self) -> None:
        ahead = _READINGS_AHEAD * self._reading_seconds if self._begin_on > 0.0 else 0.0
        began = self._works.begin(self._began, self._begin_on, ahead)
        if self._began is not None:
            for cgroup, before in self._getting_ready.items():
                used = max(0.0, self._cpu_seconds(cgroup) - before)
                self.late_starts.append((self.now_seconds, cgroup, used))
            self._getting_ready.clear()
            return
        self._began = began
        self._next_sample = self._interval
        if self._begin_on > 0.0:
            # What processes used to get ready is not part of the time that begins, and no reading takes CPU
            # from them then, neither for this row nor because the kernel announces that they are there: of
            # the first 50 ms the two took 38 in a guest of one CPU.
            time.sleep(max(0.0, began - ahead - time.monotonic()))
            self._sampler.sample()
            self._tell_all(self._watch.wait(0.0))
            time.sleep(max(0.0, began - time.monotonic()))

    def _cpu_seconds(self, cgroup: CgroupName) -> float:
        stat = self._fs.read_or_none(self._spell(cgroup), "cpu.stat")
        return parse_flat_keyed(stat).get("usage_usec", 0) / 1e6 if stat else 0.0

    def _look_after(self, now: float) -> None:
        self._events += list(self._works.look_after(now, self._look_at))
        if now >= self._next_sample:
            self._sampler.sample()
            self._next_sample = (math.floor(now / self._interval) + 1) * self._interval
        if now >= self._next_repair:
            self._next_repair = now + self._repair_interval
            for difference in self.repair():
                self._tell("resize", difference.name, f"drift repaired: {difference}")

    def _look_at(self, cgroup: CgroupName) -> None:
        self._tell_all(self._watch.look(cgroup))

    def _tell(self, kind: EventKind, cgroup: CgroupName, reason: str) -> None:
        self._events.append(Event(self.now_seconds, kind, cgroup, reason))

    def _tell_all(self, happened: Iterable[Happening]) -> None:
        # an OOM kill before the end it caused, whatever order the kernel announced them in
        for happening in sorted(happened, key=lambda one: one.key == "cgroup_events_populated"):
            event = self._announcer.of(happening, self.now_seconds, self._plan)
            if event is not None:
                self._events.append(event)
                if event.kind in ("oom_kill", "global_oom_kill"):
                    spec = self._plan.cgroups.get(event.cgroup)
                    group = spec is not None and spec.memory_oom_group == 1
                    self._works.oom_killed(event.cgroup, event.time, group=group)
            if happening.key == "cgroup_events_populated":
                if happening.new:
                    self._works.filled(happening.cgroup)
                else:
                    self._look_at(happening.cgroup)
                    self._events += self._works.emptied(happening.cgroup, self.now_seconds)

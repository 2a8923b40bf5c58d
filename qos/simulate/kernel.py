"""SimKernel: a machine that runs a Plan in simulated time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import PlanError
from qos.model.cgroup import CgroupName
from qos.model.event import Event, EventKind
from qos.model.plan import Change, Plan, apply_changes
from qos.model.profile import Version
from qos.model.sample import Completions, Samples, Source
from qos.model.workload import Workload
from qos.simulate import engine
from qos.simulate.account import to_samples
from qos.simulate.demand import demand_of, seed_of
from qos.simulate.events import describe
from qos.simulate.layout import BATCH, COMPLETION, COUNTERS, EVENT, FIRST_LOCAL, LOST
from qos.simulate.sources import Sources
from qos.simulate.tree import index_of, link, order, set_cpu

_ROOM: Final = 8192


class SimKernel:
    """The simulated kernel: computes what a cgroup v2 kernel would do with a plan and demand.

    Args:
        plan: cgroups and their values.
        cpus: how many CPUs (numbered from 0), or their numbers.
        memory_bytes: memory of the machine.
        swap_bytes: swap of the machine.
        seed: of all that is random: arrivals and costs of requests.
        sample_interval_seconds: how often a reading is taken; the first is of time 0.
        kernel_version: whose behaviour is meant where versions differ.
        fluid_period_seconds: shapes that submit work at least this often are a steady rate, without
            bursts of their own; 0 makes every burst an event.

    Raises:
        PlanError: the plan does not fit the machine.
    """

    source: Source = "simulated"

    def __init__(
        self,
        plan: Plan,
        *,
        cpus: int | Sequence[int],
        memory_bytes: int,
        swap_bytes: int = 0,
        seed: int = 0,
        sample_interval_seconds: float = 1.0,
        kernel_version: Version = (6, 12),
        fluid_period_seconds: float = 0.02,
    ) -> None:
        self._cpus = tuple(range(cpus)) if isinstance(cpus, int) else tuple(cpus)
        if not self._cpus or sample_interval_seconds <= 0:
            msg = "a machine has at least one CPU, and a positive sampling interval"
            raise PlanError(msg)
        self._seed = seed
        self._fluid_period = fluid_period_seconds
        self._clock = np.zeros(engine.CLOCK_FIELDS)
        self._clock[engine.INTERVAL] = sample_interval_seconds
        self._sources = Sources()
        self._starts: dict[CgroupName, int] = {}
        self._parts: list[Samples] = []
        self._events: list[Event] = []
        self._done: list[tuple[tuple[CgroupName, ...], NDArray[Any]]] = []
        self._done_room = np.zeros(_ROOM, dtype=COMPLETION)
        self._log = np.zeros(_ROOM, dtype=EVENT)
        self._plan = Plan.of({})
        self._build(plan)

    @property
    def now_seconds(self) -> float:
        """Seconds since this kernel was made."""
        return float(self._clock[engine.NOW])

    @property
    def plan(self) -> Plan:
        """The cgroups and values in force."""
        return self._plan

    def apply(self, changes: Sequence[Change]) -> None:
        """Create, set and remove cgroups as told, all or nothing; what they hold goes on running.

        Raises:
            PlanError: a change does not fit the tree, or removes a cgroup with running processes.
        """
        wanted = apply_changes(self._plan, list(changes))
        leaves = set(wanted.leaves())
        for name in self._sources.names:
            if name not in leaves:
                doing = "removed" if name not in wanted.cgroups else "given children"
                msg = f"cgroup {name}: cannot be {doing} while processes run in it"
                raise PlanError(msg)
        self._build(wanted)

    def start(self, cgroup: CgroupName, workload: Workload, oom_score_adj: int = 0) -> None:
        """Start (again) a workload's processes in a leaf cgroup, from its beginning.

        Raises:
            PlanError: no such cgroup, or it has children (the no-internal-process rule).
        """
        if cgroup not in self._plan.cgroups or cgroup not in self._plan.leaves():
            why = (
                "has children, processes run in leaves only"
                if cgroup in self._plan.cgroups
                else "is not there"
            )
            msg = f"cgroup {cgroup}: {why}"
            raise PlanError(msg)
        starts = self._starts.get(cgroup, 0)
        self._starts[cgroup] = starts + 1
        self._stop(cgroup)
        if workload.cpu is not None:
            demand = demand_of(workload.cpu, seed_of(self._seed, cgroup, starts), self._fluid_period)
            self._sources.start(cgroup, self._index[cgroup], demand, self.now_seconds)

    def advance(self, seconds: float) -> None:
        """Compute the next ``seconds``; a reading is taken at every sampling interval."""
        until = self.now_seconds + seconds
        sources, clock = self._sources, self._clock
        sources.refill(until)
        needed = len(sources.keys) + len(sources.records)
        if len(self._done_room) < 2 * needed:
            self._done_room = np.zeros(2 * needed, dtype=COMPLETION)
        room = int(max(0.0, until - clock[engine.NEXT_SAMPLE]) / clock[engine.INTERVAL]) + 2
        rows = np.empty((room, len(self._names), COUNTERS))
        times = np.empty(room)
        clock[engine.ROWS] = 0
        while True:
            status = engine.run(
                until, clock, self._nodes, sources.records, sources.feed_times, sources.feed_values,
                sources.keys, sources.arrivals, self._counters, rows, times, self._done_room, self._log,
            )  # fmt: skip
            self._empty_buffers()
            if status == engine.FINISHED:
                break
        used = int(clock[engine.ROWS])
        if used:
            self._parts.append(to_samples(rows[:used], times[:used], self._names))

    def read(self) -> Samples:
        """The readings since the last call; the last row is of now. ROOT ("") is the whole machine."""
        if not self._parts or self._parts[-1].times[-1] < self.now_seconds:
            row = np.empty((1, len(self._names), COUNTERS))
            engine.read_row(self._nodes, self._sources.records, self._counters, row[0], self._sources.keys)
            self._parts.append(to_samples(row, np.array([self.now_seconds]), self._names))
        samples = Samples.concat(self._parts)
        self._parts = []
        return samples

    def events(self) -> Sequence[Event]:
        """What happened since the last call, in order of time."""
        events, self._events = sorted(self._events, key=lambda event: event.time), []
        return tuple(events)

    def completions(self) -> Completions:
        """The requests and batch jobs completed since the last call."""
        done, self._done = self._done, []
        names = tuple(dict.fromkeys(name for names, _ in done for name in names))
        place = index_of(names)
        parts = [
            np.array([place[name] for name in names_])[rows["source"]] for names_, rows in done if len(rows)
        ]
        if not parts:
            return Completions(names)
        rows = np.concatenate([rows for _, rows in done])
        return Completions(
            names, np.concatenate(parts).astype(np.int32), rows["arrival"].copy(), rows["latency"].copy()
        )

    def freeze(self, cgroup: CgroupName) -> None:
        """Stop every task below ``cgroup`` from running until thawed (cgroup.freeze)."""
        self._nodes[self._find(cgroup)]["frozen"] = 1
        self._tell("frozen", cgroup, "all its tasks were frozen")

    def thaw(self, cgroup: CgroupName) -> None:
        """Undo :meth:`freeze`."""
        self._nodes[self._find(cgroup)]["frozen"] = 0
        self._tell("thawed", cgroup, "its tasks run again")

    def kill(self, cgroup: CgroupName) -> None:
        """Kill every task below ``cgroup`` (cgroup.kill)."""
        self._find(cgroup)
        below = [name for name in self._sources.names if name == cgroup or name.startswith(f"{cgroup}/")]
        for name in below:
            self._stop(name)
        self._tell("killed", cgroup, f"all tasks killed ({len(below)} workloads)")

    def _find(self, cgroup: CgroupName) -> int:
        if cgroup not in self._index:
            msg = f"cgroup {cgroup}: is not there"
            raise PlanError(msg)
        return self._index[cgroup]

    def _tell(self, kind: EventKind, cgroup: CgroupName, reason: str) -> None:
        self._events.append(Event(self.now_seconds, kind, cgroup, reason))

    def _stop(self, cgroup: CgroupName) -> None:
        """End a leaf's workload; its requests waiting and in service are lost."""
        if cgroup not in self._sources.names:
            return
        record = self._sources.records[self._sources.names.index(cgroup)]
        node = self._index[cgroup]
        self._counters[node, LOST] += record["in_service"] + record["feed"] - record["queue"]
        self._nodes[node]["runnable"] = 0.0
        self._sources.remove(cgroup)

    def _build(self, plan: Plan) -> None:
        """Lay out the arrays for a plan, taking over the state of cgroups that stay."""
        names = order(plan)
        nodes = link(names)
        counters = np.zeros((len(names), COUNTERS))
        index = dict(index_of(names))
        kept = ("frozen", "quota", "period", "phase", "burst", "pool", "snapshot", "tick", "synced", "idle",
                "throttled", "last_throttled")  # fmt: skip
        for place, name in enumerate(names) if self._plan.cgroups else ():
            old = self._index.get(name)
            if old is not None:
                counters[place] = self._counters[old]
                for field in kept:
                    nodes[place][field] = self._nodes[old][field]
        set_cpu(nodes, names, plan, self._cpus, self.now_seconds)
        if self._plan.cgroups:
            self._keep_counts_of_removed(index, counters)
        self._plan, self._names, self._index = plan, names, index
        self._nodes, self._counters = nodes, counters
        self._sources.place(index)

    def _keep_counts_of_removed(self, index: dict[CgroupName, int], counters: NDArray[np.float64]) -> None:
        """A removed cgroup's use stays counted in the nearest ancestor that is still there."""
        for name, old in self._index.items():
            if name not in index:
                above = CgroupName(name.rpartition("/")[0])
                while above not in index:
                    above = CgroupName(above.rpartition("/")[0])
                counters[index[above], :FIRST_LOCAL] += self._counters[old, :FIRST_LOCAL]

    def _empty_buffers(self) -> None:
        """Take completions and events out of the engine's buffers."""
        done = self._done_room[: int(self._clock[engine.DONE_ROWS])].copy()
        if len(done):
            self._done.append((tuple(self._sources.names), done))
            jobs = self._sources.records["kind"][done["source"]] == BATCH
            for row in done[jobs]:
                cgroup = self._sources.names[row["source"]]
                reason = f"its work is done after {row['latency']:.3f} s"
                self._events.append(Event(float(row["arrival"] + row["latency"]), "exit", cgroup, reason, 0))
        for entry in self._log[: int(self._clock[engine.EVENT_ROWS])]:
            self._events.append(describe(entry, self._names, self._plan))
        self._clock[engine.DONE_ROWS] = self._clock[engine.EVENT_ROWS] = 0

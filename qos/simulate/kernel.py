"""SimKernel: a machine that runs a Plan in simulated time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.errors import PlanError
from qos.model.cgroup import ROOT, CgroupName, ancestors
from qos.model.event import Event, EventKind
from qos.model.network import NodeNetwork
from qos.model.node import Disk
from qos.model.plan import Change, Plan, apply_changes
from qos.model.profile import Version
from qos.model.sample import Completions, Samples, Source
from qos.model.workload import Workload
from qos.simulate import engine
from qos.simulate.account import Readings
from qos.simulate.demand import STEADY_SECONDS, demand_of, seed_of
from qos.simulate.events import completions_of, describe
from qos.simulate.faults import FAULT_BYTES_PER_SECOND
from qos.simulate.flows import Flows
from qos.simulate.holders import Holders
from qos.simulate.layout import BATCH, COMPLETION, COUNTERS, EVENT, FIRST_GAUGE, NODE_KEPT, PIDS_EVENTS_MAX
from qos.simulate.obtain import FAULT_RATE, MACHINE_FIELDS, RAM, SWAP_RATE, TOTAL
from qos.simulate.oom import end
from qos.simulate.pids import allowed_tasks
from qos.simulate.pools import KEPT_FIELDS, pools_of
from qos.simulate.scheduler import Ticks, credit_of, quota_ticks, slices_of, wake_of
from qos.simulate.serve import stop
from qos.simulate.slices import COARSE, CURRENT, TICK
from qos.simulate.sources import Sources
from qos.simulate.step_draw import key_of
from qos.simulate.tree import index_of, link, link_memory, order, set_cpu, set_memory

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
        columns: which columns readings have, None for all: long runs of large machines need less memory.
        kernel_version: whose behaviour is meant where versions differ.
        fluid_period_seconds: shapes that submit work at least this often are a steady rate, without
            bursts of their own; 0 makes every burst an event.
        fault_bytes_per_second: how much new memory a thread touches in a second of CPU time.
        swap_bytes_per_second: how fast memory goes to swap.
        disks: what the machine has of them; the first is the one that is meant where none is named.
        network: what pods may send and receive, and the link; none: they have no limits.
        period_phases: seconds from a cgroup's first cpu.max to the end of its first period, else a period.
        ticks: of the scheduler, where one CPU is to be given in slices, or quotas go by them; None: neither.

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
        columns: Sequence[str] | None = None,
        kernel_version: Version = (6, 12),
        fluid_period_seconds: float = STEADY_SECONDS,
        fault_bytes_per_second: float = FAULT_BYTES_PER_SECOND,
        swap_bytes_per_second: float = 500e6,
        disks: Sequence[Disk] = (),
        network: NodeNetwork | None = None,
        period_phases: Mapping[CgroupName, float] | None = None,
        ticks: Ticks | None = None,
    ) -> None:
        self._cpus = tuple(range(cpus)) if isinstance(cpus, int) else tuple(cpus)
        if not self._cpus or sample_interval_seconds <= 0:
            raise PlanError("a machine has at least one CPU, and a positive sampling interval")
        self._seed = seed
        self._slices = slices_of(ticks, len(self._cpus), kernel_version)
        self._fluid_period = 0.0 if self._slices[TICK] else fluid_period_seconds
        self._clock = np.zeros(engine.CLOCK_FIELDS)
        self._clock[engine.INTERVAL] = sample_interval_seconds
        self._memory_bytes, self._swap_bytes = memory_bytes, swap_bytes
        self._machine = np.zeros(MACHINE_FIELDS)
        self._machine[FAULT_RATE], self._machine[SWAP_RATE] = fault_bytes_per_second, swap_bytes_per_second
        self._machine[RAM], self._machine[TOTAL] = memory_bytes, memory_bytes + swap_bytes
        self._kernel_version = kernel_version
        self._phases = dict(period_phases or {})
        self._quota_ticks = quota_ticks(ticks, kernel_version)
        self._sources = Sources(credit_of(self._slices), wake_of(ticks, self._slices))
        self._holders = Holders()
        self._flows = Flows(tuple(disks) or (Disk(),), network or NodeNetwork())
        self._starts: dict[CgroupName, int] = {}
        self._readings = Readings(columns, booked=bool(self._slices[COARSE]))
        self._events: list[Event] = []
        self._done: list[tuple[tuple[CgroupName, ...], NDArray[Any]]] = []
        self._done_room = np.zeros(_ROOM, dtype=COMPLETION)
        self._log = np.zeros(_ROOM, dtype=EVENT)
        self._plan = Plan.of({})
        self._index: dict[CgroupName, int] = {}
        self._names: tuple[CgroupName, ...] = ()
        self._nodes = self._groups = np.zeros(0)
        self._counters = np.zeros((0, COUNTERS))
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
        for name in self._holders.names:
            if name not in leaves and self._is_running(name):
                doing = "removed" if name not in wanted.cgroups else "given children"
                raise PlanError(f"cgroup {name}: cannot be {doing} while processes run in it")
        for name in [name for name in self._holders.names if name not in leaves]:
            self._forget(name)
        self._build(wanted)
        self._clock[engine.LIMITS_CHANGED] = 1.0

    def start(self, cgroup: CgroupName, workload: Workload, oom_score_adj: int = 0) -> None:
        """Start (again) a workload's processes in a leaf cgroup, from its beginning.

        Raises:
            PlanError: no such cgroup, or it has children (the no-internal-process rule).
        """
        if cgroup not in self._plan.cgroups or cgroup not in self._plan.leaves():
            there = cgroup in self._plan.cgroups
            why = "has children, processes run in leaves only" if there else "is not there"
            raise PlanError(f"cgroup {cgroup}: {why}")
        starts = self._starts.get(cgroup, 0)
        self._starts[cgroup] = starts + 1
        self._end(cgroup)
        self._forget(cgroup)
        tasks = self._fork(cgroup, workload.tasks or 1)
        if tasks == 0:
            return
        node, now = self._index[cgroup], self.now_seconds
        self._holders.start(cgroup, node, workload, tasks=tasks, adj=oom_score_adj, now=now)
        if workload.memory and workload.memory.cache:
            self._groups[node]["active"] = workload.memory.cache.active
        if workload.cpu is not None:
            demand = demand_of(
                workload.cpu, seed_of(self._seed, cgroup, starts), self._fluid_period,
                key_of(self._seed, cgroup, starts), self._slices[TICK] * self._slices[COARSE],
            )  # fmt: skip
            if workload.tasks is not None:
                demand = replace(demand, threads=min(demand.threads, tasks))
            self._sources.start(cgroup, node, demand, now)
        self._flows.start(cgroup, workload, now)
        self._clock[engine.NEXT_MEMORY] = now

    def advance(self, seconds: float) -> None:
        """Compute the next ``seconds``; a reading is taken at every sampling interval."""
        until = self.now_seconds + seconds
        at_once = self._readings.rows_at_once(len(self._names))
        while True:
            enough = self._clock[engine.NEXT_SAMPLE] + (at_once - 1) * self._clock[engine.INTERVAL]
            self._run(min(until, float(enough)))
            if enough >= until:
                break

    def read(self) -> Samples:
        """The readings since the last call; the last row is of now. ROOT ("") is the whole machine."""
        if self._readings.newest_seconds() < self.now_seconds:
            due = self._clock[engine.NEXT_SAMPLE]
            self._clock[engine.NEXT_SAMPLE] = self.now_seconds
            self._run(self.now_seconds)
            self._clock[engine.NEXT_SAMPLE] = due
        return self._readings.take()

    def events(self) -> Sequence[Event]:
        """What happened since the last call, in order of time."""
        events, self._events = sorted(self._events, key=lambda event: event.time), []
        return tuple(events)

    def completions(self) -> Completions:
        """The requests and batch jobs completed since the last call."""
        done, self._done = self._done, []
        return completions_of(done)

    def freeze(self, cgroup: CgroupName) -> None:
        """Stop every task below ``cgroup`` from running until thawed (cgroup.freeze)."""
        self._nodes[self._find(cgroup)]["frozen"] = 1
        self._flows.freeze(cgroup, frozen=True)
        self._clock[engine.NEXT_MEMORY] = self.now_seconds
        self._tell("frozen", cgroup, "all its tasks were frozen")

    def thaw(self, cgroup: CgroupName) -> None:
        """Undo :meth:`freeze`."""
        self._nodes[self._find(cgroup)]["frozen"] = 0
        self._flows.freeze(cgroup, frozen=False)
        self._clock[engine.NEXT_MEMORY] = self.now_seconds
        self._tell("thawed", cgroup, "its tasks run again")

    def terminate(self, cgroup: CgroupName) -> None:
        """Nothing ends: a workload handles no SIGTERM, as many a container's PID 1 does not."""

    def kill(self, cgroup: CgroupName) -> None:
        """Kill every task below ``cgroup`` (cgroup.kill)."""
        self._find(cgroup)
        below = [name for name in self._holders.names
                 if self._is_running(name) and (name == cgroup or name.startswith(f"{cgroup}/"))]  # fmt: skip
        for name in below:
            self._end(name)
        self._tell("killed", cgroup, f"all tasks killed, in {len(below)} cgroups")

    def _run(self, until: float) -> None:
        """Let the engine run, and take what it fills its buffers with."""
        sources, holders, clock, cgroups = self._sources, self._holders, self._clock, len(self._names)
        sources.refill(until)
        needed = 2 * (len(sources.keys) + len(sources.records))
        if len(self._done_room) < needed:
            self._done_room = np.zeros(needed, dtype=COMPLETION)
        count = int(max(0.0, until - clock[engine.NEXT_SAMPLE]) / clock[engine.INTERVAL]) + 2
        rows, times = self._readings.room(count, cgroups)
        killed = np.zeros(len(holders.names) + 1, dtype=np.int64)
        clock[engine.ROWS] = 0
        state = engine.State(
            clock, self._nodes, self._pools, self._may_use, self._scratch,
            sources.records, *sources.scratch(), sources.feed_times, sources.feed_values, sources.keys,
            sources.arrivals, sources.turns, self._slices, self._groups, holders.records, holders.times,
            holders.values, self._machine, killed, self._counters, self._readings.picked, rows, times,
            self._done_room, self._log,
        )  # fmt: skip
        given = bool(self._slices[TICK]) or None, len(self._pools) > 1 or None
        while engine.run(until, state, *given) != engine.FINISHED:
            self._empty_buffers()
        self._empty_buffers()
        used = int(clock[engine.ROWS])
        traffic = self._flows.read(times[:used], self._names, until)
        self._readings.add(rows[:used], times[:used], self._names, traffic)
        self._done += self._flows.take_done(self._events)

    def _find(self, cgroup: CgroupName) -> int:
        if cgroup not in self._index:
            raise PlanError(f"cgroup {cgroup}: is not there")
        return self._index[cgroup]

    def _tell(self, kind: EventKind, cgroup: CgroupName, reason: str) -> None:
        self._events.append(Event(self.now_seconds, kind, cgroup, reason))

    def _is_running(self, cgroup: CgroupName) -> bool:
        names = self._holders.names
        return cgroup in names and bool(self._holders.records["alive"][names.index(cgroup)])

    def _fork(self, cgroup: CgroupName, tasks: int) -> int:
        """How many of ``tasks`` pids.max lets a leaf have; refusals are counted and told."""
        running = {name: self._tasks_of(name) for name in self._holders.names if self._is_running(name)}
        allowed, refusals = allowed_tasks(self._plan, running, cgroup, tasks)
        for name, reason in refusals:
            self._counters[self._index[name], PIDS_EVENTS_MAX] += 1
            self._tell("pids_max", cgroup, reason)
        return allowed

    def _tasks_of(self, cgroup: CgroupName) -> int:
        return int(self._holders.records["tasks"][self._holders.names.index(cgroup)])

    def _end(self, cgroup: CgroupName) -> None:
        """End a leaf's processes; requests waiting and in service are lost, anonymous memory is freed."""
        node = self._index[cgroup]
        self._flows.stop(cgroup)
        self._nodes[node]["touching"] = self._nodes[node]["touched"] = 0.0
        if cgroup in self._sources.names:
            place = self._sources.names.index(cgroup)
            sources = self._sources.records.view(np.recarray)
            if sources[place].alive:
                nodes = self._nodes.view(np.recarray)  # the interpreted function needs fields as attributes
                stop.py_func(sources[place], nodes[node], self._counters[node])
        if self._is_running(cgroup):
            end(self._groups, self._holders.records, self._holders.names.index(cgroup))
        self._clock[engine.NEXT_MEMORY] = self.now_seconds

    def _forget(self, cgroup: CgroupName) -> None:
        for kept in (self._sources, self._holders):
            if cgroup in kept.names:
                kept.remove(cgroup)

    def _build(self, plan: Plan) -> None:
        """Lay out the arrays for a plan, taking over the state of cgroups that stay."""
        nodes = link(names := order(plan))
        groups = link_memory(nodes)
        counters = np.zeros((len(names), COUNTERS))
        index = dict(index_of(names))
        held = ("anon", "file", "active", "swap", "usage", "peak", "swap_peak")
        for name, old in self._index.items():
            place = index.get(name)
            if place is not None:
                counters[place] = self._counters[old]
                for field in NODE_KEPT:
                    nodes[place][field] = self._nodes[old][field]
                for field in held:
                    groups[place][field] = self._groups[old][field]
            else:
                heir = index[next(above for above in (*reversed(ancestors(name)), ROOT) if above in index)]
                counters[heir, :FIRST_GAUGE] += self._counters[old, :FIRST_GAUGE]
                groups[heir]["file"] += self._groups[old]["file"]
        effective = set_cpu(nodes, names, plan, self._cpus, self.now_seconds, self._phases, self._quota_ticks)
        self._pools, self._may_use = pools_of(names, effective)
        self._scratch = np.zeros((3, len(names), max(len(self._pools), KEPT_FIELDS)))
        set_memory(groups, names, plan, self._memory_bytes, self._swap_bytes)
        self._plan, self._names, self._index = plan, names, index
        self._nodes, self._groups, self._counters = nodes, groups, counters
        self._slices[CURRENT] = -1.0
        self._sources.place(index)
        self._holders.place(index)
        self._flows.place(plan)

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
            if self._events[-1].kind != "throttle":  # it was killed
                self._flows.end_at(self._events[-1].cgroup, self._events[-1].time)
        self._clock[engine.DONE_ROWS] = self._clock[engine.EVENT_ROWS] = 0

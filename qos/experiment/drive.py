"""Drive one kernel, simulated or real: let time pass, look, let the agents act, write down what was seen.

The same loop runs `qos simulate`, `qos validate` and `qos apply --watch`: it knows the Kernel interface
and the Agent interface and nothing of what stands behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.kernel import Action, Agent, Evict, Kernel, Note, Restart
from qos.model.plan import Plan
from qos.model.sample import Completions, Samples
from qos.model.workload import Workload

Progress = Callable[[float], None]
_LONGEST_STRETCH_SECONDS = 60.0
# A kernel's clock is a sum of steps: a time it missed by rounding has come.
_ROUNDING_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Observed:
    """All a run left: readings from its start to its end, events and completions in order of time."""

    samples: Samples
    events: tuple[Event, ...]
    completions: Completions


@dataclass(slots=True)
class _Turn:
    """An agent, when it looks next, and what has been seen since it last looked."""

    agent: Agent
    due_seconds: float
    samples: list[Samples] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Driver:
    """One run of one kernel: workloads started, agents asked at their periods, restarts when due.

    Args:
        kernel: simulated or real.
        plan: in force at the start.
        workloads: leaf → what runs in it.
        agents: who acts.
        running: leaves whose workload is not started now: it runs already, or shall not.
        tell: told every event as it is seen.
        keep: whether all that was seen is kept for :meth:`run`; a run without end keeps the newest readings.
    """

    def __init__(
        self,
        kernel: Kernel,
        plan: Plan,
        workloads: Mapping[CgroupName, Workload],
        agents: Sequence[Agent],
        *,
        running: Collection[CgroupName] = (),
        tell: Callable[[Event], None] | None = None,
        keep: bool = True,
    ) -> None:
        self._kernel = kernel
        self._plan = plan
        self._workloads = workloads
        self._running = frozenset(running)
        self._tell = tell
        self._keep = keep
        self._turns = [_Turn(agent, kernel.now_seconds + agent.period_seconds) for agent in agents]
        self._restarts: dict[CgroupName, tuple[float, str]] = {}
        self._kills: dict[CgroupName, float] = {}
        self._samples: list[Samples] = []
        self._events: list[Event] = []
        self._completions: list[Completions] = []

    def run(self, duration_seconds: float, progress: Progress | None = None) -> Observed:
        """Run for ``duration_seconds``; ``progress`` is told the seconds done after each stretch."""
        begin = self._kernel.now_seconds
        for cgroup, workload in self._workloads.items():
            if cgroup not in self._running:
                self._start(cgroup, workload)
        self._look()
        end = begin + duration_seconds
        while (now := self._kernel.now_seconds) < end - _ROUNDING_SECONDS:
            self._kernel.advance(min(self._next_due(), end, now + _LONGEST_STRETCH_SECONDS) - now)
            self._look()
            self._kill_due()
            self._start_due()
            self._ask_agents()
            if progress:
                progress(self._kernel.now_seconds - begin)
        self._take_events()
        return Observed(
            Samples.concat(self._samples), tuple(self._events), join_completions(self._completions)
        )

    def _next_due(self) -> float:
        agents = (turn.due_seconds for turn in self._turns)
        restarts = (at for at, _ in self._restarts.values())
        return min((*agents, *restarts, *self._kills.values(), math.inf))

    def _start(self, cgroup: CgroupName, workload: Workload) -> None:
        self._kernel.start(cgroup, workload, self._plan.oom_score_adj.get(cgroup, 0))

    def _look(self) -> None:
        samples = self._kernel.read()
        if not self._keep:
            self._samples, self._completions = [], []
        self._samples.append(samples)
        self._completions.append(self._kernel.completions())
        self._take_events()
        for turn in self._turns:
            turn.samples.append(samples)

    def _take_events(self) -> None:
        for event in self._kernel.events():
            self._note(event)

    def _note(self, event: Event) -> None:
        if self._keep:
            self._events.append(event)
        if self._tell is not None:
            self._tell(event)
        for turn in self._turns:
            turn.events.append(event)

    def _kill_due(self) -> None:
        now = self._kernel.now_seconds
        for cgroup in [name for name, at in self._kills.items() if at <= now + _ROUNDING_SECONDS]:
            del self._kills[cgroup]
            self._kernel.kill(cgroup)

    def _start_due(self) -> None:
        now = self._kernel.now_seconds
        due = [
            (cgroup, reason)
            for cgroup, (at, reason) in self._restarts.items()
            if at <= now + _ROUNDING_SECONDS
        ]
        for cgroup, reason in due:
            del self._restarts[cgroup]
            self._start(cgroup, self._workloads[cgroup])
            self._note(Event(now, "restart", cgroup, reason))

    def _ask_agents(self) -> None:
        now = self._kernel.now_seconds
        for turn in self._turns:
            if turn.due_seconds > now + _ROUNDING_SECONDS:
                continue
            turn.due_seconds = now + turn.agent.period_seconds
            samples, turn.samples = Samples.concat(turn.samples), []
            events, turn.events = tuple(turn.events), []
            for action in turn.agent.step(now, samples, events, self._kernel.plan):
                self._act(action)

    def _act(self, action: Action) -> None:
        now = self._kernel.now_seconds
        if isinstance(action, Evict):
            below = f"{action.pod_cgroup}/"
            self._restarts = {name: due for name, due in self._restarts.items() if not name.startswith(below)}
            self._note(Event(now, "evict", action.pod_cgroup, action.reason))
            if action.grace_seconds > 0:
                self._kernel.terminate(action.pod_cgroup)
            self._kills[action.pod_cgroup] = now + action.grace_seconds
            self._kill_due()
        elif isinstance(action, Restart):
            self._restarts[action.cgroup] = (now + action.after_seconds, action.reason)
            self._note(Event(now, "backoff", action.cgroup, action.reason))
            if action.after_seconds <= 0:
                self._start_due()
        elif isinstance(action, Note):
            self._note(Event(now, action.kind, action.cgroup, action.reason))
        else:
            self._kernel.apply(action.changes)
            first = action.changes[0].cgroup if action.changes else CgroupName("")
            self._note(Event(now, action.kind, first, action.reason))


def join_completions(parts: Sequence[Completions]) -> Completions:
    """Completions one after another, over the union of their cgroups."""
    import numpy as np

    cgroups = tuple(dict.fromkeys(name for part in parts for name in part.cgroups))
    position = {name: index for index, name in enumerate(cgroups)}
    filled = [part for part in parts if len(part.cgroup)]
    if not filled:
        return Completions(cgroups)
    mapped = [
        np.array([position[name] for name in part.cgroups], dtype=np.int32)[part.cgroup] for part in filled
    ]
    return Completions(
        cgroups,
        np.concatenate(mapped),
        np.concatenate([part.arrival_seconds for part in filled]),
        np.concatenate([part.latency_seconds for part in filled]),
    )

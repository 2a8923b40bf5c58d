"""`qos apply --watch`: the desired state is kept; drift is repaired and the agents act on the real kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from enforcer.kernel import HostKernel
from enforcer.procfs import ProcFS
from enforcer.work import Work
from qos.agent.restart import RestartAgent
from qos.errors import SupersededError
from qos.experiment.agents import build_agents, pod_facts
from qos.experiment.desired import Desired, applied_objects, plan_pods
from qos.experiment.desired import kept as kept_pods_of
from qos.experiment.drive import Driver
from qos.experiment.enforce import Host, this_node
from qos.experiment.launch_pods import Containers
from qos.experiment.status import StatusKeeper
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.kernel import Agent
from qos.model.plan import Plan
from qos.model.workload import Workload

REPAIR_SECONDS: Final = 5.0
SAMPLE_SECONDS: Final = 10.0
RESTART: Final = "restart"


def watch(
    host: Host,
    wanted: Desired,
    agents: Collection[str],
    tell: Callable[[str], None],
    *,
    logs: Path | None = None,
    run: bool = False,
    seconds: float = math.inf,
    repair_seconds: float = REPAIR_SECONDS,
) -> None:
    """Keep what is wanted in force until interrupted; processes go on when the watch ends.

    Args:
        host: the machine.
        wanted: what was applied.
        agents: names, as in a scenario's ``agents:``; ``restart`` starts containers again that end.
        tell: told one line an event.
        logs: where the output of containers goes; None: nothing is started or started again.
        run: start the containers that have a command, and start them again as their restartPolicy says.
        seconds: stop after so long, from the start of the containers on.
        repair_seconds: how often drift is looked for.

    Raises:
        InputError: no such agent, or a securityContext or bandwidth that cannot be obeyed.
        HostError: the host refused.
    """
    starts = logs if run or RESTART in agents else None
    carried: Mapping[CgroupName, Work] = {}
    kept: Mapping[str, Any] = wanted.objects()
    while True:
        turn = _Turn(host, wanted, kept, agents, starts, run=run, repair_seconds=repair_seconds)
        carried = turn.run(seconds, carried, _to(tell))
        if not turn.is_superseded:
            return
        seconds -= turn.lasted_seconds
        kept = host.objects()
        before, wanted = wanted, kept_pods_of(kept, this_node())
        if not wanted.pods:
            tell("another run deleted all pods: nothing is left to keep in force, the watch ends")
            return
        tell(f"another run applied something newer: {_difference(before, wanted)}; the watch keeps that now")


class _Turn:
    """The watch of one desired state, until the time is up or another run applied a newer one."""

    def __init__(
        self,
        host: Host,
        wanted: Desired,
        kept: Mapping[str, Any],
        agents: Collection[str],
        logs: Path | None,
        *,
        run: bool,
        repair_seconds: float,
    ) -> None:
        self._host = host
        self._wanted = wanted
        self._objects = applied_objects(kept)
        self._agents = agents
        self._logs = logs
        self._run = run
        self._repair_seconds = repair_seconds
        self.is_superseded = False
        self.lasted_seconds = 0.0

    def run(
        self, seconds: float, carried: Mapping[CgroupName, Work], tell: Callable[[Event], None]
    ) -> Mapping[CgroupName, Work]:
        """Watch; what an earlier turn started is ``carried`` in, and out for the next."""
        logs = self._logs
        with Containers(self._host, self._wanted, logs) if logs else nullcontext() as containers:
            acting = _agents(self._wanted, self._agents, containers)
            workloads = dict.fromkeys(containers or (), Workload())
            try:
                with self._kernel(containers) as kernel:
                    kernel.take_over(carried)
                    due = containers.due() if containers is not None and self._run else []
                    others = workloads.keys() - set(due)
                    driver = Driver(
                        kernel, kernel.plan, workloads, acting, running=others, keep=False, tell=tell
                    )
                    try:
                        driver.run(seconds)
                    finally:
                        carried = kernel.hand_over() if self.is_stale() else {}
                        self.lasted_seconds = kernel.now_seconds
            except SupersededError:
                self.is_superseded = True
        return carried

    def is_stale(self) -> bool:
        """Whether another run applied something else meanwhile."""
        return not self._is_wanted(self._host.objects())

    def _is_wanted(self, objects: Mapping[str, Any]) -> bool:
        return applied_objects(objects) == self._objects

    def _kernel(self, containers: Containers | None) -> HostKernel:
        return HostKernel(
            self._host.fs,
            self._host.enforcer,
            self._wanted.details.plan,
            starter=None if containers is None else containers.work,
            spell=self._host.path,
            sample_interval_seconds=SAMPLE_SECONDS,
            repair_interval_seconds=self._repair_seconds,
            leave_running=True,
            only_if=self._is_wanted,
            node=ProcFS().node_columns,
        )


def _difference(before: Desired, after: Desired) -> str:
    new, gone = after.pods.keys() - before.pods.keys(), before.pods.keys() - after.pods.keys()
    changed = [key for key in after.pods.keys() & before.pods.keys() if after.pods[key] != before.pods[key]]
    parts = [
        f"{word} pod/{', pod/'.join(sorted(keys))}"
        for word, keys in (("new", new), ("changed", changed), ("gone", gone))
        if keys
    ]
    return "; ".join(parts) or "the policy, profile or node"


def _to(tell: Callable[[str], None]) -> Callable[[Event], None]:
    return lambda event: tell(f"{event.time:.1f}s {event.kind} {event.cgroup}: {event.reason}")


def _agents(wanted: Desired, names: Collection[str], containers: Containers | None) -> list[Agent]:
    def plan_of(alive: Collection[CgroupName]) -> Plan:
        """The plan for the pods that are still there."""
        left = {key: pod for key, pod in wanted.pods.items() if _cgroups(wanted)[key] in alive}
        return plan_pods(left, wanted.settings).details.plan

    others = tuple(name for name in names if name != RESTART)
    acting = build_agents(others, wanted.details, wanted.settings.node, plan_of)
    if containers is None:
        return acting
    # The keeper first: what it writes down of an end comes before the restart that follows.
    return [StatusKeeper(containers), *acting, _restart_agent(wanted, containers)]


def _restart_agent(wanted: Desired, containers: Containers) -> RestartAgent:
    """For containers with a command only: qos has no image to start others from."""
    pods = []
    for pod in map(pod_facts, wanted.details.pods):
        own = tuple(
            replace(one, dies_of_oom_kill=containers.dies_of_oom_kill(one.cgroup))
            for one in pod.containers
            if one.cgroup in containers
        )
        pods.append(replace(pod, containers=own))
    return RestartAgent(pods)


def _cgroups(wanted: Desired) -> dict[str, CgroupName]:
    return {f"{each.pod.namespace}/{each.pod.name}": each.cgroup for each in wanted.details.pods}

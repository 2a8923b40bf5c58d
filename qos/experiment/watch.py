"""`qos apply --watch`: the desired state is kept; drift is repaired and the agents act on the real kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Final

from enforcer.kernel import HostKernel
from qos.agent.restart import RestartAgent
from qos.experiment.agents import build_agents, pod_facts
from qos.experiment.desired import Desired, plan_pods
from qos.experiment.drive import Driver
from qos.experiment.enforce import Host
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
    starts = logs is not None and (run or RESTART in agents)
    with Containers(host, wanted, logs) if starts and logs else nullcontext() as containers:
        acting = _agents(wanted, agents, containers)
        workloads = dict.fromkeys(containers or (), Workload())
        due = containers.due() if containers is not None and run else []
        with HostKernel(
            host.fs,
            host.enforcer,
            wanted.details.plan,
            starter=None if containers is None else containers.work,
            spell=host.path,
            sample_interval_seconds=SAMPLE_SECONDS,
            repair_interval_seconds=repair_seconds,
            leave_running=True,
        ) as kernel:
            others = workloads.keys() - set(due)
            driver = Driver(
                kernel, kernel.plan, workloads, acting, running=others, keep=False, tell=_to(tell)
            )
            driver.run(seconds)


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

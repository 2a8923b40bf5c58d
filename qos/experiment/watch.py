"""`qos apply --watch`: the desired state is kept; drift is repaired and the agents act on the real kernel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from enforcer.kernel import HostKernel
from qos.experiment.agents import build_agents
from qos.experiment.desired import Desired, plan_pods
from qos.experiment.drive import Driver
from qos.experiment.enforce import Host
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Plan

REPAIR_SECONDS: Final = 5.0
SAMPLE_SECONDS: Final = 10.0
STRETCH_SECONDS: Final = 120.0
"""Readings are dropped after so long; a multiple of every agent's period, so that none is missed."""


class _TellingKernel(HostKernel):
    """Tells every event as it happens, not at the end of the run."""

    tell: Callable[[str], None] = print

    def events(self) -> Sequence[Event]:
        """As of any kernel, and told."""
        events = super().events()
        for event in events:
            self.tell(f"{event.time:.1f}s {event.kind} {event.cgroup}: {event.reason}")
        return events


def watch(
    host: Host,
    wanted: Desired,
    agents: Collection[str],
    tell: Callable[[str], None],
    *,
    seconds: float | None = None,
    repair_seconds: float = REPAIR_SECONDS,
) -> None:
    """Keep what is wanted in force until interrupted.

    Args:
        host: the machine.
        wanted: what was applied.
        agents: names, as in a scenario's ``agents:``.
        tell: told one line an event.
        seconds: stop after so long; None: never.
        repair_seconds: how often drift is looked for.

    Raises:
        InputError: no such agent.
        HostError: the host refused.
    """
    details = wanted.details

    def plan_of(alive: Collection[CgroupName]) -> Plan:
        """The plan for the pods that are still there."""
        left = {key: pod for key, pod in wanted.pods.items() if _cgroups(wanted)[key] in alive}
        return plan_pods(left, wanted.settings).details.plan

    built = build_agents(tuple(agents), details, wanted.settings.node, plan_of)
    with _TellingKernel(
        host.fs,
        host.enforcer,
        details.plan,
        spell=host.path,
        sample_interval_seconds=SAMPLE_SECONDS,
        repair_interval_seconds=repair_seconds,
    ) as kernel:
        kernel.tell = tell
        left = seconds
        while left is None or left > 0:
            stretch = STRETCH_SECONDS if left is None else min(STRETCH_SECONDS, left)
            Driver(kernel, kernel.plan, {}, built).run(stretch)
            left = None if left is None else left - stretch


def _cgroups(wanted: Desired) -> dict[str, CgroupName]:
    return {f"{each.pod.namespace}/{each.pod.name}": each.cgroup for each in wanted.details.pods}

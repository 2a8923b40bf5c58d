"""What became of containers qos started: how often again, and how they ended; kept with the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from qos.errors import HostError

if TYPE_CHECKING:
    from qos.experiment.enforce import Host
    from qos.experiment.launch_pods import Containers
    from qos.model.action import Action
    from qos.model.event import Event
    from qos.model.plan import Plan
    from qos.model.sample import Samples

PREFIX: Final = "status/"
ADOPTED: Final = "adopted/"
"""Processes that were moved into a container, and where they were; see :mod:`qos.experiment.adopt`."""
State = Literal["Running", "CrashLoopBackOff", "Completed", "Error", "OOMKilled", "Evicted"]
_OOM_KILLED: Final = 137


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """One container.

    Attributes:
        state: Running; CrashLoopBackOff while it waits to be started again; else how it ended.
            Evicted is for good.
        restarts: how often it was started again.
        exit_code: of its last end; None: it never ended.
        reason: of its last end, or of its waiting, in words.
    """

    state: State = "Running"
    restarts: int = 0
    exit_code: int | None = None
    reason: str = ""


def ended(exit_code: int) -> State:
    """The state of a container that ended so and is not started again.

    >>> ended(0), ended(1), ended(137)
    ('Completed', 'Error', 'OOMKilled')
    """
    if exit_code == 0:
        return "Completed"
    return "OOMKilled" if exit_code == _OOM_KILLED else "Error"


def statuses(objects: Mapping[str, Any]) -> dict[str, ContainerStatus]:
    """What is known of containers, by ``namespace/pod:container``.

    Raises:
        HostError: the record is damaged.
    """
    try:
        return {
            key.removeprefix(PREFIX): ContainerStatus(**data)
            for key, data in objects.items()
            if key.startswith(PREFIX)
        }
    except TypeError as error:
        raise HostError(f"the containers kept with the record cannot be read: {error}") from error


def of_pod(known: Mapping[str, ContainerStatus], pod: str) -> dict[str, ContainerStatus]:
    """What is known of one pod's containers, by their names.

    >>> list(of_pod({"default/web:app": ContainerStatus()}, "default/web"))
    ['app']
    """
    return {key.rpartition(":")[2]: one for key, one in known.items() if key.rpartition(":")[0] == pod}


def objects_of(before: Mapping[str, Any], pods: Collection[str]) -> dict[str, Any]:
    """What is kept of the containers of these pods (``namespace/name``) when the record is written anew."""
    return {
        key: data
        for key, data in before.items()
        if key.startswith((PREFIX, ADOPTED)) and key.partition("/")[2].rpartition(":")[0] in pods
    }


def keep(host: Host, found: Mapping[str, ContainerStatus]) -> None:
    """Keep the status of containers (``namespace/pod:container``) whose pods are still in force.

    Raises:
        HostError: another run holds the lock all the time, or the record cannot be written.
    """
    pods = host.objects()
    host.enforcer.keep_objects(
        {
            PREFIX + container: asdict(status)
            for container, status in found.items()
            if f"pod/{container.rpartition(':')[0]}" in pods
        }
    )


class StatusKeeper:
    """An agent that does nothing but write down what becomes of containers, once a second.

    Args:
        containers: what it writes down.
    """

    name = "status"
    period_seconds = 1.0

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """No action."""
        del now_seconds, samples, plan
        for event in events:
            self._containers.saw(event)
        self._containers.flush()
        return ()

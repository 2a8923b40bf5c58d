"""The kubelet's restarts: at once after the first death, then after 10 s doubling to 5 minutes.

Source: pkg/kubelet/kuberuntime/kuberuntime_manager.go (doBackOff) and client-go's flowcontrol.Backoff,
Kubernetes 1.36. Since 1.32 a node may set the cap lower (``crashLoopBackOff.maxContainerRestartPeriod``),
and the gate ReduceDefaultCrashLoopBackOffDecay starts at 1 s and caps at 60 s (KEP-4603).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qos.agent.facts import ContainerFacts, PodFacts
from qos.model.action import Action, Restart
from qos.model.cgroup import CgroupName
from qos.model.event import Event
from qos.model.plan import Plan

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

BACKOFF_INITIAL_SECONDS: Final = 10.0
BACKOFF_MAX_SECONDS: Final = 300.0
BACKOFF_RESET_SECONDS: Final = 600.0
OOM_EXIT_CODE: Final = 137  # 128 + SIGKILL
_DEATHS: Final = frozenset({"oom_kill", "global_oom_kill", "exit"})


@dataclass(slots=True)
class Backoff:
    """How long a container's next restart waits.

    Attributes:
        initial_seconds: the first wait.
        max_seconds: the longest.
        reset_seconds: one that lived this long after its last restart starts over.
        delay_seconds: the present wait, 0 before the first death.
        restarted_at_seconds: when it was last started again.
    """

    initial_seconds: float = BACKOFF_INITIAL_SECONDS
    max_seconds: float = BACKOFF_MAX_SECONDS
    reset_seconds: float = BACKOFF_RESET_SECONDS
    delay_seconds: float = 0.0
    restarted_at_seconds: float = 0.0

    def restart_at(self, died_at_seconds: float) -> float:
        """When a container that died then starts again; deaths must come in order of time.

        Deaths at 5 s, then each 1 s after its restart: restarts at 5, 16, 37, 78 …

        >>> backoff = Backoff()
        >>> [backoff.restart_at(5.0), backoff.restart_at(6.0), backoff.restart_at(17.0)]
        [5.0, 16.0, 37.0]
        """
        fresh = self.delay_seconds == 0.0
        lived_long = died_at_seconds - self.restarted_at_seconds > self.reset_seconds
        if fresh or lived_long:
            self.restarted_at_seconds = died_at_seconds
            self.delay_seconds = self.initial_seconds
        else:
            self.restarted_at_seconds = died_at_seconds + self.delay_seconds
            self.delay_seconds = min(2 * self.delay_seconds, self.max_seconds)
        return self.restarted_at_seconds


def restarts(restart_policy: str, exit_code: int) -> bool:
    """Whether a container that ended with this code is started again.

    >>> restarts("OnFailure", 0), restarts("OnFailure", 137), restarts("Always", 0), restarts("Never", 1)
    (False, True, True, False)
    """
    return restart_policy == "Always" or (restart_policy == "OnFailure" and exit_code != 0)


class RestartAgent:
    """Starts dead containers again as their restartPolicy says, with the kubelet's back-off.

    A death is an event ``oom_kill``, ``global_oom_kill`` (exit code 137) or ``exit`` (its own code) of the
    container's cgroup; further deaths while it waits are the same one. A pod that was evicted stays dead.
    """

    name = "restart"
    period_seconds = 1.0

    def __init__(
        self,
        pods: Sequence[PodFacts],
        *,
        backoff_initial_seconds: float = BACKOFF_INITIAL_SECONDS,
        backoff_max_seconds: float = BACKOFF_MAX_SECONDS,
        backoff_reset_seconds: float = BACKOFF_RESET_SECONDS,
    ) -> None:
        self._containers = {one.cgroup: (pod, one) for pod in pods for one in pod.containers}
        self._settings = (backoff_initial_seconds, backoff_max_seconds, backoff_reset_seconds)
        self._backoffs: dict[CgroupName, Backoff] = {}
        self._restarts: dict[CgroupName, int] = {}
        self._gone: set[CgroupName] = set()

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """A Restart for each container that died since the last step and is to run again."""
        del samples, plan  # a death is an event
        return tuple(self._deaths(now_seconds, events))

    def _deaths(self, now_seconds: float, events: Sequence[Event]) -> Iterator[Restart]:
        for event in events:
            if event.kind == "evict":
                self._gone.add(event.cgroup)
                continue
            known = self._containers.get(event.cgroup)
            if event.kind not in _DEATHS or known is None or known[0].cgroup in self._gone:
                continue
            if event.kind != "exit" and not known[1].dies_of_oom_kill:
                continue
            backoff = self._backoffs.get(event.cgroup)
            if backoff is not None and event.time < backoff.restarted_at_seconds:
                continue  # it still waits; this is the same death told twice
            exit_code = (event.exit_code or 0) if event.kind == "exit" else OOM_EXIT_CODE
            if restarts(known[1].restart_policy, exit_code):
                yield self._restart(now_seconds, event, known[1], exit_code)

    def _restart(
        self, now_seconds: float, event: Event, container: ContainerFacts, exit_code: int
    ) -> Restart:
        backoff = self._backoffs.setdefault(event.cgroup, Backoff(*self._settings))
        after = max(0.0, backoff.restart_at(event.time) - now_seconds)
        backoff.restarted_at_seconds = max(backoff.restarted_at_seconds, now_seconds)
        count = self._restarts[event.cgroup] = self._restarts.get(event.cgroup, 0) + 1
        why = "OOMKilled" if exit_code == OOM_EXIT_CODE else f"exit code {exit_code}"
        waits = f"back-off {after:.0f}s" if after else "at once"
        return Restart(event.cgroup, after, f"{why}: restart {count} of container {container.name}, {waits}")

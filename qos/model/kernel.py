"""The one interface of both kernels, and of the agents that act on them.

``simulate.SimKernel`` and ``enforcer.HostKernel`` implement :class:`Kernel`; nothing above can tell
which of the two ran. What the kubelet does over time is an :class:`Agent`: a step from what was seen
to actions, the same on either kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from qos.model.action import Action, Evict, Note, Restart, Write
from qos.model.cgroup import CgroupName
from qos.model.plan import Change, Plan
from qos.model.workload import Workload

if TYPE_CHECKING:  # arrays are not needed to write an agent, and numpy costs 90 ms of start-up
    from qos.model.event import Event
    from qos.model.sample import Completions, Samples, Source

__all__ = ["Action", "Agent", "Evict", "Kernel", "Note", "Restart", "Write"]


class Kernel(Protocol):
    """A machine with a cgroup v2 tree and time that passes."""

    source: Source

    @property
    def now_seconds(self) -> float:
        """Seconds since this kernel was made."""

    @property
    def plan(self) -> Plan:
        """The cgroups and values in force."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Create, set and remove as told, all or nothing.

        Raises:
            qos.errors.PlanError: the changes do not fit the tree.
            qos.errors.HostError: the host refused; what was written is undone.
        """

    def start(self, cgroup: CgroupName, workload: Workload, oom_score_adj: int = 0) -> None:
        """Start (again) a workload's processes in a leaf cgroup, from its beginning."""

    def advance(self, seconds: float) -> None:
        """Let time pass: computed, or waited for. A reading is taken at every sampling interval."""

    def read(self) -> Samples:
        """The readings taken since the last call; at least one row, of now."""

    def events(self) -> Sequence[Event]:
        """What happened since the last call, in order of time."""

    def completions(self) -> Completions:
        """The requests and jobs completed since the last call."""

    def freeze(self, cgroup: CgroupName) -> None:
        """Stop every task below ``cgroup`` from running until thawed (cgroup.freeze)."""

    def thaw(self, cgroup: CgroupName) -> None:
        """Undo :meth:`freeze`."""

    def terminate(self, cgroup: CgroupName) -> None:
        """Ask every task below ``cgroup`` to end (SIGTERM); it may take its time, or not listen."""

    def kill(self, cgroup: CgroupName) -> None:
        """Kill every task below ``cgroup`` (cgroup.kill)."""


class Agent(Protocol):
    """A behaviour over time: what the kubelet, or a house rule, does after looking."""

    name: str
    period_seconds: float

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """Actions to take now.

        Args:
            now_seconds: time of the kernel.
            samples: readings since this agent's last step, the last row is now.
            events: events since this agent's last step.
            plan: the values in force.
        """

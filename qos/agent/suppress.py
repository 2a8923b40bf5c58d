"""BestEffort suppression: what BestEffort pods may use shrinks as the others' use grows.

A house rule, not the kubelet's: Koordinator's koordlet does it (CPUSuppress, cfsQuota policy). Formula:
``suppress(BE) = node · threshold% − used by the others``, where the others are all the rest of the node.

Source: koordinator.sh/docs/user-manuals/cpu-suppress and pkg/koordlet/qosmanager/plugins/cpusuppress.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from qos.agent.facts import NodeFacts
from qos.agent.reading import CPU_USAGE_USEC, Reading
from qos.model.action import Action, Write
from qos.model.cgroup import CPU_PERIOD_USEC, CgroupName, CpuMax
from qos.model.event import Event
from qos.model.plan import Change, Plan

if TYPE_CHECKING:  # numpy stays out of the start-up of commands that run no kernel
    from qos.model.sample import Samples

BEST_EFFORT: Final = CgroupName("kubepods/besteffort")
LEAST_QUOTA_USEC: Final = 2000
LARGEST_RISE: Final = 0.1  # of the node's CPUs in one step
SMALLEST_CHANGE: Final = 0.01  # of the node's CPUs; less is not worth a write
_USEC: Final = 1_000_000


class SuppressAgent:
    """Writes ``cpu.max`` of the BestEffort cgroup every second.

    Args:
        node: what the machine has.
        threshold_percent: how much of the node's CPU all pods together may use.
        cgroup: the cgroup to hold back.
        period_seconds: how often to look.
    """

    name = "suppress"

    def __init__(
        self,
        node: NodeFacts,
        threshold_percent: float = 65.0,
        cgroup: CgroupName = BEST_EFFORT,
        period_seconds: float = 1.0,
    ) -> None:
        self._cpus = node.cpu_capacity_milli / 1000
        self._threshold = threshold_percent / 100
        self._cgroup = cgroup
        self.period_seconds = period_seconds
        self._last: tuple[float, float, float] | None = None

    def step(
        self, now_seconds: float, samples: Samples, events: Sequence[Event], plan: Plan
    ) -> Sequence[Action]:
        """One Write where the quota moves by more than a hundredth of the node."""
        del now_seconds, events
        spec = plan.cgroups.get(self._cgroup)
        others_cpus = self._others_cpus(Reading(samples))
        if spec is None or others_cpus is None:
            return ()
        wanted = suppressed_quota_usec(self._cpus, self._threshold, others_cpus)
        old = spec.cpu_max
        if old is not None and isinstance(old.quota_usec, int):
            rise = int(LARGEST_RISE * self._cpus * CPU_PERIOD_USEC)
            wanted = min(wanted, old.quota_usec + rise)
            if abs(wanted - old.quota_usec) < SMALLEST_CHANGE * self._cpus * CPU_PERIOD_USEC:
                return ()
        new = CpuMax(quota_usec=wanted, period_usec=CPU_PERIOD_USEC)
        reason = f"the rest of the node uses {others_cpus:.2f} CPUs: BestEffort may use {new.cpus:.2f}"
        return (Write((Change("set", self._cgroup, "cpu_max", old, new),), reason, "suppress"),)

    def _others_cpus(self, reading: Reading) -> float | None:
        node_usec = reading.node_value(CPU_USAGE_USEC)
        best_effort_usec = reading.value(CPU_USAGE_USEC, self._cgroup) or 0.0
        time = reading.time_seconds
        if node_usec is None or time is None:
            return None
        last, self._last = self._last, (time, node_usec, best_effort_usec)
        if last is None or time <= last[0]:
            return None
        used = (node_usec - last[1]) - (best_effort_usec - last[2])
        return max(0.0, used / _USEC / (time - last[0]))


def suppressed_quota_usec(cpus: float, threshold: float, others_cpus: float) -> int:
    """BestEffort's quota in a period of 100 ms, at least 2 ms.

    On 8 CPUs with a threshold of 0.65, 3.2 of them used by others: (5.2 − 3.2) CPUs.

    >>> suppressed_quota_usec(8, 0.65, 3.2)
    200000
    """
    return max(LEAST_QUOTA_USEC, round((cpus * threshold - others_cpus) * CPU_PERIOD_USEC))

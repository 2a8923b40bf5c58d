"""FleetRun: what is kept of one run of many machines: sums and counts of groups, never a row a pod and step.

Histograms have 16 bins an octave from 2^-10 to 2^10, so that percentiles of any groups together are those of
their sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.event import Event

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

PER_OCTAVE: Final = 16
LOWEST_OCTAVE: Final = -10
_OCTAVES: Final = 20
BINS: Final = _OCTAVES * PER_OCTAVE + 2
BUSY_BINS: Final = 201
"""Use of a machine in half percents."""
COUNTERS: Final = (
    "usage_seconds", "wait_cpu_seconds", "wait_quota_seconds", "backlog_seconds",
    "nr_periods", "nr_throttled", "throttled_seconds", "throttle_onsets",
)  # fmt: skip
"""What is summed up of the containers of a group; all but ``backlog_seconds`` only grow."""


@dataclass(frozen=True, slots=True)
class FleetGroup:
    """Containers of one workload and class in one pool of nodes."""

    pool: str
    qos_class: str
    workload: str
    containers: int


@dataclass(frozen=True, slots=True)
class FleetRun:
    """One policy and seed on many machines.

    Attributes:
        meta: scenario, seed, versions, command and what else reproduces it.
        groups: (G,).
        pools: (P,) pool → how many machines.
        times: (S,) seconds at which counters were read.
        counters: name of :data:`COUNTERS` → (S, G).
        memory: (S, G) bytes held by the containers of a group.
        memory_peaks: (G,) the greatest of any one container, bytes.
        use: (G, BINS) container-steps by CPUs used.
        delay: (G, BINS) container-steps by seconds that what waits would take at the CPUs it gets.
        busy: (P, BUSY_BINS) machine-steps by the part of the machine in use.
        kills: (G,) OOM kills.
        events: kills; the cgroup is ``node/namespace/pod/container``.
        event_groups: group of each.
        unplaced: reason → pods that found no node.
    """

    policy: str
    seed: int
    meta: Mapping[str, Any]
    groups: tuple[FleetGroup, ...]
    pools: Mapping[str, int]
    times: Floats
    counters: Mapping[str, Floats]
    memory: Floats
    memory_peaks: Floats
    use: Counts
    delay: Counts
    busy: Counts
    kills: Counts
    events: Sequence[Event] = ()
    event_groups: Sequence[int] = ()
    unplaced: Mapping[str, int] = field(default_factory=dict)

    def where(
        self, pool: str | None = None, qos_class: str | None = None, workload: str | None = None
    ) -> Counts:
        """Numbers of the groups of a pool, class and workload; None: any."""
        return np.array(
            [
                index
                for index, group in enumerate(self.groups)
                if pool in {None, group.pool}
                and qos_class in {None, group.qos_class}
                and workload in {None, group.workload}
            ],
            dtype=np.int64,
        )


def bin_edges() -> Floats:
    """(BINS,) lower edge of each bin; 0 for the first.

    >>> [round(float(edge), 6) for edge in bin_edges()[[0, 1, 2, 161, 321]]]
    [0.0, 0.000977, 0.001038, 1.0, 1024.0]
    """
    place = np.arange(BINS - 1)
    edges = 2.0 ** (place // PER_OCTAVE + LOWEST_OCTAVE) * (1.0 + place % PER_OCTAVE / PER_OCTAVE)
    return np.concatenate([[0.0], edges])


def percentile_of(counts: Counts, part: float) -> float:
    """The value under which ``part`` of what was counted lies, the middle of its bin; 3 % off at most.

    NaN where nothing was counted; 0 in the first bin.
    """
    total = int(counts.sum())
    if total == 0:
        return float("nan")
    place = int(np.searchsorted(np.cumsum(counts), part * total))
    edges = bin_edges()
    if place == 0:
        return 0.0
    return float((edges[place] + edges[min(place + 1, BINS - 1)]) / 2.0)

"""What a run of the stepped kernel leaves beside its counters: curves, sums of groups, histograms.

Histograms are filled as steps pass, so that percentiles over any number of pods and steps need no memory:
16 bins an octave from 2^-10 to 2^10, found by the bits of the number itself.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON
from qos.simulate.step_layout import BACKLOG, LEAVES, QUOTAS, RATE, USAGE, WAIT_CPU, WAIT_QUOTA
from qos.simulate.step_quota import NR_PERIODS, NR_THROTTLED, THROTTLED

SUMMED: Final = (USAGE, WAIT_CPU, WAIT_QUOTA, BACKLOG)
SUMMED_QUOTA: Final = (NR_PERIODS, NR_THROTTLED, THROTTLED)
SUMS: Final = len(SUMMED) + len(SUMMED_QUOTA)

_PER_OCTAVE: Final = 16
_OCTAVES: Final = 20
BINS: Final = _OCTAVES * _PER_OCTAVE + 2
_SHIFT: Final = 48
_BELOW: Final = (1023 - 10) * _PER_OCTAVE - 1
BUSY_BINS: Final = 201
"""Use of a machine in half percents."""


class Output(NamedTuple):
    """What is wanted of a run; an array of width 0 where it is not."""

    curves: Any  # (T, K) float32 CPUs used in each step by the leaves kept
    kept: Any  # (K,) those leaves, in order
    kept_first: Any  # (N + 1,) those of machine n are [kept_first[n], kept_first[n + 1])
    every: int  # steps between two readings
    groups: Any  # (L,) group of each leaf
    sums: Any  # (S, SUMS, G) readings of the groups' counters
    use: Any  # (G, BINS) pod-steps by CPUs used
    delay: Any  # (G, BINS) pod-steps by seconds that the backlog takes at the CPUs it gets; none: no backlog
    pools: Any  # (N,) pool of each machine
    busy: Any  # (P, BUSY_BINS) machine-steps by use


def bin_edges() -> NDArray[np.float64]:
    """(BINS,) lower edge of each bin; 0 for the first.

    >>> [round(float(edge), 6) for edge in bin_edges()[[0, 1, 2, 161, 321]]]
    [0.0, 0.000977, 0.001038, 1.0, 1024.0]
    """
    place = np.arange(BINS - 1)
    edges = 2.0 ** (place // _PER_OCTAVE - 10) * (1.0 + place % _PER_OCTAVE / _PER_OCTAVE)
    return np.concatenate([[0.0], edges])


def percentile_of(counts: NDArray[np.int64], part: float) -> float:
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


@inner
def bin_of(bits: int) -> int:
    """The bin of a number that is not negative, by its bits."""
    return min(max((bits >> _SHIFT) - _BELOW, 0), BINS - 1)


@inner
def write_curves(output: Any, machine: int, row: int, span: int, got: Any, first: int) -> None:
    """Rows of the curves of the leaves kept; ``got`` (of the machine's leaves) is CPUs used."""
    begin, end = output.kept_first[machine], output.kept_first[machine + 1]
    for nth in range(row, row + span):
        curve = output.curves[nth]
        if end - begin == len(got):
            for leaf in range(len(got)):
                curve[begin + leaf] = got[leaf]
        else:
            for place in range(begin, end):
                curve[place] = got[output.kept[place] - first]


@inner
def count(fields: Any, output: Any, machine: int, span: int, row: int) -> None:
    """Put a step, that stands for ``span``, into the histograms; ``row`` of the leaves is CPUs used."""
    machines, leaves, bits = fields.machines, fields.leaves, fields.bits
    total = 0.0
    for leaf in range(machines[LEAVES, machine], machines[LEAVES + 1, machine]):
        group = output.groups[leaf]
        total += leaves[row, leaf]
        output.use[group, bin_of(bits[row, leaf])] += span
        if leaves[BACKLOG, leaf] > EPSILON:
            leaves[RATE, leaf] = leaves[BACKLOG, leaf] / max(leaves[row, leaf], EPSILON)
            output.delay[group, bin_of(bits[RATE, leaf])] += span
    part = int(total / fields.supply[machine] * (BUSY_BINS - 1) + 0.5)
    output.busy[output.pools[machine], min(part, BUSY_BINS - 1)] += span


@inner
def read(fields: Any, output: Any, machine: int, reading: int) -> None:
    """Add a machine's counters to those of its groups."""
    machines, sums = fields.machines, output.sums[reading]
    for place in range(len(SUMMED)):
        counter = SUMMED[place]
        for leaf in range(machines[LEAVES, machine], machines[LEAVES + 1, machine]):
            sums[place, output.groups[leaf]] += fields.leaves[counter, leaf]
    for quota in range(machines[QUOTAS, machine], machines[QUOTAS + 1, machine]):
        group = output.groups[fields.quota_leaves[quota]]
        for place in range(len(SUMMED_QUOTA)):
            sums[len(SUMMED) + place, group] += fields.quotas[SUMMED_QUOTA[place], quota]

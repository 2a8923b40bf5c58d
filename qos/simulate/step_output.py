"""What a run of the stepped kernel leaves beside its counters: curves, sums of groups, histograms.

Histograms are filled as steps pass, so that percentiles over any number of pods and steps need no memory:
16 bins an octave from 2^-10 to 2^10, found by the bits of the number itself.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from qos.model.fleet_run import BINS, BUSY_BINS, LOWEST_OCTAVE, PER_OCTAVE
from qos.simulate.jit import inner
from qos.simulate.layout import EPSILON
from qos.simulate.step_layout import BACKLOG, LEAVES, QUOTAS, RATE, USAGE, WAIT_CPU, WAIT_QUOTA
from qos.simulate.step_resolve import NR_PERIODS, NR_THROTTLED, ONSETS, THROTTLED

SUMMED: Final = (USAGE, WAIT_CPU, WAIT_QUOTA, BACKLOG)
SUMMED_QUOTA: Final = (NR_PERIODS, NR_THROTTLED, THROTTLED, ONSETS)
SUMS: Final = len(SUMMED) + len(SUMMED_QUOTA)

_SHIFT: Final = 48  # 16 bins an octave: the exponent and 4 bits behind it
_BELOW: Final = (1023 + LOWEST_OCTAVE) * PER_OCTAVE - 1


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

"""Sharing where cpusets differ: CPUs that the same cgroups may use are a pool, shared as one machine each.

A leaf whose cpuset spans several pools spreads its threads so that they fare equally well everywhere, which
is what the load balancer strives for; found by a few rounds of moving threads towards the pools where one
thread gets more. In each pool a group weighs the part of its weight that the part of its threads there is
(calc_group_shares). Disjoint cpusets, as the static CPU manager makes them, need no rounds and are exact.

Source: kernel/sched/fair.c of Linux 6.12, calc_group_shares; kernel/cgroup/cpuset.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.simulate.jit import inner
from qos.simulate.layout import FREE
from qos.simulate.share import fill_children, hold

_ROUNDS: Final = 48
_WEIGHT: Final = 0  # columns of `kept`, what a node had before and what is summed up over pools
_CAP: Final = 1
_RATE: Final = 2
_THREADS: Final = 3
KEPT_FIELDS: Final = 4


def pools_of(
    names: Sequence[CgroupName], effective: Mapping[CgroupName, frozenset[int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CPUs of each pool (P,), and which pools each cgroup may use, 1.0 or 0.0 (C, P).

    Cpusets {0,1} and {1,2} of three CPUs make the pools {0}, {1} and {2}.
    """
    cpus = sorted(effective[CgroupName("")])
    distinct = sorted({tuple(sorted(cpuset)) for cpuset in effective.values()})
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for cpu in cpus:
        kinds.setdefault(tuple(cpu in cpuset for cpuset in distinct), []).append(cpu)
    pools = list(kinds.values())
    may = [[float(pool[0] in effective[name]) for pool in pools] for name in names]
    return np.array([float(len(pool)) for pool in pools]), np.array(may)


@inner
def share_pools(nodes: Any, sizes: Any, may: Any, split: Any, rates: Any, kept: Any) -> None:
    """As ``share.share``, pool by pool; ``split``, ``rates`` (C, P) and ``kept`` are scratch."""
    pools = len(sizes)
    spanning = False
    for index in range(len(nodes)):
        node = nodes[index]
        hold(nodes, index)
        kept[index, _WEIGHT] = node.weight
        kept[index, _CAP] = node.cap
        kept[index, _THREADS] = 0.0
        if node.last > node.first:
            continue
        threads = node.cap if node.held == FREE else 0.0
        kept[index, _THREADS] = threads
        allowed = 0.0
        count = 0
        for pool in range(pools):
            allowed += sizes[pool] * may[index, pool]
            count += may[index, pool] > 0.0
        for pool in range(pools):
            split[index, pool] = threads * sizes[pool] * may[index, pool] / allowed
        spanning = spanning or (count > 1 and threads > 0.0)
    for index in range(len(nodes) - 1, 0, -1):
        kept[nodes[index].parent, _THREADS] += kept[index, _THREADS]
    for nth in range(_ROUNDS if spanning else 1):
        if nth > 0:
            _spread(nodes, split, rates, kept, pools)
        _share_each(nodes, sizes, split, rates, kept)
    for index in range(len(nodes)):
        node = nodes[index]
        node.weight, node.cap, node.rate = kept[index, _WEIGHT], kept[index, _CAP], kept[index, _RATE]


@inner
def _share_each(nodes: Any, sizes: Any, split: Any, rates: Any, kept: Any) -> None:
    """Share every pool by itself, given how threads are split."""
    for index in range(len(nodes)):
        kept[index, _RATE] = 0.0
    for pool in range(len(sizes)):
        for index in range(len(nodes) - 1, -1, -1):
            node = nodes[index]
            if node.last > node.first:
                split[index, pool] = 0.0
                for child in range(node.first, node.last):
                    split[index, pool] += split[child, pool]
            node.cap = min(split[index, pool], sizes[pool])
            part = split[index, pool] / kept[index, _THREADS] if kept[index, _THREADS] > 0.0 else 0.0
            node.weight = kept[index, _WEIGHT] * part
        nodes[0].rate = nodes[0].cap
        for index in range(len(nodes)):
            node = nodes[index]
            if node.last > node.first:
                fill_children(nodes, node.first, node.last, node.rate)
            rates[index, pool] = node.rate
            kept[index, _RATE] += node.rate


@inner
def _spread(nodes: Any, split: Any, rates: Any, kept: Any, pools: int) -> None:
    """Move threads of each leaf towards the pools where one thread got more."""
    for index in range(len(nodes)):
        if nodes[index].last > nodes[index].first or kept[index, _THREADS] <= 0.0:
            continue
        total = 0.0
        for pool in range(pools):
            if split[index, pool] > 0.0:
                luck = rates[index, pool] / split[index, pool]
                split[index, pool] *= 0.5 + 0.5 * luck * luck * luck * luck  # half of the way: no swinging
                total += split[index, pool]
        if total > 0.0:
            for pool in range(pools):
                split[index, pool] *= kept[index, _THREADS] / total

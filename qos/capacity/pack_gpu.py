"""Packing by the published scorers for shared GPUs, compiled.

Source of the rules: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
Fragmentation Gradient Descent", USENIX ATC 2023, and the scorers of its simulator
(hkust-adsl/kubernetes-scheduler-simulator, pkg/simulator/plugin and pkg/utils/frag.go). Scores are whole
numbers from 0 to 100, so that many nodes are equal: the first is taken. A pod that shares a GPU takes the
fullest one that has room, but under ``fgd`` the one that leaves the fewest fragments; whole GPUs are taken in
order.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qos.capacity.fleet import Demand, Fleet, Integers
from qos.capacity.pack import Placement, fits, states

GpuScoring = Literal["dot-product", "gpu-clustering", "gpu-packing", "gpu-best-fit", "fgd"]
GPU_SCORINGS: Final[tuple[GpuScoring, ...]] = (
    "dot-product", "gpu-clustering", "gpu-packing", "gpu-best-fit", "fgd",
)  # fmt: skip
_DOT, _CLUSTERING, _PACKING, _BEST_FIT, _FGD = range(5)
_MOST_CPU: Final = 128_000.0
_MOST_GPU: Final = 8_000
_DEVICE: Final = 1000
_POPULAR: Final = 0.95
"""Typical pods are the most frequent kinds that make up so much of all."""


class _Kinds(NamedTuple):
    """(K,) kinds of pods, the most frequent first, and (P,) the kind of each pod."""

    cpu: Integers
    wanted: Integers
    milli: Integers
    allowed_class: Integers
    frequency: NDArray[np.float64]
    of_pod: Integers


def pack_gpu(fleet: Fleet, demand: Demand, scoring: GpuScoring) -> Placement:
    """Place pods one after another in the order given, all nodes scored.

    Args:
        fleet: nodes with shareable devices.
        demand: pods.
        scoring: which node is preferred among those that fit.
    """
    pods, state = states(fleet, demand)
    kinds = _kinds_of(demand, fleet.resources.index("cpu"))
    typical = int(np.searchsorted(np.cumsum(kinds.frequency), _POPULAR * (1 - 1e-12))) + 1
    frequency = kinds.frequency[:typical] / kinds.frequency[:typical].sum()
    nodes = len(fleet.names)
    _pack(
        pods, state, kinds, frequency, GPU_SCORINGS.index(scoring), fleet.resources.index("cpu"),
        np.full((nodes, len(kinds.cpu)), -1, dtype=np.int16), np.zeros((nodes, 17), dtype=np.int64),
        (fleet.device_milli >= 0).sum(axis=1),
    )  # fmt: skip
    return Placement(state.node, state.used, state.used_scored, state.device_used, state.lacking)


def _kinds_of(demand: Demand, cpu: int) -> _Kinds:
    table = np.column_stack(
        [demand.requests[:, cpu], demand.device_count, demand.device_milli, demand.allowed_class]
    )
    rows, index, counts = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sorted_rows = rows[order].astype(np.int64)
    columns = [np.ascontiguousarray(sorted_rows[:, column]) for column in range(4)]
    return _Kinds(
        columns[0], columns[1], columns[2], columns[3],
        counts[order] / max(1, counts.sum()), place[index.reshape(-1)].astype(np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _pack(
    pods: Any, state: Any, kinds: Any, frequency: Any, scoring: Any, cpu: Any,
    known: Any, affinity: Any, devices: Any,
) -> None:  # fmt: skip
    for pod in range(pods.requests.shape[0]):
        best, best_score = -1, -1
        state.misses[:] = 0
        kind = kinds.of_pod[pod]
        for node in range(state.allocatable.shape[0]):
            miss = fits(pods, pod, state, node)
            if miss >= 0:
                state.misses[miss] += 1
                continue
            if scoring == _FGD:
                if known[node, kind] < 0:
                    known[node, kind] = _fgd(pods, state, kinds, frequency, node, kind, cpu)[0]
                score = int(known[node, kind])
            else:
                score = _score(scoring, state, kinds, kind, node, cpu, affinity, devices)
            if score > best_score:
                best, best_score = node, score
        if best < 0:
            state.lacking[pod] = np.argmax(state.misses)
            continue
        state.node[pod] = best
        device = _fgd(pods, state, kinds, frequency, best, kind, cpu)[1] if scoring == _FGD else -1
        state.used[best] += pods.requests[pod]
        _take(state.device_used[best], kinds.wanted[kind], kinds.milli[kind], device)
        if kinds.wanted[kind] > 0:
            affinity[best, 0 if kinds.milli[kind] < _DEVICE else min(16, kinds.wanted[kind])] += 1
        known[best, :] = -1


@njit(cache=True, nogil=True)
def _score(
    scoring: Any, state: Any, kinds: Any, kind: Any, node: Any, cpu: Any, affinity: Any, devices: Any
) -> Any:
    free_cpu = state.allocatable[node, cpu] - state.used[node, cpu]
    left = 0
    for device in range(state.device_used.shape[1]):
        left += _DEVICE - state.device_used[node, device]
    wanted = kinds.wanted[kind] * kinds.milli[kind]
    if scoring == _DOT:
        product = free_cpu / _MOST_CPU * kinds.cpu[kind] / _MOST_CPU + left / _MOST_GPU * wanted / _MOST_GPU
        return int(100.0 * (1.0 - product / 2.0))
    if scoring == _BEST_FIT:
        spare = (free_cpu - kinds.cpu[kind]) / _MOST_CPU * 0.5 + (left - wanted) / _MOST_GPU * 0.5
        return int((1.0 - spare) * 100.0)
    if wanted == 0:
        return 0
    if scoring == _PACKING:
        return _packing(state.device_used[node], kinds.wanted[kind], kinds.milli[kind], devices[node])
    mine = 0 if kinds.milli[kind] < _DEVICE else min(16, kinds.wanted[kind])
    others = 0
    for tag in range(affinity.shape[1]):
        others += affinity[node, tag] > 0
    base = 0
    if affinity[node, mine] > 0:
        base = 75 if others == 1 else 50
    elif others == 0:
        base = 25
    return 25 * (_MOST_GPU - left) // _MOST_GPU + base


@njit(cache=True, nogil=True)
def _packing(device_used: Any, count: Any, milli: Any, devices: Any) -> Any:
    """Shared GPUs before idle ones on a used node, before an idle node; each as little free as may be."""
    idle = 0
    for device in range(device_used.shape[0]):
        idle += device_used[device] == 0
    if idle == devices:
        return max(33 - idle, idle)
    taken = np.zeros(device_used.shape[0], dtype=np.bool_)
    opened, free = 0, 0
    for _ in range(count):
        best = -1
        for device in range(device_used.shape[0]):
            room = not taken[device] and device_used[device] + milli <= _DEVICE
            if room and (best < 0 or device_used[device] > device_used[best]):
                best = device
        taken[best] = True
        opened += device_used[best] == 0
        free += (_DEVICE - device_used[best]) * 100 // _DEVICE
    return max(50 - opened, 33) if opened else max(100 - free // 10, 50)


@njit(cache=True, nogil=True)
def _fragments(pods: Any, kinds: Any, frequency: Any, node: Any, free_cpu: Any, device_used: Any) -> Any:
    """GPU thousandths left on a node that the typical pods cannot use, on average."""
    left = 0
    for device in range(device_used.shape[0]):
        left += _DEVICE - device_used[device]
    if left == 0:
        return 0.0
    total = 0.0
    for kind in range(frequency.shape[0]):
        count, milli = kinds.wanted[kind], kinds.milli[kind]
        unusable = left
        if count > 0 and free_cpu >= kinds.cpu[kind] and pods.allowed[kinds.allowed_class[kind], node]:
            room, small = 0, 0
            for device in range(device_used.shape[0]):
                free = _DEVICE - device_used[device]
                if free >= milli:
                    room += 1
                else:
                    small += free
            if room >= count:
                unusable = small
        total += frequency[kind] * unusable
    return total


@njit(cache=True, nogil=True)
def _fgd(pods: Any, state: Any, kinds: Any, frequency: Any, node: Any, kind: Any, cpu: Any) -> Any:
    """(score, device): how many fragments fewer (or more) there are with the pod."""
    free_cpu = state.allocatable[node, cpu] - state.used[node, cpu]
    device_used = state.device_used[node].copy()
    before = _fragments(pods, kinds, frequency, node, free_cpu, device_used)
    count, milli = kinds.wanted[kind], kinds.milli[kind]
    free_cpu -= kinds.cpu[kind]
    if count == 1 and milli < _DEVICE:
        best, score = -1, 0
        for device in range(device_used.shape[0]):
            if device_used[device] + milli > _DEVICE:
                continue
            device_used[device] += milli
            after = _fragments(pods, kinds, frequency, node, free_cpu, device_used)
            device_used[device] -= milli
            this = int(100.0 / (1.0 + math.exp((after - before) / 1000.0)))
            if best < 0 or this > score:
                best, score = device, this
        return score, best
    _take(device_used, count, milli, -1)
    after = _fragments(pods, kinds, frequency, node, free_cpu, device_used)
    return int(100.0 / (1.0 + math.exp((after - before) / 1000.0))), -1


@njit(cache=True, nogil=True)
def _take(device_used: Any, count: Any, milli: Any, chosen: Any) -> None:
    """The chosen device, else the fullest with room for a share, else idle ones in order."""
    if chosen >= 0:
        device_used[chosen] += milli
        return
    for _ in range(count):
        best = -1
        for device in range(device_used.shape[0]):
            room = device_used[device] + milli <= _DEVICE
            if room and (best < 0 or device_used[device] > device_used[best]):
                best = device
        device_used[best] += milli

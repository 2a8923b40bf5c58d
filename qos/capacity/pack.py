"""Pack pods onto nodes by their requests: the default scheduler's fit and its scores, compiled.

Source: pkg/scheduler/framework/plugins/noderesources/fit.go, least_allocated.go, most_allocated.go and
balanced_allocation.go of Kubernetes 1.36. A pod takes the node of the highest score; of equals the first,
so that a result is reproducible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qos.capacity.fleet import Demand, Fleet, Integers
from qos.capacity.spread import count_in, spread_state, uneven

Scoring = Literal["least-allocated", "most-allocated", "balanced-allocation", "best-fit", "random"]
SCORINGS: Final[tuple[Scoring, ...]] = (
    "least-allocated", "most-allocated", "balanced-allocation", "best-fit", "random",
)  # fmt: skip
NONZERO_SCORINGS: Final = frozenset({"least-allocated", "most-allocated"})
"""Those for which a container that requests nothing counts as if it did (NonZeroRequested in the scheduler's
resource_allocation.go); NodeResourcesBalancedAllocation looks at what is requested."""
UNPLACED: Final = -1
_SCORED: Final = ("cpu", "memory")
_DEVICE: Final = 1000
_EXACT: Final = 2**45
_LEAST, _BALANCED, _RANDOM = (
    SCORINGS.index("least-allocated"),
    SCORINGS.index("balanced-allocation"),
    SCORINGS.index("random"),
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where pods lie.

    Attributes:
        node: (P,) index of the node, UNPLACED where none would take the pod.
        used: (N, R) requests on each node.
        used_scored: (N, R) the same as scores count it.
        device_used: (N, D) thousandths taken of each shareable device.
        lacking: (P,) index of the resource that most nodes lacked for an unplaced pod, -1 for a placed one;
            R stands for a shareable device, R + 1 for selectors and taints, R + 2 for spread constraints.
    """

    node: NDArray[np.int32]
    used: Integers
    used_scored: Integers
    device_used: Integers
    lacking: NDArray[np.int32]

    @property
    def placed(self) -> int:
        """How many pods found a node."""
        return int((self.node >= 0).sum())


def nodes_to_find(nodes: int, percentage: int = 0) -> int:
    """How many fitting nodes the scheduler scores before it decides (numFeasibleNodesToFind).

    Under 100 nodes all; else ``percentage`` of them, 0 meaning 50 - nodes/125 but at
    least 5, and never under 100 nodes.

    >>> nodes_to_find(50), nodes_to_find(1523), nodes_to_find(10_000), nodes_to_find(10_000, 100)
    (50, 578, 500, 10000)
    """
    if nodes < 100 or percentage >= 100:
        return nodes
    share = percentage or max(5, 50 - nodes // 125)
    return max(100, nodes * share // 100)


def pack(
    fleet: Fleet,
    demand: Demand,
    scoring: Scoring = "least-allocated",
    *,
    seed: int = 0,
    percentage_of_nodes_to_score: int = 0,
    used: Integers | None = None,
    used_scored: Integers | None = None,
    until_full: bool = False,
) -> Placement:
    """Place pods one after another in the order given.

    Args:
        fleet: nodes.
        demand: pods; resources in the fleet's order.
        scoring: which node is preferred among those that fit.
        seed: of ``random``.
        percentage_of_nodes_to_score: as in KubeSchedulerConfiguration; 0: by size, 100: all.
        used: (N, R) what lies on the nodes already.
        used_scored: (N, R) the same as scores count it, where that differs; see :data:`NONZERO_SCORINGS`.
        until_full: stop at the first pod that finds no node; the rest is left unplaced.

    Two pods of 1 CPU on two nodes of 2 CPUs spread under least-allocated and share under most-allocated.
    """
    if scoring not in NONZERO_SCORINGS:
        demand, used_scored = replace(demand, scored=None), None
    pods, state = states(fleet, demand, used, used_scored)
    draws = np.random.default_rng(np.random.SeedSequence(seed)).random(len(demand.requests))
    found = [fleet.resources.index(name) for name in _SCORED if name in fleet.resources]
    wanted = nodes_to_find(len(fleet.names), percentage_of_nodes_to_score)
    spread = spread_state(demand.spread, len(demand.requests))
    _pack(
        pods,
        state,
        spread,
        SCORINGS.index(scoring),
        np.array(found, dtype=np.int64),
        draws,
        wanted,
        until_full,
    )
    return Placement(state.node, state.used, state.used_scored, state.device_used, state.lacking)


class _Pods(NamedTuple):
    """Demand's arrays, as the compiled loop takes them."""

    requests: Integers
    scored: Integers
    device_count: Integers
    device_milli: Integers
    allowed_class: Integers
    allowed: NDArray[np.bool_]


class _State(NamedTuple):
    """The nodes as they fill, and what came of each pod."""

    allocatable: Integers
    used: Integers
    used_scored: Integers
    device_used: Integers
    node: NDArray[np.int32]
    lacking: NDArray[np.int32]
    misses: Integers


def states(
    fleet: Fleet, demand: Demand, used: Integers | None = None, used_scored: Integers | None = None
) -> tuple[_Pods, _State]:
    """Pods and nodes as the compiled loops take them."""
    pods = _Pods(
        demand.requests,
        demand.requests if demand.scored is None else demand.scored,
        demand.device_count,
        demand.device_milli,
        demand.allowed_class,
        demand.allowed,
    )
    return pods, _state(fleet, len(demand.requests), used, used_scored)


def _state(fleet: Fleet, pods: int, used: Integers | None, used_scored: Integers | None) -> _State:
    devices = (
        fleet.device_milli if len(fleet.device_milli) else np.empty((len(fleet.names), 0), dtype=np.int64)
    )
    start = np.zeros_like(fleet.allocatable) if used is None else used.astype(np.int64)
    return _State(
        fleet.allocatable,
        start,
        start.copy() if used_scored is None else used_scored.astype(np.int64),
        # A device that is not there is full from the start.
        np.where(devices >= 0, 0, _DEVICE).astype(np.int64),
        np.full(pods, UNPLACED, dtype=np.int32),
        np.full(pods, -1, dtype=np.int32),
        np.zeros(len(fleet.resources) + 3, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def _pack(
    pods: Any, state: Any, spread: Any, scoring: Any, scored: Any, draws: Any, wanted: Any, until_full: Any
) -> None:
    nodes = state.allocatable.shape[0]
    start = 0
    for pod in range(pods.requests.shape[0]):
        best, best_score, fitting, looked = -1, -1.0, 0, 0
        state.misses[:] = 0
        while looked < nodes and fitting < wanted:
            candidate = start + looked
            if candidate >= nodes:
                candidate -= nodes
            looked += 1
            miss = fits(pods, pod, state, candidate)
            if miss < 0 and uneven(spread, pod, candidate):
                miss = state.allocatable.shape[1] + 2
            if miss >= 0:
                state.misses[miss] += 1
                continue
            fitting += 1
            if scoring == _RANDOM:
                # A reservoir of one: each fitting node is equally likely.
                score = best_score + (1.0 if hashed(draws[pod], candidate) * fitting < 1.0 else 0.0)
            else:
                score = _score(
                    scoring, state.allocatable, state.used_scored, candidate, pods.scored, pod, scored
                )
            if score > best_score:
                best, best_score = candidate, score
        if best < 0:
            state.lacking[pod] = np.argmax(state.misses)
            if until_full:
                break
            continue
        # As the scheduler does, the next pod starts looking where this one stopped.
        start = (start + looked) % nodes
        state.node[pod] = best
        for resource in range(state.allocatable.shape[1]):
            state.used[best, resource] += pods.requests[pod, resource]
            state.used_scored[best, resource] += pods.scored[pod, resource]
        _take_devices(state.device_used[best], pods.device_count[pod], pods.device_milli[pod])
        count_in(spread, pod, best)


@njit(cache=True, nogil=True)
def hashed(draw: Any, index: Any) -> Any:
    """A number in [0, 1) that depends on the pod's draw and the node alone."""
    value = np.uint64(draw * 2**53) ^ (np.uint64(index + 1) * np.uint64(0x9E3779B97F4A7C15))
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return (value >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True, inline="always")
def fits(pods: Any, pod: Any, state: Any, node: Any) -> Any:
    """The first resource that is short; resources for a device, resources + 1 for selectors; -1: it fits."""
    resources = state.allocatable.shape[1]
    if not pods.allowed[pods.allowed_class[pod], node]:
        return resources + 1
    for resource in range(resources):
        wanted = pods.requests[pod, resource]
        if wanted > 0 and state.used[node, resource] + wanted > state.allocatable[node, resource]:
            return resource
    if pods.device_count[pod] > 0:
        free = 0
        for device in range(state.device_used.shape[1]):
            if state.device_used[node, device] + pods.device_milli[pod] <= _DEVICE:
                free += 1
        if free < pods.device_count[pod]:
            return resources
    return -1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def hundredths(free: Any, offered: Any) -> Any:
    """``free * 100 // offered``, as a float: 1 of 3 is 33.0.

    Below 2**45 by a division of floats, which is exact there (a quotient that is no whole number is at least
    1 / offered from one, more than half a unit in the last place of 100) and three times as fast.
    """
    if offered < _EXACT:
        return np.floor(free * 100.0 / offered)
    return float(free * 100 // offered)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _score(scoring: Any, allocatable: Any, used: Any, node: Any, requests: Any, pod: Any, scored: Any) -> Any:
    total = 0.0
    low, high, weight = 1.0, 0.0, 0
    for index in range(scored.shape[0]):
        resource = scored[index]
        offered = allocatable[node, resource]
        if offered == 0:
            continue
        weight += 1
        taken = used[node, resource] + requests[pod, resource]
        if scoring == _LEAST:
            # Integer division as in leastRequestedScore: scores are whole numbers from 0 to 100.
            total += hundredths(offered - taken, offered)
            continue
        share = taken / offered
        low, high = min(low, share), max(high, share)
        total += share * 100.0
    if weight == 0:
        return 0.0
    if scoring == _LEAST:
        return np.floor(total / weight)
    if scoring == _BALANCED:
        return (1.0 - (high - low) / 2.0) * 100.0
    return total / weight


@njit(cache=True, nogil=True)
def _take_devices(device_used: Any, count: Any, milli: Any) -> None:
    """The fullest devices that still have room: shared ones are filled before new ones are opened."""
    for _ in range(count):
        best = -1
        for device in range(device_used.shape[0]):
            fits = device_used[device] + milli <= _DEVICE
            if fits and (best < 0 or device_used[device] > device_used[best]):
                best = device
        device_used[best] += milli

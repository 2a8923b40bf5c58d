"""How evenly pods must lie over a topology: the hard constraints of topologySpreadConstraints, as arrays.

Source: pkg/scheduler/framework/plugins/podtopologyspread/filtering.go of Kubernetes 1.36. A node is refused
where it lacks the key, or where pods in its domain (this one included, if its own labels match) would exceed
those of the emptiest domain by more than maxSkew. Fewer domains than minDomains count as an empty one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qos.model.node import Node
from qos.model.pod import Pod, TopologySpreadConstraint

Matches = Callable[[dict[str, Any] | None, Pod], bool]
NO_DOMAIN: Final = -1


@dataclass(frozen=True, slots=True)
class Spread:
    """Hard spread constraints of S kinds of pod on N nodes, C of them.

    Attributes:
        kind: (P,) row of each pod in the two tables below.
        applies: (S, C) whether the constraint is that pod's own.
        matches: (S, C) whether the pod is counted by the constraint's selector.
        max_skew: (C,).
        domain: (C, N) index of the node's domain, NO_DOMAIN where its pods are not counted.
        domains: (C,) how many domains there are.
        min_domains: (C,) as minDomains, 1 where not set.
        counted: (C, D) pods that lie there before.
    """

    kind: NDArray[np.int64]
    applies: NDArray[np.bool_]
    matches: NDArray[np.bool_]
    max_skew: NDArray[np.int64]
    domain: NDArray[np.int32]
    domains: NDArray[np.int64]
    min_domains: NDArray[np.int64]
    counted: NDArray[np.int64]


class SpreadState(NamedTuple):
    """The arrays as the compiled loop takes them, and the counts as they grow."""

    kind: Any
    applies: Any
    matches: Any
    max_skew: Any
    domain: Any
    domains: Any
    min_domains: Any
    counts: Any
    least: Any


def hard_constraints(pod: Pod) -> tuple[TopologySpreadConstraint, ...]:
    """The constraints of a pod that keep it off a node (DoNotSchedule)."""
    return tuple(
        each for each in pod.spec.topology_spread_constraints if each.when_unsatisfiable == "DoNotSchedule"
    )


def spread_over(
    pods: Sequence[Pod],
    kind: NDArray[np.int64],
    nodes: Sequence[Node],
    allowed: Callable[[int, bool], NDArray[np.bool_]],
    matches: Matches,
    lying: Sequence[tuple[int, int]] = (),
) -> Spread | None:
    """The hard constraints of some kinds of pod, None where there are none.

    Args:
        pods: (S,) one of each kind.
        kind: (P,) kind of each pod to be placed.
        nodes: (N,).
        allowed: (kind, whether taints count) to (N,) where its selectors let it lie; only such nodes count.
        matches: whether a selector picks a pod by its labels; None picks nothing.
        lying: (kind, node) of pods that are there already.
    """
    asked = [(index, each) for index, pod in enumerate(pods) for each in hard_constraints(pod)]
    if not asked:
        return None
    domain = np.full((len(asked), len(nodes)), NO_DOMAIN, dtype=np.int32)
    picked = np.zeros((len(pods), len(asked)), dtype=np.bool_)
    for row, (index, each) in enumerate(asked):
        taken = allowed(index, each.node_taints_policy == "Honor")
        keys = {other.topology_key for other in hard_constraints(pods[index])}
        known: dict[str, int] = {}
        for position, node in enumerate(nodes):
            labels = node.metadata.labels
            if taken[position] and keys <= labels.keys():
                domain[row, position] = known.setdefault(labels[each.topology_key], len(known))
        for other, pod in enumerate(pods):
            same = pod.namespace == pods[index].namespace
            picked[other, row] = same and matches(each.label_selector, pod)
    count = np.maximum(domain.max(axis=1) + 1, 1).astype(np.int64)
    counted = np.zeros((len(asked), int(count.max())), dtype=np.int64)
    for index, node_index in lying:
        rows = np.flatnonzero(picked[index] & (domain[:, node_index] >= 0))
        counted[rows, domain[rows, node_index]] += 1
    applies = np.zeros((len(pods), len(asked)), dtype=np.bool_)
    applies[[index for index, _ in asked], np.arange(len(asked))] = True
    return Spread(
        kind, applies, picked,
        np.array([each.max_skew for _, each in asked], dtype=np.int64),
        domain, count,
        np.array([each.min_domains or 1 for _, each in asked], dtype=np.int64),
        counted,
    )  # fmt: skip


def spread_state(spread: Spread | None, pods: int) -> SpreadState:
    """What the compiled loop works on; without constraints, empty arrays."""
    if spread is None:
        flags, numbers = np.zeros((1, 0), dtype=np.bool_), np.zeros(0, dtype=np.int64)
        none = Spread(
            np.zeros(pods, dtype=np.int64), flags, flags, numbers,
            np.zeros((0, 0), dtype=np.int32), numbers, numbers, np.zeros((0, 0), dtype=np.int64),
        )  # fmt: skip
        return spread_state(none, pods)
    counts = spread.counted.copy()
    least = np.array(
        [
            counts[row, :domains].min() if domains >= spread.min_domains[row] else 0
            for row, domains in enumerate(spread.domains)
        ],
        dtype=np.int64,
    )
    return SpreadState(
        spread.kind, spread.applies, spread.matches, spread.max_skew, spread.domain, spread.domains,
        spread.min_domains, counts, least,
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
def uneven(spread: Any, pod: Any, node: Any) -> Any:
    """Whether the pod on this node would break one of its own constraints."""
    kind = spread.kind[pod]
    for row in range(spread.max_skew.shape[0]):
        if not spread.applies[kind, row]:
            continue
        domain = spread.domain[row, node]
        if domain < 0:
            return True
        own = 1 if spread.matches[kind, row] else 0
        if spread.counts[row, domain] + own - spread.least[row] > spread.max_skew[row]:
            return True
    return False


@njit(cache=True, nogil=True)
def count_in(spread: Any, pod: Any, node: Any) -> None:
    """Count a pod that was placed, in every constraint that looks at it."""
    kind = spread.kind[pod]
    for row in range(spread.max_skew.shape[0]):
        domain = spread.domain[row, node]
        if not spread.matches[kind, row] or domain < 0:
            continue
        was = spread.counts[row, domain]
        spread.counts[row, domain] = was + 1
        # Only the emptiest domain's growth can move the least.
        if was == spread.least[row] and spread.domains[row] >= spread.min_domains[row]:
            spread.least[row] = spread.counts[row, : spread.domains[row]].min()

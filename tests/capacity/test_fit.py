"""Copies, nodes needed, taints and packing, against arithmetic and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qos.capacity.fit import copies, kept_away, largest_first, nodes_needed
from qos.capacity.fleet import Demand, Fleet
from qos.capacity.pack import SCORINGS, pack
from qos.model.node import Node
from qos.model.pod import Pod

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def _fleet(rows: list[tuple[int, int]]) -> Fleet:
    return Fleet(
        tuple(f"node-{index}" for index in range(len(rows))),
        ("cpu", "memory"),
        np.array(rows, dtype=np.int64),
    )


def _demand(rows: list[tuple[int, int]], nodes: int) -> Demand:
    return Demand.simple(np.array(rows, dtype=np.int64), nodes)


@given(nodes=ROWS, pods=ROWS, scoring=st.sampled_from(SCORINGS))
def test_no_node_is_ever_overfull(
    nodes: list[tuple[int, int]], pods: list[tuple[int, int]], scoring: str
) -> None:
    """What lies on a node is within its allocatable, and is the sum of what was placed there."""
    fleet, demand = _fleet(nodes), _demand(pods, len(nodes))
    placement = pack(fleet, demand, scoring)
    assert (placement.used <= fleet.allocatable).all()
    summed = np.zeros_like(fleet.allocatable)
    for pod, node in enumerate(placement.node):
        if node >= 0:
            summed[node] += demand.requests[pod]
    assert (summed == placement.used).all()


@given(nodes=ROWS, pods=ROWS, scoring=st.sampled_from(SCORINGS))
def test_a_pod_left_over_fits_nowhere(
    nodes: list[tuple[int, int]], pods: list[tuple[int, int]], scoring: str
) -> None:
    """Nodes only fill, so a pod that found no place has none at the end either."""
    fleet, demand = _fleet(nodes), _demand(pods, len(nodes))
    placement = pack(fleet, demand, scoring)
    free = fleet.allocatable - placement.used
    for pod in np.flatnonzero(placement.node < 0):
        wanted = demand.requests[pod]
        assert not ((wanted <= free) | (wanted == 0)).all(axis=1).any()


@given(
    nodes=ROWS,
    more=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    pod=st.tuples(st.integers(1, 5), st.integers(0, 5)),
)
def test_another_node_never_places_fewer_equal_pods(
    nodes: list[tuple[int, int]], more: tuple[int, int], pod: tuple[int, int]
) -> None:
    """For equal pods (not for mixed ones) a larger fleet holds at least as many, and the sum of copies()."""
    pods = [pod] * 40
    before = pack(_fleet(nodes), _demand(pods, len(nodes))).placed
    after = pack(_fleet([*nodes, more]), _demand(pods, len(nodes) + 1)).placed
    each = [copies(np.array(node), np.array(pod))[0] for node in nodes]
    assert before == min(40, sum(each))
    assert after >= before


@given(node=st.tuples(st.integers(9, 12), st.integers(9, 12)), pods=ROWS)
def test_nodes_needed_is_enough_and_never_below_the_sum(
    node: tuple[int, int], pods: list[tuple[int, int]]
) -> None:
    """So many nodes hold all pods in total, and no fewer than the sum of any resource asks for."""
    needed = nodes_needed(np.array(pods, dtype=np.int64), _fleet([node]))
    assert needed is not None
    assert needed.at_least <= needed.nodes <= len(pods)
    for column, offer in enumerate(node):
        assert needed.at_least * offer >= sum(pod[column] for pod in pods)


@given(
    node=st.tuples(st.integers(9, 12), st.integers(9, 12)),
    kinds=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 15)), min_size=1, max_size=5
    ),
)
@example(node=(9, 12), kinds=[(2, 3, 2), (3, 0, 2), (1, 3, 5)])
def test_nodes_opened_by_state_are_those_opened_pod_by_pod(
    node: tuple[int, int], kinds: list[tuple[int, int, int]]
) -> None:
    """Moving equal nodes together gives what placing each pod, largest first, on the fullest node gives."""
    pods = np.array([kind[:2] for kind in kinds for _ in range(kind[2])], dtype=np.int64)
    needed = nodes_needed(pods, _fleet([node]))
    assert needed is not None
    ordered = pods[largest_first(pods, np.array(node))]
    for count in (needed.nodes, max(0, needed.nodes - 1)):
        if not count:
            continue
        placed = pack(_fleet([node] * count), Demand.simple(ordered, count), "best-fit").placed
        if count < needed.nodes and len(np.unique(pods, axis=0)) == 1:
            assert placed < len(pods)
        elif count == needed.nodes:
            assert placed == len(pods)


def test_nodes_needed_known_values() -> None:
    """Three pods of 6 on nodes of 10 need three nodes though their sum fits two; 11 fits none."""
    needed = nodes_needed(np.array([[6, 0]] * 3), _fleet([(10, 10)]))
    assert needed is not None
    assert (needed.nodes, needed.at_least) == (3, 2)
    assert nodes_needed(np.array([[11, 0]]), _fleet([(10, 10)])) is None


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({}, "taint pool=gpu:NoSchedule"),
        ({"tolerations": [{"key": "pool", "value": "gpu"}]}, ""),
        (
            {"tolerations": [{"key": "pool", "value": "gpu", "effect": "NoExecute"}]},
            "taint pool=gpu:NoSchedule",
        ),
        ({"tolerations": [{"operator": "Exists"}]}, ""),
        ({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"disk": "ssd"}}, "nodeSelector disk=ssd"),
        ({"tolerations": [{"operator": "Exists"}], "nodeName": "other"}, "nodeName other"),
    ],
)
def test_taints_selectors_and_names_keep_pods_away(spec: dict[str, object], why: str) -> None:
    """A pod lies only where it tolerates every hard taint and the labels are as it asks."""
    node = Node.model_validate(
        {
            "metadata": {"name": "n", "labels": {"disk": "hdd"}},
            "spec": {
                "taints": [
                    {"key": "soft", "effect": "PreferNoSchedule"},
                    {"key": "pool", "value": "gpu", "effect": "NoSchedule"},
                ]
            },
        }
    )
    assert kept_away(Pod.model_validate({"spec": spec}), node) == why

"""Fleet and Demand: nodes and pods as arrays of exact integers, what packing works on.

CPU is in thousandths, everything else in its base unit (bytes, pieces); a GPU is an extended resource,
and where pods share single GPUs each device is an integer of thousandths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qos.capacity.spread import Spread
from qos.model.node import Node
from qos.model.pod import CPU, ResourceList

Integers = NDArray[np.int64]
NO_DEVICE = -1


def _no_devices() -> Integers:
    return np.empty((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Nodes as arrays.

    Attributes:
        names: (N,) node names.
        resources: (R,) resource names; ``pods`` is one of them.
        allocatable: (N, R) what each node offers.
        device_milli: (N, D) thousandths of each shareable device, NO_DEVICE where there is none; (0, 0)
            where the fleet has none at all.
        node_class: (N,) index of a class of equal nodes, for tables.
        class_names: (K,) their names.
    """

    names: tuple[str, ...]
    resources: tuple[str, ...]
    allocatable: Integers
    device_milli: Integers = field(default_factory=_no_devices)
    node_class: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    class_names: tuple[str, ...] = ()

    def total(self, resource: str) -> int:
        """Sum over all nodes, exact."""
        return int(self.allocatable[:, self.resources.index(resource)].sum())


@dataclass(frozen=True, slots=True)
class Demand:
    """Pods as arrays.

    Attributes:
        names: (P,) pod names.
        requests: (P, R) by the fleet's resources.
        device_count: (P,) shareable devices wanted, 0 for none.
        device_milli: (P,) thousandths wanted of each of them.
        allowed_class: (P,) row of ``allowed``.
        allowed: (A, N) whether a pod of that row may lie on a node (selectors, taints).
        spread: how evenly pods must lie over zones or nodes, None where nobody asks.
        scored: (P, R) what scores count a pod for, None: what it requests.
    """

    names: tuple[str, ...]
    requests: Integers
    device_count: Integers
    device_milli: Integers
    allowed_class: Integers
    allowed: NDArray[np.bool_]
    spread: Spread | None = None
    scored: Integers | None = None

    @staticmethod
    def simple(requests: Integers, nodes: int, names: Sequence[str] = ()) -> Demand:
        """Pods without devices that may lie on any of ``nodes`` nodes."""
        count = len(requests)
        none = np.zeros(count, dtype=np.int64)
        called = tuple(names) or tuple(f"pod-{index}" for index in range(count))
        return Demand(called, requests, none, none, none, np.ones((1, nodes), dtype=np.bool_))


def amount(resources: ResourceList, name: str) -> int:
    """A resource as an exact integer: thousandths of CPU, base units of all else; 0 where absent.

    >>> from qos.model.quantity import Quantity
    >>> amount({"cpu": Quantity.parse("1.5")}, "cpu"), amount({"memory": Quantity.parse("1Ki")}, "memory")
    (1500, 1024)
    """
    quantity = resources.get(name)
    if quantity is None:
        return 0
    return quantity.milli_value() if name == CPU else quantity.value()


def of_nodes(nodes: Sequence[tuple[Node, ResourceList]], resources: Sequence[str]) -> Fleet:
    """A fleet of API nodes with what each offers.

    Args:
        nodes: node and its allocatable (computed by the policy where the node does not report it).
        resources: which resources count.
    """
    table = np.array(
        [[amount(allocatable, name) for name in resources] for _, allocatable in nodes], dtype=np.int64
    ).reshape(len(nodes), len(resources))
    classes, index = np.unique(table, axis=0, return_inverse=True)
    names = tuple(
        " ".join(f"{name}={value}" for name, value in zip(resources, row, strict=True))
        for row in classes.tolist()
    )
    return Fleet(
        tuple(node.name for node, _ in nodes),
        tuple(resources),
        table,
        node_class=index.reshape(-1),
        class_names=names,
    )

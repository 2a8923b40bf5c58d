"""The openb tables as Fleet and Demand: CPU, memory, and GPUs of which several pods may share one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from qos.capacity.fleet import NO_DEVICE, Demand, Fleet, Integers
from qos.model.pod import CPU, MEMORY

MIB: Final = 1 << 20
DEVICE_MILLI: Final = 1000


def openb_fleet(rows: Sequence[tuple[str, int, int, int, str]]) -> Fleet:
    """A fleet of rows (name, cpu_milli, memory_mib, gpus, model); a class is a GPU model, "" for none."""
    table = np.array([(cpu, memory * MIB) for _, cpu, memory, _, _ in rows], dtype=np.int64).reshape(-1, 2)
    most = max((gpus for _, _, _, gpus, _ in rows), default=0)
    devices = np.full((len(rows), most), NO_DEVICE, dtype=np.int64)
    for node, (_, _, _, gpus, _) in enumerate(rows):
        devices[node, :gpus] = DEVICE_MILLI
    models = sorted({row[4] for row in rows})
    classes = np.array([models.index(row[4]) for row in rows], dtype=np.int64)
    return Fleet(tuple(row[0] for row in rows), (CPU, MEMORY), table, devices, classes, tuple(models))


def openb_demand(rows: Sequence[tuple[str, int, int, int, int, tuple[str, ...]]], fleet: Fleet) -> Demand:
    """Pods of rows (name, cpu_milli, memory_mib, gpus, gpu_milli, models) for a fleet of the same trace."""
    table = np.array([(row[1], row[2] * MIB) for row in rows], dtype=np.int64).reshape(-1, 2)
    kinds = sorted({row[5] for row in rows}) or [()]
    number = {models: index for index, models in enumerate(kinds)}
    allowed = np.ones((len(kinds), len(fleet.names)), dtype=np.bool_)
    for models, index in number.items():
        if models:
            fine = [position for position, name in enumerate(fleet.class_names) if name in models]
            allowed[index] = np.isin(fleet.node_class, fine)
    return Demand(
        tuple(row[0] for row in rows),
        table,
        np.array([row[3] for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.int64),
        np.array([number[row[5]] for row in rows], dtype=np.int64),
        allowed,
    )


def gpu_milli_wanted(demand: Demand) -> int:
    """Thousandths of GPUs that all pods want together."""
    return int((demand.device_count * demand.device_milli).sum())


def gpus(fleet: Fleet) -> int:
    """How many GPUs the fleet has."""
    return int((fleet.device_milli >= 0).sum())


def resampled(demand: Demand, fleet: Fleet, percent: int, seed: int) -> Demand:
    """Pods in random order, further ones drawn at random until they want ``percent`` of the fleet's GPUs.

    As the published experiments load their cluster (Weng et al., "Beware of Fragmentation", USENIX ATC
    2023): to 130 % of its GPUs. A list that wants more is cut. Without GPUs wanted it is only shuffled.
    """
    draw = np.random.default_rng(np.random.SeedSequence(seed))
    order: Integers = draw.permutation(len(demand.requests)).astype(np.int64)
    wanted = demand.device_count * demand.device_milli
    target = gpus(fleet) * DEVICE_MILLI * percent // 100
    if wanted.any():
        while int(wanted[order].sum()) < target:
            order = np.concatenate([order, draw.integers(0, len(wanted), len(wanted))])
        reached = np.cumsum(wanted[order])
        order = order[: int(np.searchsorted(reached, target)) + 1]
    return Demand(
        tuple(demand.names[index] for index in order.tolist()),
        demand.requests[order],
        demand.device_count[order],
        demand.device_milli[order],
        demand.allowed_class[order],
        demand.allowed,
    )

"""Frames of many machines as the flat arrays of the stepped kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.simulate.demand import number
from qos.simulate.step_draw import UNIT, starts_on, threshold
from qos.simulate.step_frame import Frame
from qos.simulate.step_layout import (
    CAPPED,
    CHANGES,
    DEMAND,
    GO,
    GROUPS,
    KEPT,
    KEY0,
    KEY1,
    LEAF_ROWS,
    LEAVES,
    LIMIT,
    LOW,
    MACHINE_ROWS,
    NEXT_CHANGE,
    ON,
    QUOTAS,
    RANDOM,
    RUN_ROWS,
    RUNS,
    SPAN,
    STAY,
    TABLE,
    THREADS,
    WEIGHT,
    WIDTH,
    WORD_ROWS,
    Fields,
)  # fmt: skip
from qos.simulate.step_resolve import AMOUNT, COUNT, LAST_BITTEN, PERIOD, QUOTA_ROWS
from qos.simulate.step_share import (
    GROUP_LIMIT,
    GROUP_ROWS,
    GROUP_WEIGHT,
    LEAF_FIRST,
    LEAF_LAST,
    PLACE_ROWS,
    SUB_FIRST,
    SUB_LAST,
)  # fmt: skip

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_LEAF, _GROUP, _RUN, _CHANGE, _QUOTA = range(5)
_BASED: Final = ((LEAVES, _LEAF), (GROUPS, _GROUP), (RUNS, _RUN), (CHANGES, _CHANGE), (QUOTAS, _QUOTA))


class Part:
    """The arrays of one frame, places counted from 0."""

    def __init__(self, frame: Frame, step_seconds: float, tables: Tables) -> None:
        count = len(frame.cgroups)
        self.frame = frame
        self.leaves = _leaves(frame)
        self.words = _words(frame)
        self.starts = np.array(
            [tables.place(demand.levels) if demand.dense else -1 for demand in frame.demands]
        )
        self.places, self.groups, capped = _groups(frame)
        self.runs = _runs(frame, step_seconds)
        self.changes = _changes(frame)
        self.quotas = np.zeros((QUOTA_ROWS, len(frame.quotas)))
        self.quota_leaves = np.array([quota.leaf for quota in frame.quotas], dtype=np.int64)
        for place, quota in enumerate(frame.quotas):
            self.quotas[AMOUNT, place], self.quotas[PERIOD, place] = quota.amount, quota.period
            self.quotas[COUNT, place] = round(step_seconds / quota.period)
            self.leaves[LIMIT, quota.leaf] = min(self.leaves[LIMIT, quota.leaf], quota.amount / quota.period)
        self.quotas[LAST_BITTEN] = -np.inf
        self.sizes = (count, len(frame.groups), self.runs.shape[1], len(self.changes[0]), len(frame.quotas))
        self.machine = np.zeros(MACHINE_ROWS, dtype=np.int64)
        for row, size in zip(_BASED, self.sizes, strict=True):
            self.machine[row[0] + 1] = size
        self.machine[CAPPED] = capped


class Tables:
    """Levels of all dense demands, one after another, each once."""

    def __init__(self) -> None:
        self.parts: list[Floats] = []
        self._places: dict[int, int] = {}
        self._size = 0

    def place(self, levels: Floats) -> int:
        """Where these levels lie."""
        if id(levels) not in self._places:
            self._places[id(levels)] = self._size
            self.parts.append(levels)
            self._size += len(levels)
        return self._places[id(levels)]

    def joined(self) -> Floats:
        """All of them."""
        return np.concatenate(self.parts) if self.parts else np.zeros(0)


def fields_of(parts: Sequence[tuple[Part, int]], keys: NDArray[np.uint64], tables: Tables) -> Fields:
    """Each part so many times, side by side; ``keys`` (L,) of all leaves' draws."""
    copies = [count for _, count in parts]
    sizes = np.repeat(np.array([part.sizes for part, _ in parts], dtype=np.int64), copies, axis=0)
    bases = np.cumsum(sizes, axis=0) - sizes
    machines = _tiled([part.machine[:, None] for part, _ in parts], copies)
    for row, kind in _BASED:
        machines[row : row + 2] += bases[:, kind]
    machines[NEXT_CHANGE] = machines[CHANGES]
    words = _tiled([part.words for part, _ in parts], copies)
    words[KEY0], words[KEY1] = keys & np.uint64(0xFFFFFFFF), keys >> np.uint64(32)
    for leaf in np.flatnonzero(words[ON]):
        words[ON, leaf] = starts_on(words[KEY0, leaf], words[KEY1, leaf], words[ON, leaf])
    places = _tiled([part.places for part, _ in parts], copies)
    groups_of = np.repeat(np.arange(len(bases)), sizes[:, _GROUP])
    places[[LEAF_FIRST, LEAF_LAST]] += bases[groups_of, _LEAF]
    places[[SUB_FIRST, SUB_LAST]] += bases[groups_of, _GROUP]
    runs = _tiled([part.runs for part, _ in parts], copies)
    runs[:2] += bases[np.repeat(np.arange(len(bases)), sizes[:, _RUN]), _LEAF]
    changed = bases[np.repeat(np.arange(len(bases)), sizes[:, _CHANGE]), _LEAF]
    quota_of = bases[np.repeat(np.arange(len(bases)), sizes[:, _QUOTA]), _LEAF]
    leaves = _tiled([part.leaves for part, _ in parts], copies)
    return Fields(
        leaves=leaves,
        bits=leaves.view(np.int64),
        words=words,
        places=places,
        groups=_tiled([part.groups for part, _ in parts], copies),
        machines=machines,
        supply=np.repeat([float(part.frame.cpus) for part, _ in parts], copies),
        runs=runs,
        change_steps=_tiled([part.changes[0][None] for part, _ in parts], copies)[0],
        change_leaves=_tiled([part.changes[1][None] for part, _ in parts], copies)[0] + changed,
        change_values=_tiled([part.changes[2][None] for part, _ in parts], copies)[0],
        table_starts=_tiled([part.starts[None] for part, _ in parts], copies)[0],
        tables=tables.joined(),
        quotas=_tiled([part.quotas for part, _ in parts], copies),
        quota_leaves=_tiled([part.quota_leaves[None] for part, _ in parts], copies)[0] + quota_of,
    )


def _tiled(arrays: Sequence[NDArray[Any]], copies: Sequence[int]) -> NDArray[Any]:
    """Columns of each array so many times, side by side."""
    return np.ascontiguousarray(
        np.concatenate(
            [np.tile(array, (1, count)) for array, count in zip(arrays, copies, strict=True)], axis=1
        )
    )


def _leaves(frame: Frame) -> Floats:
    leaves = np.zeros((LEAF_ROWS, len(frame.cgroups)))
    leaves[WEIGHT] = frame.weights
    leaves[THREADS] = [demand.threads for demand in frame.demands]
    leaves[WIDTH] = leaves[LIMIT] = np.minimum(leaves[THREADS], frame.cpus)
    leaves[KEPT] = [float(demand.kept) for demand in frame.demands]
    for leaf, demand in enumerate(frame.demands):
        if demand.random is not None:
            low, high = number(demand.random.low), number(demand.random.high)
            leaves[LOW, leaf], leaves[SPAN, leaf] = low, (high - low) * UNIT
        else:
            leaves[DEMAND, leaf] = demand.levels[0]
    return leaves


def _words(frame: Frame) -> NDArray[np.uint32]:
    words = np.zeros((WORD_ROWS, len(frame.cgroups)), dtype=np.uint32)
    for leaf, demand in enumerate(frame.demands):
        if demand.random is not None:
            words[STAY, leaf], words[GO, leaf], words[ON, leaf] = map(threshold, demand.random.chances)
    return words


def _groups(frame: Frame) -> tuple[Ints, Floats, bool]:
    places = np.zeros((PLACE_ROWS, len(frame.groups)), dtype=np.int64)
    groups = np.zeros((GROUP_ROWS, len(frame.groups)))
    for place, group in enumerate(frame.groups):
        places[: SUB_LAST + 1, place] = (*group.leaves, *group.subs)
        groups[GROUP_WEIGHT, place], groups[GROUP_LIMIT, place] = group.weight, group.limit
    return places, groups, bool((groups[GROUP_LIMIT] < frame.cpus).any())


def _runs(frame: Frame, step_seconds: float) -> Ints:
    """Neighbours whose demand is made alike."""
    runs: list[list[int]] = []
    for leaf, demand in enumerate(frame.demands):
        if demand.random is None and not demand.dense:
            continue
        kind = RANDOM if demand.random is not None else TABLE
        every = round(demand.random.every / step_seconds) if demand.random is not None else 1
        if runs and runs[-1][1] == leaf and runs[-1][2:] == [kind, every]:
            runs[-1][1] = leaf + 1
        else:
            runs.append([leaf, leaf + 1, kind, every])
    return np.array(runs, dtype=np.int64).reshape(-1, RUN_ROWS).T.copy()


def _changes(frame: Frame) -> tuple[Ints, Ints, Floats]:
    """(Step, leaf, CPUs from then on) of all sparse demands and ends (-1), in order of time."""
    steps, leaves, values = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for leaf, demand in enumerate(frame.demands):
        if demand.random is None and not demand.dense:
            at = np.flatnonzero(np.diff(demand.levels)) + 1
            steps.append(at)
            leaves.append(np.full(len(at), leaf))
            values.append(demand.levels[at])
    for step, leaf in frame.ends:
        steps.append(np.array([step]))
        leaves.append(np.array([leaf]))
        values.append(np.array([-1.0]))
    order = np.argsort(np.concatenate(steps), kind="stable")
    return np.concatenate(steps)[order], np.concatenate(leaves)[order], np.concatenate(values)[order]

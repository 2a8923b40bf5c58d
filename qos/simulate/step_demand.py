"""Demand for the stepped kernel: what a CPU shape wants in each step, and which shapes it can compute."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qos.model.workload import Batch, CpuShape, MemoryShape, OnOff, Random, Requests, Spin
from qos.simulate.demand import number, rate_polygon
from qos.simulate.faults import FAULT_BYTES_PER_SECOND
from qos.simulate.holders import corners
from qos.simulate.polygon import Polygon

Floats = NDArray[np.float64]
FLUID_PERIOD_SECONDS: Final = 0.02
"""Work submitted more seldom than this has bursts of its own, which steps do not see."""
_DENSE_PART: Final = 0.25
"""A demand that changes in more than this part of the steps is a table, not a list of changes."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Demand in steps: random, or ``levels``.

    Attributes:
        threads: CPUs it can use at one time.
        kept: what is not served waits.
        random: the draws, for a random demand.
        levels: (T,) CPUs wanted in each step; one value where it never changes.
    """

    threads: float
    kept: bool
    random: Random | None
    levels: Floats

    @property
    def dense(self) -> bool:
        """It changes so often that a table is the shorter list."""
        return self.random is None and float(np.count_nonzero(np.diff(self.levels))) > _DENSE_PART * len(
            self.levels
        )


def reason_against(shape: CpuShape | None, step_seconds: float) -> str:
    """Why a shape cannot be computed in steps; empty if it can."""
    if isinstance(shape, Requests | Batch):
        return f"{shape.shape} are events of their own"
    if isinstance(shape, OnOff):
        if shape.burst < step_seconds or not (
            _whole(shape.every, step_seconds) and _whole(shape.offset, step_seconds)
        ):
            return "bursts are shorter than a step, or do not begin with one"
        return ""
    if isinstance(shape, Random) and not _whole(shape.every, step_seconds):
        return f"draws every {shape.every:g} s do not fall on steps of {step_seconds:g} s"
    if shape is not None and not isinstance(shape, Spin) and shape.period > FLUID_PERIOD_SECONDS:
        return f"work comes in pieces every {shape.period:g} s"
    return ""


def steps_of(shape: CpuShape | None, steps: int, step_seconds: float) -> Steps:
    """The demand of a shape over ``steps`` steps; within a step a curve's average."""
    nothing = np.zeros(1)
    if shape is None:
        return Steps(1.0, kept=True, random=None, levels=nothing)
    if isinstance(shape, Random):
        threads = shape.threads or max(1, math.ceil(number(shape.high) - 1e-9))
        return Steps(threads, kept=True, random=shape, levels=nothing)
    if isinstance(shape, OnOff):
        levels = np.zeros(steps)
        every, offset = round(shape.every / step_seconds), round(shape.offset / step_seconds)
        levels[offset::every] = shape.burst * shape.threads / step_seconds
        return Steps(shape.threads, kept=True, random=None, levels=levels)
    if isinstance(shape, Requests | Batch):
        msg = reason_against(shape, step_seconds)
        raise TypeError(msg)
    if isinstance(shape, Spin):
        return Steps(shape.threads, kept=False, random=None, levels=_spin(shape, steps, step_seconds))
    polygon = rate_polygon(shape)
    most = shape.threads or max(1, math.ceil(float(polygon.values.max()) - 1e-9))
    return Steps(most, kept=True, random=None, levels=_averages(polygon, steps, step_seconds))


def with_growth(demand: Steps, memory: MemoryShape | None, steps: int, step_seconds: float) -> Steps:
    """A demand and the CPU time that touching new memory takes, as ``faults``; a random one stays as it is.

    100 MiB/s at 2 GiB a second of CPU time: 0.049 CPUs more.
    """
    if memory is None or memory.anon is None or demand.random is not None:
        return demand
    times, values = corners(memory.anon)
    held = np.interp(step_seconds * np.arange(steps + 1), times, values)
    touched = np.maximum(np.diff(held), 0.0) / step_seconds / FAULT_BYTES_PER_SECOND
    if not touched.any():
        return demand
    return replace(
        demand, threads=demand.threads + 1.0, levels=_shortened(np.round(demand.levels + touched, 12))
    )


def _spin(shape: Spin, steps: int, step_seconds: float) -> Floats:
    edges = np.arange(steps + 1) * step_seconds
    stop = math.inf if shape.stop is None else shape.stop
    inside = np.clip(np.minimum(edges[1:], stop) - np.maximum(edges[:-1], shape.start), 0.0, step_seconds)
    return _shortened(shape.threads * inside / step_seconds)


def _averages(polygon: Polygon, steps: int, step_seconds: float) -> Floats:
    if len(polygon.times) == 1:
        return polygon.values[:1]
    edges: Floats = step_seconds * np.arange(steps + 1, dtype=np.float64)
    levels: Floats = np.maximum(np.diff(polygon.integral(edges)) / step_seconds, 0.0)
    # An integral is a difference of large sums: what is the same to 12 digits is the same.
    levels = np.round(levels, 12)
    return _shortened(levels)


def _shortened(levels: Floats) -> Floats:
    return levels[:1] if len(levels) and (levels == levels[0]).all() else levels


def _whole(seconds: float, step_seconds: float) -> bool:
    steps = seconds / step_seconds
    return abs(steps - round(steps)) < 1e-9

"""Counters to rates, and long series to as many points as a screen can show."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_POINTS: Final = 1200


def rate(times: Floats, counter: Floats) -> tuple[Floats, Floats]:
    """A counter's rise per second between readings: times at the end of each step and rates, both (≤T-1,).

    A counter that fell was reset and counts from 0; NaN stays NaN; two readings at one time are no step.

    >>> rate(np.array([0.0, 1.0, 3.0]), np.array([0.0, 5.0, 6.0]))[1].tolist()
    [5.0, 0.5]
    """
    steps, seconds = np.diff(counter), np.diff(times)
    rises = np.where(steps < 0, counter[1:], steps)
    passed = seconds > 0
    return times[1:][passed], rises[passed] / seconds[passed]


def summed(values: Floats) -> Floats:
    """The sum over containers, (T, containers) → (T,); NaN where no container is there."""
    total: Floats = np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))
    return total


def thinned(times: Floats, values: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats]:
    """At most ``most`` points that look the same: the lowest and highest of each stretch, in order of time.

    Peaks stay where they are, which a mean would flatten.

    Args:
        times: (T,) seconds.
        values: (T,) with NaN for gaps; a stretch of gaps stays one.
        most: number of points wanted, at least 4.
    """
    count = len(values)
    if count <= most:
        return times, values
    width = -(-count // (most // 2))
    padded = np.full(-(-count // width) * width, np.nan)
    padded[:count] = values
    bins = padded.reshape(-1, width)
    gap = np.isnan(bins)
    starts = np.arange(len(bins)) * width
    lowest = starts + np.where(gap, np.inf, bins).argmin(axis=1)
    highest = starts + np.where(gap, -np.inf, bins).argmax(axis=1)
    keep = np.unique(np.concatenate([lowest, highest]))
    return times[keep], values[keep]


def compact(values: Floats) -> NDArray[np.float32]:
    """Half the bytes: seven digits are more than a screen shows."""
    return values.astype(np.float32)

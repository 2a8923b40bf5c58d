"""A value over time made of straight lines, with its exact integral and the inverse of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Polygon:
    """Straight lines between corners; the first value holds before them, the last one after.

    Attributes:
        times: (K,) seconds, not decreasing; two corners at one time are a step.
        values: (K,) never negative.
        repeat: start again after the last corner.
    """

    times: Floats
    values: Floats
    repeat: bool = False

    def integral(self, at: Floats) -> Floats:
        """The area from 0 to each time.

        >>> Polygon(np.array([0.0, 2.0]), np.array([0.0, 2.0])).integral(np.array([1.0, 3.0])).tolist()
        [0.5, 4.0]
        """
        knots, values, areas = self._from_zero()
        if self.repeat and knots[-1] > 0.0:
            rounds = np.floor(at / knots[-1])
            inside = at - rounds * knots[-1]
        else:
            rounds, inside = np.zeros_like(at), at
        index = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 1)
        left = inside - knots[index]
        slope = self._slopes(knots, values)[index]
        area: Floats = rounds * areas[-1] + areas[index] + left * (values[index] + 0.5 * left * slope)
        return area

    def inverse(self, area: Floats) -> Floats:
        """The time at which the integral reaches each area, inf where it never does."""
        knots, values, areas = self._from_zero()
        if self.repeat and areas[-1] > 0.0:
            rounds = np.floor(area / areas[-1])
            inside, base = area - rounds * areas[-1], rounds * knots[-1]
        else:
            inside, base = area, np.zeros_like(area)
        index = np.clip(np.searchsorted(areas, inside, side="right") - 1, 0, len(knots) - 1)
        left, value, slope = inside - areas[index], values[index], self._slopes(knots, values)[index]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = value + np.sqrt(np.maximum(value * value + 2.0 * slope * left, 0.0))
            step = np.where(root > 0.0, 2.0 * left / root, np.where(slope > 0.0, 0.0, np.inf))
        time: Floats = base + knots[index] + step
        return time

    def steps(self, finest: float, pieces: int) -> Iterator[tuple[Floats, Floats]]:
        """The polygon as levels (times, values), a ramp in ``pieces`` levels not shorter than ``finest``.

        The area under the levels is that under the polygon. Yields one chunk a round.
        """
        knots, values, _ = self._from_zero()
        widths = np.diff(knots)
        ramps = np.clip((widths / finest).astype(np.int64), 1, pieces)
        counts = np.where(widths <= 0.0, 0, np.where(values[1:] == values[:-1], 1, ramps))
        segment = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = np.append(knots[segment] + widths[segment] * nth / counts[segment], knots[-1])
        once = Polygon(knots, values)
        areas = once.integral(starts)
        levels = np.append(np.diff(areas) / np.maximum(np.diff(starts), 1e-12), values[-1])
        if not self.repeat or knots[-1] <= 0.0:
            yield starts, levels
            return
        offset = 0.0
        while True:
            yield starts[:-1] + offset, levels[:-1]
            offset += knots[-1]

    def _from_zero(self) -> tuple[Floats, Floats, Floats]:
        """Corners from time 0 on, their values, and the area up to each."""
        knots, values = self.times, self.values
        if knots[0] > 0.0:
            knots, values = np.insert(knots, 0, 0.0), np.insert(values, 0, values[0])
        areas = np.concatenate([[0.0], np.cumsum(np.diff(knots) * 0.5 * (values[1:] + values[:-1]))])
        return knots, values, areas

    @staticmethod
    def _slopes(knots: Floats, values: Floats) -> Floats:
        """Slope after each corner, 0 after the last and across a step."""
        width = np.diff(knots)
        rise = np.diff(values)
        slopes = np.divide(rise, width, out=np.zeros_like(rise), where=width > 0.0)
        return np.append(slopes, 0.0)

"""The decaying histogram of the Vertical Pod Autoscaler's recommender.

Facts from kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender (util/histogram.go,
util/decaying_histogram.go, model/aggregations_config.go): bucket k begins at first·(1.05^k - 1)/0.05, a
sample's weight doubles with every half-life of 24 h that it is newer, and a percentile is the end of the
bucket in which the summed weight reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from qos.model.usage import Floats

GROWTH: Final = 0.05
HALF_LIFE_SECONDS: Final = 24 * 3600.0
_MOST_HALVINGS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where buckets begin: the first one's size, and the largest value told apart."""

    first: float
    most: float

    def starts(self) -> Floats:
        """(K,) the beginning of each bucket."""
        count = int(np.ceil(np.log(self.most * GROWTH / self.first + 1) / np.log1p(GROWTH))) + 1
        starts: Floats = self.first * (np.power(1 + GROWTH, np.arange(count, dtype=np.float64)) - 1) / GROWTH
        return starts


CPU_BUCKETS: Final = Buckets(0.01, 1000.0)
"""CPUs."""
MEMORY_BUCKETS: Final = Buckets(1e7, 1e12)
"""Bytes."""


def percentile(values: Floats, times: Floats, fraction: float, buckets: Buckets) -> float:
    """A percentile of decaying samples: the end of its bucket; 0 for no sample.

    Two equal weights of 0.004 and 0.02 CPUs: the median's bucket is the first, which ends at 0.01.

    >>> percentile(np.array([0.004, 0.02]), np.array([0.0, 0.0]), 0.5, CPU_BUCKETS)
    0.01
    """
    if not len(values):
        return 0.0
    starts = buckets.starts()
    # The newest sample weighs 1: only ratios matter, and powers of the other sign could overflow.
    halvings = np.minimum((times.max() - times) / HALF_LIFE_SECONDS, _MOST_HALVINGS)
    place = np.clip(np.searchsorted(starts, values, side="right") - 1, 0, len(starts) - 1)
    weights = np.bincount(place, weights=np.exp2(-halvings), minlength=len(starts))
    summed = np.cumsum(weights)
    found = int(np.searchsorted(summed, fraction * summed[-1] * (1 - 1e-12)))
    return float(starts[min(found + 1, len(starts) - 1)])

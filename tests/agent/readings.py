"""Samples for the agents' tests, made of a few readings in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qos.model.cgroup import CgroupName
from qos.model.sample import Samples


def samples_of(time: float, values: Mapping[str, Mapping[str, float]]) -> Samples:
    """One row at ``time``: cgroup → column → value; what is not given is NaN."""
    cgroups = tuple(CgroupName(name) for name in values)
    names = tuple(dict.fromkeys(column for row in values.values() for column in row))
    columns = {
        name: np.array([[values[cgroup].get(name, np.nan) for cgroup in values]], dtype=np.float64)
        for name in names
    }
    return Samples(np.array([time]), cgroups, columns, "simulated")

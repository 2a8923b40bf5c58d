"""Samples as pandas tables: tidy for grouping, wide for plotting and spreadsheets."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qos.model.cgroup import CgroupName
from qos.model.sample import Recording, Samples

TIME = "time_seconds"
_POD_COLUMNS = ("namespace", "pod", "container", "qosClass", "workload")


def tidy(samples: Samples) -> pd.DataFrame:
    """A row for each time and cgroup, a column for each file and key: (T·C, 2 + columns)."""
    times, count = len(samples.times), len(samples.cgroups)
    codes = np.tile(np.arange(count), times)
    keys = {
        TIME: np.repeat(samples.times, count),
        "cgroup": pd.Categorical.from_codes(codes, categories=pd.Index(list(samples.cgroups))),
    }
    return pd.DataFrame(keys | {name: values.ravel() for name, values in samples.columns.items()})


def wide(samples: Samples, column: str) -> pd.DataFrame:
    """One column of all cgroups: (T, C), times as index, cgroups as columns.

    Raises:
        KeyError: no such column.
    """
    index = pd.Index(samples.times, name=TIME)
    return pd.DataFrame(samples.columns[column], index=index, columns=list(samples.cgroups))


def from_tidy(frame: pd.DataFrame, source: str) -> Samples:
    """The Samples of a tidy table: rows in any order, a missing row or value is NaN.

    Args:
        frame: columns ``time_seconds``, ``cgroup`` and one for each file and key.
        source: "simulated" or "measured".

    Raises:
        ValueError: a key column is missing, a row stands twice, or source is another word.
    """
    missing = {TIME, "cgroup"} - set(frame.columns)
    if missing:
        raise ValueError(f"no column {', '.join(sorted(missing))} in the table")
    if source not in {"simulated", "measured"}:
        raise ValueError(f"source {source!r}, expected simulated or measured")
    if frame.duplicated([TIME, "cgroup"]).any():
        raise ValueError("two rows for one time and cgroup")
    times, row = np.unique(frame[TIME].to_numpy(dtype=np.float64), return_inverse=True)
    codes, cgroups = pd.factorize(frame["cgroup"].astype(str))
    columns = {}
    for name in frame.columns.difference([TIME, "cgroup"], sort=False):
        values = np.full((len(times), len(cgroups)), np.nan)
        values[row, codes] = frame[name].to_numpy(dtype=np.float64)
        columns[str(name)] = values
    names = tuple(CgroupName(str(name)) for name in cgroups)
    return Samples(times, names, columns, "simulated" if source == "simulated" else "measured")


def containers(recording: Recording) -> pd.DataFrame:
    """Tidy samples of the containers only, with namespace, pod, container, qosClass and workload beside."""
    pods = pd.DataFrame(
        [{"cgroup": str(pod["cgroup"])} | {k: pod.get(k) for k in _POD_COLUMNS} for pod in recording.pods]
    )
    samples = tidy(recording.samples).astype({"cgroup": str})
    if pods.empty:
        return samples.iloc[:0]
    return samples.merge(pods.drop_duplicates("cgroup"), on="cgroup", how="inner")

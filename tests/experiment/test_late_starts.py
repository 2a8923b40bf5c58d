"""What a load needs to get ready while time runs is not its pod's CPU time, and told beside the pods."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from enforcer.procfs import IDLE_COLUMN
from qos.experiment.late_starts import outside_over_time, without_getting_ready
from qos.experiment.predict import BESIDE, predict
from qos.experiment.simulate import load
from qos.model.cgroup import ROOT, CgroupName
from qos.model.sample import Samples

ROOT_FOLDER = Path(__file__).resolve().parents[2]
LEAF, OTHER = CgroupName("kubepods/a/c"), CgroupName("kubepods/b/c")
NAMES = (CgroupName("kubepods"), CgroupName("kubepods/a"), LEAF, OTHER, ROOT)


def _samples() -> Samples:
    """One CPU for 4 s: the leaf works from 0 to 1 s, gets ready from 1.5 to 2 s, works from 2 to 3 s."""
    leaf = np.array([0.0, 1.0, 1.3, 1.5, 2.5, 2.5])
    idle = np.array([0.0, 0.0, 0.5, 0.5, 0.5, 1.5])
    usage = np.stack([leaf, leaf, leaf, np.zeros(6), np.full(6, np.nan)], axis=1) * 1e6
    columns = {"cpu_stat_usage_usec": usage, IDLE_COLUMN: np.full((6, 5), np.nan)}
    columns[IDLE_COLUMN][:, 4] = idle * 1e6
    return Samples(np.array([0.0, 1.0, 1.8, 2.0, 3.0, 4.0]), NAMES, columns, "measured")


def test_getting_ready_is_not_the_pods() -> None:
    """All levels above it lose it, too; a reading in the middle tells no more than the one after it."""
    told = without_getting_ready(_samples(), [(2.0, LEAF, 0.5)]).columns["cpu_stat_usage_usec"] / 1e6
    for column in range(3):
        assert told[:, column].tolist() == [0.0, 1.0, 1.0, 1.0, 2.0, 2.0]
    assert (told[:, 3] == 0.0).all()


def test_it_is_beside_the_pods_when_it_happened() -> None:
    """Half a CPU from 1 to 2 s, nothing else: readings at events are no intervals of their own."""
    corrected = without_getting_ready(_samples(), [(2.0, LEAF, 0.5)])
    told = outside_over_time(corrected, 1, 1.0)
    assert [round(cpus, 6) for _, cpus in told] == [0.0, 0.5, 0.0, 0.0]
    assert [at for at, _ in told] == [1.0, 2.0, 3.0, 4.0]


def test_the_prediction_has_it_then() -> None:
    """A machine busy with a restart from 1 to 2 s gives its pods less there, and all of it elsewhere."""
    scenario = load(str(ROOT_FOLDER / "scenarios" / "fidelity" / "weights-1-to-3.yaml"))
    measured = {"release": "6.1.0", "measuring_over_time": [(2.0, 0.0), (4.0, 0.5)], "measuring_cpus": 0.25}
    run = predict(scenario, policy="kubelet", seed=0, measured=measured)
    used = run.samples.columns["cpu_stat_usage_usec"][:, run.samples.cgroups.index(BESIDE)] / 1e6
    assert used[run.samples.times <= 2.0].max() < 0.01
    at = int(np.searchsorted(run.samples.times, 4.0))
    assert abs(used[at] - 1.0) < 0.02

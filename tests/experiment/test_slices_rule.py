"""Where a prediction gives CPU in slices: a quota, a coarse clock and CFS, nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qos.experiment.predict import BESIDE, predict
from qos.experiment.simulate import load
from qos.model.sample import Recording

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios" / "fidelity"
LAB: dict[str, Any] = {"release": "6.1.176", "clock_step_seconds": 0.01}
HOST = LAB | {"clock_step_seconds": 0.000001}


def said(name: str, measured: dict[str, Any]) -> Recording:
    """What is predicted of a scenario of the suite on such a machine."""
    return predict(load(str(SCENARIOS / f"{name}.yaml")), policy="kubelet", seed=1, measured=measured)


def throttled_usec(recording: Recording) -> float:
    """Of the first container under a quota, at the end."""
    pod = recording.pods[0]["cgroup"]
    return float(recording.samples.column("cpu_stat_throttled_usec", pod)[-1])


def test_a_quota_on_a_coarse_clock_under_cfs_is_noticed_at_ticks() -> None:
    """90 of 100 ms on User Mode Linux 6.1: the wait of one tick is not counted, as measured."""
    assert throttled_usec(said("quota-900m", LAB)) == 0.0


@pytest.mark.parametrize("other", [HOST, LAB | {"release": "7.3.4"}])
def test_a_fine_clock_or_eevdf_is_shared_as_a_fluid(other: dict[str, Any]) -> None:
    """The same quota waits 10 ms in each of some 50 periods."""
    assert throttled_usec(said("quota-900m", other)) == pytest.approx(490_000, abs=20_000)


@pytest.mark.parametrize("name", ["requests-under-quota", "weights-1-to-3"])
def test_requests_and_plans_without_a_quota_are_shared_as_a_fluid(name: str) -> None:
    """A coarse clock changes nothing there."""
    found = [said(name, each) for each in (LAB, HOST)]
    pod = found[0].pods[0]["cgroup"]
    usages = [each.samples.column("cpu_stat_usage_usec", pod).tolist() for each in found]
    assert usages[0] == usages[1]


def test_measuring_is_whole_ticks_beside_slices() -> None:
    """0.056 CPUs over 4 s with readings every 2 s: twice 11 ticks of 10 ms."""
    found = said("quota-two-of-them", LAB | {"measuring_cpus": 0.056152})
    assert float(found.samples.column("cpu_stat_usage_usec", BESIDE)[-1]) == pytest.approx(
        220_000, abs=10_000
    )

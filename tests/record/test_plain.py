"""A recording as plain data: what comes back through JSON equals what went."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qos.errors import RecordingError
from qos.experiment.simulate import load, simulate
from qos.record.plain import from_plain, to_plain

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["batch-under-500m", "requests-under-quota", "oom-of-one-of-two"])
def test_a_recording_comes_back_through_json_as_it_was(name: str) -> None:
    """Samples with their gaps, events and completions are the same to the bit."""
    (run,) = simulate(load(str(ROOT / "scenarios" / "fidelity" / f"{name}.yaml")))
    back = from_plain(json.loads(json.dumps(to_plain(run))))
    assert (back.policy, back.pods, back.files, back.events) == (run.policy, run.pods, run.files, run.events)
    assert back.samples.cgroups == run.samples.cgroups
    assert list(back.samples.columns) == list(run.samples.columns)
    for column, values in run.samples.columns.items():
        np.testing.assert_array_equal(back.samples.columns[column], values)
    np.testing.assert_array_equal(back.completions.latency_seconds, run.completions.latency_seconds)
    assert len(run.completions.latency_seconds) or run.events


def test_what_is_no_recording_is_one_error() -> None:
    """A guest that was cut short leaves no half recording."""
    with pytest.raises(RecordingError, match="another shape"):
        from_plain({"policy": "kubelet"})

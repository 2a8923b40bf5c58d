"""The regression gate: predictions of today are no farther from stored measurements than was accepted."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from qos.experiment.predict import predict_again
from qos.experiment.simulate import load
from qos.record.fidelity import compare
from qos.record.measured import Measured

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "fidelity"
SLACK = 0.001
"""A tenth of a per cent, or of a point: less than any measurement here can tell."""

ACCEPTED = json.loads((RESULTS / "accepted.json").read_text())
STORED = [path for path in sorted(RESULTS.glob("*/*.json")) if "skipped" not in json.loads(path.read_text())]


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_error_is_larger_than_accepted(path: Path) -> None:
    """A line that is worse than accepted and not in the measurement's noise fails: mend it, or accept it."""
    measured = Measured.from_json(json.loads(path.read_text()))
    scenario = load(str(ROOT / "scenarios" / "fidelity" / f"{path.stem}.yaml"))
    held = ACCEPTED[path.parent.name][path.stem]
    worse = {}
    for line in compare(predict_again(scenario, measured), measured):
        name = f"{line.metric} {line.subject}"
        limit = held.get(name, 0.0)
        allowed = math.inf if limit is None else limit + SLACK
        if line.verdict != "in noise" and abs(line.error) > allowed:
            worse[name] = (line.error, limit)
    assert not worse


def test_every_accepted_scenario_has_its_measurement() -> None:
    """A measurement that is thrown away takes its lines out of the gate: that is said, not silent."""
    stored = {(path.parent.name, path.stem) for path in STORED}
    assert stored == {(kernel, name) for kernel, each in ACCEPTED.items() for name in each}

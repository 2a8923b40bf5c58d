"""The regression gate: predictions of today are no farther from stored measurements than was accepted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from qos.experiment.predict import predict_again
from qos.experiment.simulate import load
from qos.record.accepted import Held, moves
from qos.record.fidelity import compare
from qos.record.measured import Measured

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "fidelity"
HOW = "mend it, or python benchmarks/fidelity_grid.py accept --reason 'WHY'"

ACCEPTED = json.loads((RESULTS / "accepted.json").read_text())
STORED = {
    f"{path.parent.name}-{path.stem}": path
    for path in sorted(RESULTS.glob("*/*.json"))
    if "skipped" not in json.loads(path.read_text())
}


def _held(path: Path) -> dict[str, Any]:
    return ACCEPTED.get(path.parent.name, {}).get(path.stem, {"of": "", "lines": {}})


@pytest.mark.parametrize("name", STORED)
def test_no_error_is_larger_than_accepted(name: str) -> None:
    """A line that is worse than accepted and not in the measurement's noise fails: mend it, or accept it."""
    path = STORED[name]
    measured = Measured.from_json(json.loads(path.read_text()))
    scenario = load(str(ROOT / "scenarios" / "fidelity" / f"{path.stem}.yaml"))
    held = {line: Held.from_json(error) for line, error in _held(path)["lines"].items()}
    found = moves(compare(predict_again(scenario, measured), measured), held)
    assert not [move.words() for move in found if move.worse or move.before is None], HOW


def test_every_accepted_error_is_of_its_measurement() -> None:
    """A measurement that is thrown away or made anew takes its lines out of the gate: said, not silent."""
    stored = {
        name: hashlib.sha256(json.dumps(json.loads(path.read_text()), sort_keys=True).encode()).hexdigest()[
            :12
        ]
        for name, path in STORED.items()
    }
    held = {
        f"{kernel}-{name}": told["of"] for kernel, each in ACCEPTED.items() for name, told in each.items()
    }
    assert held == stored, HOW

"""Every shipped scenario runs and keeps what its `expect:` block promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from qos.experiment.check import CheckOptions, check_scenario

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_keeps_its_promises(path: Path) -> None:
    """All expectations hold on the confidence bound of three seeds, and there is at least one."""
    outcomes = check_scenario(str(path), CheckOptions(seeds=3, workers=1))
    assert outcomes
    assert not [f"{outcome.name}: {outcome.message}" for outcome in outcomes if outcome.failed]

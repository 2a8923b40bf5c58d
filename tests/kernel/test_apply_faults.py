"""The fault matrix (docs/fault-matrix.md), played on this kernel.

The page was made of every point; here every third is played, which ones is shifted from way to way.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fault_points import RUNS, WAYS, How, Run, Stage

from enforcer.cgroupfs import CgroupFS

STRIDE = 3


@pytest.fixture
def stage(fs: CgroupFS, tmp_path: Path) -> Stage:
    """An empty tree and a state directory."""
    return Stage(fs, tmp_path)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_whatever_is_disturbed_the_next_run_converges(stage: Stage, run: Run, how: How) -> None:
    """Killed before or refused at any operation: undone or completed by the next run, delete restores all."""
    count = len(stage.operations(run))
    for at in range(WAYS.index(how), count, STRIDE):
        stage.play(run, at, how)


def test_the_page_names_every_operation_of_today(stage: Stage, repository: Path) -> None:
    """docs/fault-matrix.md is of the operations that runs have now, and of at least 200 points."""
    page = (repository / "docs" / "fault-matrix.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \| `(.*?)` \|", page, re.MULTILINE)
    assert listed == [name for run in RUNS for name in stage.operations(run)]
    assert 3 * len(listed) >= 200

"""The README's policy test from nothing, typed as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from junitparser import JUnitXml

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(
    rf"<!-- run as it stands by tests/cli/{Path(__file__).name} -->\n```sh\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def test_the_walk_leads_to_a_failing_and_a_passing_policy_test(tmp_path: Path) -> None:
    """The promise breaks, the message names the limit and a value that would do, the edit keeps it."""
    (commands,) = BLOCK.findall(README.read_text())
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    walk = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert walk.returncode == 0, walk.stderr
    broken, kept = walk.stdout.split("broken, as it should be")
    assert "FAILED web: web: latency_seconds p99 < 0.04 [kubelet: web]" in broken
    assert "cpu.max 50000 100000" in broken
    assert re.search(r"fix: spec\.pods\[web\]\.limits\.cpu: 500m → \d+m would keep it", broken)
    assert "ok   web: 1 of 1 hold" in kept
    report = JUnitXml.fromfile(str(tmp_path / "report.xml"))
    assert (report.failures, report.errors) == (0, 0)
    assert report.tests > 1

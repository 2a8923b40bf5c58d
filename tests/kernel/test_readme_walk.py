"""The README's walk on a real kernel, typed as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from applying import settings

from enforcer.cgroupfs import CgroupFS

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(
    rf"<!-- run as it stands by tests/kernel/{Path(__file__).name} -->\n```sh\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.many_starts
@pytest.mark.skipif("QOS_LAB_GUEST" not in os.environ, reason="works on the whole tree of a guest")
def test_the_walk_of_the_readme_works_and_leaves_no_trace(tmp_path: Path) -> None:
    """From `qos run` to the page of it, a pod applied, listed and given back; the tree is as before."""
    (commands,) = BLOCK.findall(README.read_text())
    script = tmp_path / "walk.sh"
    script.write_text(commands)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with CgroupFS() as tree:
        before = settings(tree)
        walk = subprocess.run(
            ["sh", "-e", script],
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert walk.returncode == 0, walk.stderr
        assert settings(tree) == before
    for words in (
        "throttled by its own limit",
        "pod/default/web created",
        "InForce",
        "pod/default/web removed",
    ):
        assert words in walk.stdout
    page = (tmp_path / "walk.html").read_text()
    assert "measured on a real kernel" in page
    assert "Why did it wait: its own limit, or a busy node?" in page
    assert "qos run --class burstable --cpu 250m" in page

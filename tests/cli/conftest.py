"""Run `qos` as a user does: the installed command, in a terminal of 80 columns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def qos(tmp_path: Path) -> Run:
    """`qos(*words, stdin="")` in an empty folder; stdout, stderr and the exit code as they came."""
    program = Path(sys.executable).with_name("qos")
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}

    def run(*words: str | Path, stdin: str = "", cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *map(str, words)],
            input=stdin, capture_output=True, text=True, check=False, cwd=cwd, env=environment, timeout=120,
        )  # fmt: skip

    return run

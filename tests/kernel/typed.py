"""`qos` as typed, over the whole tree, with a state of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class Typed:
    """Runs `qos` as a program of its own.

    Args:
        state: the directory of its record.
    """

    def __init__(self, state: Path) -> None:
        self.manifest = ""
        self._program = str(Path(sys.executable).with_name("qos"))
        self._options = ["--state-dir", str(state)]

    def words(self, verb: str, *words: str) -> list[str]:
        """The whole command."""
        return [self._program, verb, *self._options, *words]

    def __call__(self, *words: str, code: int = 0) -> str:
        """What it printed, both streams where it failed; its exit code is checked."""
        done = subprocess.run(
            self.words(*words), input=self.manifest, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *words: str, code: int = 0) -> Any:
        """What it printed, as data."""
        return json.loads(self(*words, "-o", "json", code=code))

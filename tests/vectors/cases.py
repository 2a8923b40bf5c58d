"""Reading golden vectors, and telling where an answer differs from what a line states."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COPY = Path(__file__).resolve().parent.parent / "data" / "vectors"


@dataclass(frozen=True)
class Case:
    """One line of a vectors file; ``error`` where it cannot be read."""

    file: str
    line: int
    id: str
    kind: str
    data: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def input(self) -> dict[str, Any]:
        """What the real function was given."""
        return self.data["input"]

    @property
    def node(self) -> dict[str, Any]:
        """The node and its settings; empty where the kind has none."""
        return self.data.get("node") or {}

    @property
    def expect(self) -> dict[str, Any]:
        """What the real function answered."""
        return self.data["expect"]

    @property
    def is_upstream_table(self) -> bool:
        """Rows of upstream's own tests state only what that test looked at."""
        return "name" in self.data


def read_cases(directory: Path) -> Iterator[Case]:
    """Every line of every ``*.jsonl.gz`` of a directory."""
    for path in sorted(directory.glob("*.jsonl.gz")):
        stem = path.name.removesuffix(".jsonl.gz")
        try:
            lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            yield Case(stem, 0, f"{stem}:unreadable", "", error=f"cannot be read: {error}")
            continue
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _read_line(stem, number, line)


def _read_line(stem: str, number: int, line: str) -> Case:
    where = f"{stem}:{number}"
    try:
        data = json.loads(line)
        kind, name = data["kind"], data["id"]
        if not isinstance(data["input"], dict) or not isinstance(data["expect"], dict):
            return Case(stem, number, where, "", error="input and expect must be objects")
    except (ValueError, KeyError, TypeError) as error:
        return Case(stem, number, where, "", error=f"not a vector: {error!r}")
    return Case(stem, number, f"{stem}:{name}", kind, data)


def differences(expect: Any, got: Any, path: str = "", *, partial: bool = False) -> Iterator[str]:
    """Every place where ``got`` is not what ``expect`` states, one line each.

    ``partial``: keys that only ``got`` has do not count (upstream's tables state only some).
    """
    if isinstance(expect, dict) and isinstance(got, dict):
        for key in expect.keys() | (set() if partial else got.keys()):
            here = f"{path}.{key}" if path else str(key)
            if key not in expect:
                yield f"{here}: expected none, got {got[key]!r}"
            elif key not in got:
                yield f"{here}: expected {expect[key]!r}, got none"
            else:
                yield from differences(expect[key], got[key], here, partial=partial)
    elif isinstance(expect, list) and isinstance(got, list):
        if len(expect) != len(got):
            yield f"{path}: expected {len(expect)} entries, got {len(got)}"
        for index, (one, other) in enumerate(zip(expect, got, strict=False)):
            yield from differences(one, other, f"{path}[{index}]", partial=partial)
    elif expect != got or isinstance(expect, bool) != isinstance(got, bool):
        yield f"{path}: expected {expect!r}, got {got!r}"

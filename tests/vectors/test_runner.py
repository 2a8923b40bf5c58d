"""The runner itself: a corrupted copy fails in exactly the corrupted cases."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from cases import COPY, differences

HERE = Path(__file__).parent
FILES = ("cgroup_name", "node_allocatable", "quantity_arith", "scalar", "qos_cgroups")


def run(directory: Path) -> tuple[int, set[str]]:
    """Exit code of ``pytest tests/vectors --vectors DIR``, and the cases that failed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(HERE / "test_vectors.py"),
        "-q",
        "--vectors",
        str(directory),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent.parent)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return done.returncode, {line.partition("[")[2].partition("]")[0] for line in lines}


def corrupt(expect: Any, draw: random.Random) -> None:
    """Change one number or text somewhere in what a line states."""
    places = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, dict | list):
                walk(value)
            else:
                places.append((node, key))

    walk(expect)
    node, key = draw.choice(places)
    value = node[key]
    node[key] = (
        (not value) if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}7"
    )


def test_corrupted_cases_fail(tmp_path: Path) -> None:
    """Of a copy with some numbers changed, those lines fail, by name, and no others."""
    draw = random.Random(7)
    wrong = set()
    for stem in FILES:
        lines = gzip.decompress((COPY / f"{stem}.jsonl.gz").read_bytes()).decode().splitlines()
        changed = []
        for line in lines:
            case = json.loads(line)
            if draw.random() < 0.05 and "quirkFields" not in case:
                corrupt(case["expect"], draw)
                wrong.add(f"{stem}:{case['id']}")
            changed.append(json.dumps(case))
        (tmp_path / f"{stem}.jsonl.gz").write_bytes(gzip.compress("\n".join(changed).encode()))
    assert wrong
    assert run(tmp_path) == (1, wrong)


def test_garbage_fails(tmp_path: Path) -> None:
    """An unknown kind, a line that is no JSON, and a file that is no gzip fail, each by its place."""
    unknown = json.dumps({"id": "x", "kind": "no-such-kind", "input": {}, "expect": {}})
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(f"{unknown}\nnot json\n".encode()))
    (tmp_path / "b.jsonl.gz").write_bytes(b"not gzip")
    assert run(tmp_path) == (1, {"a:x", "a:2", "b:unreadable"})


def test_empty_directory(tmp_path: Path) -> None:
    """A directory without vectors is an error, not a success."""
    code, failed = run(tmp_path)
    assert (code != 0, failed) == (True, set())


def test_differences() -> None:
    """A missing key, an extra key, a changed value and a truth value for a number are each told."""
    assert list(differences({"a": 1}, {"a": 1})) == []
    assert list(differences({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}})) == ["a.b[1]: expected 2, got 3"]
    assert list(differences({"a": 1}, {})) == ["a: expected 1, got none"]
    assert list(differences({}, {"a": 1})) == ["a: expected none, got 1"]
    assert list(differences({}, {"a": 1}, partial=True)) == []
    assert list(differences({"a": 1}, {"a": True})) == ["a: expected 1, got True"]

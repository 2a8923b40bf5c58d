"""Input made to exhaust a reader is refused before it can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_SECONDS = 20  # generous: a reader that falls for one of these runs for minutes or out of memory


def _aliases() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "kind: Pod\n" + "\n".join(lines)


def _merges() -> str:
    lines = ["m0: &m0 {k: [x, x, x, x, x, x, x, x, x, x]}"]
    lines += [
        f"m{n}: &m{n} {{a: *m{n - 1}, b: *m{n - 1}, c: *m{n - 1}, <<: *m{n - 1}}}" for n in range(1, 40)
    ]
    return "\n".join(lines)


def _pod(cpu: str) -> str:
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n"
    return f"{head}    resources: {{limits: {{cpu: {cpu}}}}}\n"


BOMBS = {
    "flow.yaml": "[" * 1_000_000,
    "block.yaml": "- " * 500_000,
    "mappings.yaml": "{a: " * 500_000,
    "explicit.yaml": "? " * 200_000,
    "indented.yaml": "\n".join(" " * n + "a:" for n in range(2000)),
    "aliases.yaml": _aliases(),
    "merges.yaml": _merges(),
    "deep.json": "[" * 1_000_000 + "]" * 1_000_000,
    "deeper.json": '{"a":' * 500 + "1" + "}" * 500,
    "exponent.yaml": _pod("1e9999"),
    "huge-exponent.yaml": _pod("1e999999999999"),
    "digits.yaml": _pod('"' + "9" * 1_000_000 + '"'),
    "plain-digits.yaml": _pod("9" * 1_000_000),
    "int-digits.yaml": _pod("9" * 399),
    "fraction.yaml": _pod('"0.' + "0" * 1_000_000 + '1"'),
    "digits.json": '{"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a","resources":'
    '{"limits":{"cpu":' + "9" * 5000 + "}}}]}}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_size_bomb_is_refused_quickly(name: str, tmp_path: Path) -> None:
    """Deep nesting, aliases that multiply and monstrous numbers are one error line, exit code 2."""
    path = tmp_path / name
    path.write_text(BOMBS[name])
    program = "import sys; from qos.cli.app import main; main(sys.argv[1:])"
    ran = subprocess.run(
        [sys.executable, "-c", program, "explain", "-f", str(path), "-o", "name"],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr[:500]
    assert "Traceback" not in ran.stderr
    first = ran.stderr.splitlines()[0]
    assert first.startswith(f"qos: {path}:")
    assert len(first) < 500


def test_a_file_that_never_ends_is_not_read_to_its_end(tmp_path: Path) -> None:
    """More YAML than any cluster has is refused by its size, before it is parsed."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(65 * 2**20)  # sparse: no disk is used
    program = "import sys; from qos.cli.app import main; main(sys.argv[1:])"
    ran = subprocess.run(
        [sys.executable, "-c", program, "explain", "-f", str(path)],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert f"{path}: is 65 MiB of YAML; expected at most 64 MiB" in ran.stderr

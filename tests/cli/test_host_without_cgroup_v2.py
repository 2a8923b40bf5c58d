"""Commands that need the kernel, on a machine without a cgroup v2 tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

QOS = str(Path(sys.executable).with_name("qos"))
V2 = Path("/sys/fs/cgroup/cgroup.controllers")
HIDE = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh")
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: x}]}\n"
COMMANDS = [
    ["apply", "-f", "-"],
    ["apply", "-f", "-", "--watch"],
    ["apply", "-f", "-", "--dry-run=host"],
    ["diff", "-f", "-"],
    ["get"],
    ["delete", "web"],
    ["delete", "--all"],
    ["top"],
    ["record", "-o", "recording"],
    ["run", "--", "true"],
    ["freeze", "web"],
    ["kill", "web"],
]


@pytest.fixture(scope="session")
def hidden() -> tuple[str, ...]:
    """Words before a command that hide the machine's cgroup v2 tree from it; none where it has none."""
    if not V2.exists():
        return ()
    if subprocess.run([*HIDE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine's cgroup v2 tree cannot be hidden: no user namespaces")
    return HIDE


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_one_message_with_the_remedy(hidden: tuple[str, ...], tmp_path: Path, words: list[str]) -> None:
    """Exit code 2 and one line that says what is missing, how to get it and how to try without; no file."""
    done = subprocess.run(
        [*hidden, QOS, *words], input=POD, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for part in ("not a cgroup v2", "systemd.unified_cgroup_hierarchy=1", "qos doctor", "qos lab -- COMMAND"):
        assert part in line
    assert not list(tmp_path.iterdir())


def test_the_plan_can_still_be_seen(hidden: tuple[str, ...]) -> None:
    """`--dry-run=client` asks no kernel: it prints the values that would be written."""
    done = subprocess.run(
        [*hidden, QOS, "apply", "-f", "-", "--dry-run=client"],
        input=POD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "kubepods/besteffort" in done.stdout

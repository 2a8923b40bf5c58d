"""`qos apply`, `diff`, `get` and `delete` as typed, on a real kernel."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer.cgroupfs import CgroupFS

pytestmark = pytest.mark.many_starts
WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: nginx, image: x, resources: {limits: {cpu: 500m, memory: 128Mi}}}]}
"""
BATCH = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: batch}
spec: {replicas: 2, template: {spec: {containers: [{name: job, image: x}]}}}
"""


class Typed:
    """Runs `qos` with the test's own tree and state."""

    def __init__(self, root: Path, state: Path) -> None:
        self._options = ["--root", str(root), "--state-dir", str(state)]

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """What it printed; its exit code is checked."""
        program = str(Path(sys.executable).with_name("qos"))
        command = [program, *words, *self._options]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def qos(fs: CgroupFS, tmp_path: Path) -> Typed:
    """The command."""
    return Typed(fs.root, tmp_path / "s")


def test_a_walk_from_apply_to_delete(qos: Typed, fs: CgroupFS) -> None:
    """Created, unchanged, a second file beside the first, a conflict, force, one pod given back, then all."""
    assert "pod/default/web created" in qos("apply", "-f", "-", stdin=WEB)
    assert "created" not in qos("apply", "-f", "-", stdin=WEB)
    qos("diff", "-f", "-", stdin=WEB)
    assert "pod/default/batch-1 created" in qos("apply", "-f", "-", stdin=BATCH)
    listed = json.loads(qos("get", "-o", "json").partition("]\n")[0] + "]")
    assert {each["pod"]: each["status"] for each in listed} == dict.fromkeys(
        ("default/web", "default/batch-0", "default/batch-1"), "InForce"
    )
    fs.write("kubepods", "cpu.weight", "5")
    assert "somebody else made it 5" in qos("diff", code=1)
    assert "--force-conflicts" in qos("apply", "-f", "-", stdin=WEB, code=1)
    assert "cgroup/kubepods configured" in qos("apply", "-f", "-", "--force-conflicts", stdin=WEB)
    assert "pod/default/batch-0 removed" in qos("delete", "batch-0")
    assert "no such pod" in qos("delete", "batch-0", code=2)
    assert "pod/default/web removed" in qos("delete", "-l", "app=web")
    qos("delete", "--all")
    assert list(fs.walk()) == [""]


def test_a_dry_run_on_the_host_writes_nothing(qos: Typed, fs: CgroupFS) -> None:
    """It says what would be, and the tree and the state are as before."""
    assert "pod/default/web created (dry run)" in qos("apply", "-f", "-", "--dry-run", "host", stdin=WEB)
    assert list(fs.walk()) == [""]


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "x" * 300, "p\u043ed"])
def test_no_name_of_a_manifest_leads_out(qos: Typed, fs: CgroupFS, name: str) -> None:
    """A pod or container of such a name is refused, or spelled into a safe component below the tree."""
    outside = CgroupFS(fs.root.parent)
    before = set(outside.children())
    for pod in (
        WEB.replace("name: web", f"name: {json.dumps(name)}"),
        WEB.replace("nginx", json.dumps(name)),
    ):
        for command in (("apply", "-f", "-"), ("delete", "--all")):
            program = str(Path(sys.executable).with_name("qos"))
            words = [program, *command, *qos._options]
            done = subprocess.run(words, input=pod, capture_output=True, text=True, check=False)
            assert done.returncode in (0, 2)
            assert "Traceback" not in done.stderr
            assert set(outside.children()) == before
    assert list(fs.walk()) == [""]

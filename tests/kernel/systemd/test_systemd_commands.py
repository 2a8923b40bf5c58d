"""`qos apply --cgroup-driver systemd` as typed: diff, get and delete follow it, a daemon-reload keeps it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from applying import settings

from enforcer.cgroupfs import CgroupFS
from enforcer.systemd import RESET_BY_SYSTEMD
from enforcer.systemd_bus import SystemdBus

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: nginx, image: x, resources: {requests: {cpu: 33m}, limits: {cpu: 333m, memory: 128Mi}}}
"""
OF_SYSTEMD = ("--cgroup-driver", "systemd")


@pytest.fixture
def bus() -> Iterator[SystemdBus]:
    """A connection to systemd; nothing of a failed test is left."""
    with SystemdBus() as connection:
        yield connection
        connection.stop("kubepods.slice")


class Typed:
    """Runs `qos` with the test's own state, over the whole tree."""

    def __init__(self, state: Path) -> None:
        self._program = str(Path(sys.executable).with_name("qos"))
        self._options = ["--state-dir", str(state)]

    def __call__(self, *words: str, code: int = 0) -> str:
        """What it printed; its exit code is checked."""
        command = [self._program, *words, *self._options]
        done = subprocess.run(command, input=WEB, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *words: str, code: int = 0) -> Any:
        """What it printed, as data."""
        return json.loads(self(*words, "-o", "json", code=code))


@pytest.fixture
def qos(tmp_path: Path, bus: SystemdBus) -> Typed:
    """The command."""
    del bus  # stops what a failed test left
    return Typed(tmp_path / "s")


def values(applied: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(path, file) → text of everything an apply wrote."""
    return {(v["path"], v["file"]): v["wanted"] for each in applied["objects"] for v in each["values"]}


def outside(fs: CgroupFS) -> dict[str, dict[str, str]]:
    """The settings of every cgroup that is not systemd's own coming and going."""
    return {cgroup: files for cgroup, files in settings(fs).items() if not cgroup.startswith("system.slice")}


def test_what_is_applied_through_systemd_survives_a_daemon_reload(qos: Typed, bus: SystemdBus) -> None:
    """Every value but those systemd is known to reset is read back the same; an apply repairs these."""
    with CgroupFS() as tree:
        before = outside(tree)
        written = values(qos.json("apply", "-f", "-", *OF_SYSTEMD))
        assert {path.partition("/")[0] for path, _ in written} == {"kubepods.slice"}
        assert ("34000 100000") in {text for (_, file), text in written.items() if file == "cpu.max"}
        assert qos("diff") == ""
        live = {key: tree.read(*key) for key in written}
        bus.reload()
        lost = {file for (path, file), text in live.items() if tree.read(path, file) != text}
        assert lost <= RESET_BY_SYSTEMD
        if lost:
            qos("diff", code=1)
        qos("apply", "-f", "-")
        assert qos("diff") == ""
        assert {key: tree.read(*key) for key in written} == live
        qos("delete", "--all")
        assert outside(tree) == before
    assert not bus.is_active("kubepods.slice")


def test_the_driver_is_remembered_and_not_mixed(qos: Typed) -> None:
    """Get and delete need no option after an apply; the other driver is refused while pods are in force."""
    qos("apply", "-f", "-", *OF_SYSTEMD)
    (pod,) = qos.json("get")
    assert pod["status"] == "InForce"
    assert "--cgroup-driver" in qos("apply", "-f", "-", "--cgroup-driver", "cgroupfs", code=2)
    assert "systemd-run --scope" in qos("apply", "-f", "-", "--run", code=2)
    qos("delete", "web")
    assert "kubepods " in qos("apply", "-f", "-", "--cgroup-driver", "cgroupfs")
    with CgroupFS() as tree:
        assert tree.exists("kubepods/burstable")
    qos("delete", "--all")


def test_a_scope_in_a_pods_slice_holds_its_processes(qos: Typed) -> None:
    """systemd-run puts a command into the slice that `qos get` names; `qos delete` refuses it then."""
    qos("apply", "-f", "-", *OF_SYSTEMD)
    (pod,) = qos.json("get")
    unit = pod["cgroup"].rpartition("/")[2]
    command = ["systemd-run", "--scope", "--quiet", f"--slice={unit}", "sh", "-c", "echo in; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as scope:
        assert scope.stdout is not None
        assert scope.stdout.readline() == "in\n"
        with CgroupFS() as tree:
            assert tree.is_populated(pod["cgroup"])
        assert "process" in qos("delete", "web", code=2)
        scope.communicate()
    qos("delete", "--all", "--kill")

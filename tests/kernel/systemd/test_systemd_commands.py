"""`qos apply --cgroup-driver systemd` as typed: diff, get and delete follow it, a daemon-reload keeps it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from applying import settings
from typed import Typed

from enforcer.cgroupfs import CgroupFS
from enforcer.layout import INSIDE
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


@pytest.fixture(autouse=True)
def _manifest(qos: Typed) -> None:
    qos.manifest = WEB


def values(applied: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(path, file) → text of everything an apply wrote."""
    return {(v["path"], v["file"]): v["wanted"] for each in applied["objects"] for v in each["values"]}


def place(path: str, file: str) -> tuple[str, str]:
    """Where the file is in the tree: memory.oom.group of a container lies inside its service."""
    inside = file == "memory.oom.group" and path.endswith(".service")
    return f"{path}/{INSIDE}" if inside else path, file


def outside(fs: CgroupFS) -> dict[str, dict[str, str]]:
    """The settings of every cgroup that is not systemd's own coming and going."""
    return {cgroup: files for cgroup, files in settings(fs).items() if not cgroup.startswith("system.slice")}


def test_what_is_applied_through_systemd_survives_a_daemon_reload(qos: Typed, bus: SystemdBus) -> None:
    """Every value is read back the same, and there is nothing to apply; delete leaves the tree as it was."""
    with CgroupFS() as tree:
        before = outside(tree)
        written = values(qos.json("apply", "-f", "-", *OF_SYSTEMD))
        assert {path.partition("/")[0] for path, _ in written} == {"kubepods.slice"}
        assert ("34000 100000") in {text for (_, file), text in written.items() if file == "cpu.max"}
        assert qos("diff") == ""
        assert "memory.oom.group" in {file for _, file in written}
        live = {key: tree.read(*place(*key)) for key in written}
        bus.reload()
        assert {key: tree.read(*place(*key)) for key in written} == live
        assert qos("diff") == ""
        again = qos.json("apply", "-f", "-")
        assert {each["outcome"] for each in again["objects"]} == {"unchanged"}
        qos("delete", "--all")
        assert outside(tree) == before
    assert not bus.is_active("kubepods.slice")


def test_the_driver_is_remembered_and_not_mixed(qos: Typed) -> None:
    """Get and delete need no option after an apply; the other driver is refused while pods are in force."""
    qos("apply", "-f", "-", *OF_SYSTEMD)
    (pod,) = qos.json("get")
    assert pod["status"] == "InForce"
    assert "--cgroup-driver" in qos("apply", "-f", "-", "--cgroup-driver", "cgroupfs", code=2)
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

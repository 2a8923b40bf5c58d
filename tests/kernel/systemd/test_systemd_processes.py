"""Processes under the systemd driver: started, frozen, killed, restarted, adopted and given back as typed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from applying import settings
from conftest import wait_until
from typed import Typed

from enforcer.cgroupfs import CgroupFS
from enforcer.layout import Layout
from enforcer.systemd_bus import SystemdBus
from qos.model.cgroup import CgroupName

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, uid: 11111111-2222-3333-4444-555555555555}
spec:
  containers:
  - {name: app, image: x, command: [sleep, "1000"], resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}}}
  - {name: log, image: x, command: [sleep, "1000"]}
"""
OF_SYSTEMD = ("--cgroup-driver", "systemd")
LAYOUT = Layout("systemd")
POD_CGROUP = "kubepods/burstable/pod11111111-2222-3333-4444-555555555555"


def inside(container: str) -> str:
    """Where the container's processes are."""
    return LAYOUT.processes_path(CgroupName(f"{POD_CGROUP}/{container}"))


def is_empty(tree: CgroupFS, container: str) -> bool:
    """Whether no process is left in it."""
    return not tree.is_populated(inside(container))


@pytest.fixture
def running(qos: Typed) -> Typed:
    """The pod's containers, started."""
    qos.manifest = POD
    qos("apply", "-f", "-", "--run", *OF_SYSTEMD)
    return qos


def outside(tree: CgroupFS) -> dict[str, dict[str, str]]:
    """The settings of every cgroup that is not systemd's own coming and going."""
    return {
        cgroup: files for cgroup, files in settings(tree).items() if not cgroup.startswith("system.slice")
    }


def test_started_reloaded_and_given_back(qos: Typed, bus: SystemdBus) -> None:
    """One process a container, inside its service, also after a reload; delete refuses, then kills all."""
    qos.manifest = POD
    with CgroupFS() as tree:
        before = outside(tree)
        qos("apply", "-f", "-", "--run", *OF_SYSTEMD)
        pids = {container: tree.procs(inside(container)) for container in ("app", "log")}
        assert [len(found) for found in pids.values()] == [1, 1]
        bus.reload()
        assert {container: tree.procs(inside(container)) for container in pids} == pids
        assert qos("diff") == ""
        qos("apply", "-f", "-", "--run")
        assert {container: tree.procs(inside(container)) for container in pids} == pids
        assert "process" in qos("delete", "web", code=2)
        qos("delete", "web", "--kill")
        assert outside(tree) == before
    assert not bus.is_active("kubepods.slice")


def test_controlled_by_pod_and_by_container(running: Typed) -> None:
    """Frozen and thawed as a whole, killed one alone, restarted as another process in the same cgroup."""
    with CgroupFS() as tree:
        running("freeze", "web")
        assert "frozen 1" in tree.read(inside("app"), "cgroup.events")
        running("thaw", "web")
        assert "frozen 0" in tree.read(inside("app"), "cgroup.events")
        running("kill", "web:log")
        assert is_empty(tree, "log")
        assert not is_empty(tree, "app")
        before = tree.procs(inside("app"))
        running("restart", "web")
        after = tree.procs(inside("app"))
        assert len(after) == 1
        assert after != before
        assert len(tree.procs(inside("log"))) == 1
    running("delete", "web", "--kill")


def test_one_command_is_run_and_nothing_is_left(qos: Typed, bus: SystemdBus) -> None:
    """`qos run` starts it inside its service, with its limits; the exit code is the command's."""
    look = "import sys; print(open('/proc/self/cgroup').read().strip()); sys.exit(7)"
    with CgroupFS() as tree:
        before = outside(tree)
        words = ("run", *OF_SYSTEMD, "--name", "one", "--memory-limit", "64Mi", "--", "python3", "-c", look)
        said = qos(*words, code=7)
        assert "0::/\n" in said  # the root of its own namespace
        assert "podrun_one-python3.service" in said
        assert outside(tree) == before
    assert not bus.is_active("kubepods.slice")


def test_what_runs_already_is_adopted_and_given_back(qos: Typed) -> None:
    """A process moves inside the container's service, and back where it was with delete."""
    with subprocess.Popen(["sleep", "1000"]) as sleeper, CgroupFS() as tree:
        before = Path(f"/proc/{sleeper.pid}/cgroup").read_text()
        done = qos.json("adopt", "--pid", str(sleeper.pid), "--name", "old", *OF_SYSTEMD)
        assert tree.procs(f"{done['cgroup']}/container") == (sleeper.pid,)
        qos("delete", "old")
        assert Path(f"/proc/{sleeper.pid}/cgroup").read_text() == before
        sleeper.kill()


def test_a_watch_starts_again_what_was_killed(qos: Typed, tmp_path: Path) -> None:
    """By restartPolicy Always another process in the same cgroup, by `apply --run --watch`."""
    manifest = tmp_path / "web.yaml"
    manifest.write_text(POD)
    with (
        CgroupFS() as tree,
        subprocess.Popen(qos.words("apply", "-f", str(manifest), "--run", "--watch", *OF_SYSTEMD)) as watch,
    ):
        wait_until(
            lambda: tree.exists(inside("log")) and len(tree.procs(inside("log"))) == 1, "it runs", 60.0
        )
        (pid,) = tree.procs(inside("log"))
        qos("kill", "web:log")
        wait_until(lambda: len(tree.procs(inside("log"))) == 1, "it runs again", 60.0)
        assert tree.procs(inside("log")) != (pid,)
        watch.terminate()
    qos("delete", "web", "--kill")

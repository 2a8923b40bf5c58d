"""restartPolicy of real commands under `qos apply --run --watch`, on a real kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wait_until

from enforcer.cgroupfs import CgroupFS
from qos.experiment.desired import Desired, read_asked
from qos.experiment.enforce import Choice, Host
from qos.experiment.listing import Listed, listing
from qos.experiment.run import restart
from qos.experiment.status import statuses
from qos.experiment.watch import watch

pytestmark = pytest.mark.many_starts
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {policy}
  containers:
  - name: app
    command: [{shell}, -c, "{script}"]
    resources: {{requests: {{cpu: 50m, memory: 32Mi}}, limits: {{memory: 64Mi}}}}
---
"""


@pytest.fixture
def host(fs: CgroupFS, tmp_path: Path) -> Iterator[Host]:
    """This guest, in a cgroup of the test's own; everything is given back in the end."""
    with Host(fs.root, tmp_path / "state") as one:
        yield one
        one.delete(Choice(everything=True), kill=True)
    assert fs.children() == ()


def _applied(host: Host, folder: Path, *pods: tuple[str, ...]) -> Desired:
    """Pods of (name, restartPolicy, script[, shell])."""
    manifest = folder / "pods.yaml"
    manifest.write_text(
        "".join(
            POD.format(name=name, policy=policy, script=script, shell=[*shell, "sh"][0])
            for name, policy, script, *shell in pods
        )
    )
    wanted = host.desired(read_asked([manifest]))
    host.apply(wanted)
    return wanted


def _listed(host: Host) -> dict[str, Listed]:
    return {each.name: each for each in listing(host, Choice(everything=True))}


def _restarts(host: Host) -> int | None:
    known = statuses(host.objects()).get("default/web:app")
    return None if known is None else known.restarts


def test_containers_come_back_as_their_policy_says(host: Host, fs: CgroupFS, tmp_path: Path) -> None:
    """Always and OnFailure after a failure, at once and then after 10 s, in the same network; others end."""
    wanted = _applied(
        host,
        tmp_path,
        ("crash", "Always", "readlink /proc/self/ns/net; exit 3"),
        ("fails", "OnFailure", "exit 4"),
        ("done", "OnFailure", "exit 0"),
        ("never", "Never", "exit 5"),
        ("stays", "Always", "exec sleep 1000"),
    )
    logs, told = tmp_path / "logs", list[str]()
    watch(host, wanted, (), told.append, logs=logs, run=True, seconds=25)  # the third death waits 20 s
    seen = _listed(host)
    assert {name: (one.status, one.restarts) for name, one in seen.items()} == {
        "default/crash": ("CrashLoopBackOff", 2),
        "default/fails": ("CrashLoopBackOff", 2),
        "default/done": ("InForce", 0),
        "default/never": ("Error", 0),
        "default/stays": ("InForce", 0),
    }, told
    assert seen["default/done"].containers["app"].state == "Completed"
    assert seen["default/crash"].containers["app"].exit_code == 3
    networks = {(logs / "default_crash" / f"app.{number}.log").read_text() for number in range(3)}
    assert len(networks) == 1, "the pod keeps its network while its container is gone"
    (stays,) = (each.cgroup for each in wanted.details.pods if each.pod.name == "stays")
    (before,) = fs.procs(f"{stays}/app")
    watch(host, wanted, (), told.append, logs=logs, run=True, seconds=1)
    seen = _listed(host)
    assert seen["default/crash"].restarts >= 3, "counted on"
    assert seen["default/never"].restarts == 0, "not started again by another apply --run"
    assert fs.procs(f"{stays}/app") == (before,), "it goes on without a watch, and the next one finds it"


def test_an_oom_kill_and_a_command_that_is_not_there(host: Host, tmp_path: Path) -> None:
    """Both are deaths with the codes Kubernetes gives them; the watch goes on."""
    hog = "python3 -I -S -c 'x = bytearray(200 << 20)'"
    wanted = _applied(host, tmp_path, ("hog", "Always", hog), ("odd", "Always", "exit 0", "/no/such/shell"))
    told: list[str] = []
    watch(host, wanted, (), told.append, logs=tmp_path / "logs", run=True, seconds=14)
    seen = _listed(host)
    assert seen["default/hog"].containers["app"].exit_code == 137
    assert seen["default/hog"].restarts >= 1
    assert seen["default/odd"].containers["app"].exit_code == 128
    assert any("exec: No such file or directory" in line for line in told)


def test_a_restart_by_hand_is_not_undone_by_the_watch(host: Host, fs: CgroupFS, tmp_path: Path) -> None:
    """`qos restart` counts once; the watch lets its process go on and restarts it when it ends in turn."""
    wanted = _applied(host, tmp_path, ("web", "Always", "exec sleep 1000"))
    cgroup = f"{wanted.details.pods[0].cgroup}/app"
    state = tmp_path / "state"
    where = ["--root", str(fs.root), "--state-dir", str(state)]
    argv = ["apply", "-f", str(tmp_path / "pods.yaml"), "--run", "--watch", *where]
    with subprocess.Popen(
        [Path(sys.prefix) / "bin" / "qos", *argv], stdout=subprocess.PIPE, text=True
    ) as watching:
        try:
            wait_until(lambda: _restarts(host) == 0, "the watch has written down that it runs", 120)
            started = restart(host, ["web"], state / "logs")
            assert watching.stdout is not None
            seen = next(line for line in watching.stdout if " restart " in line)
            assert seen.endswith("killed and started again by somebody else\n")
            assert fs.procs(cgroup) == (started["default/web:app"],)
            assert _restarts(host) == 1
            fs.write(cgroup, "cgroup.kill", "1")
            wait_until(lambda: _restarts(host) == 2, "it is back", 120)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 0
        finally:
            watching.kill()  # leaving the block waits for its end, also after a failure
    assert fs.is_populated(cgroup), "what was started goes on"
    assert _listed(host)["default/web"].containers["app"].exit_code == 255, "nobody told how the second ended"

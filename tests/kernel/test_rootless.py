"""`qos` as an ordinary user in a cgroup that was delegated to him, on a real kernel."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.controllers import enable
from enforcer.launch import Command, launch
from enforcer.security import Credentials
from enforcer.syscalls import MS_BIND, mount
from qos.errors import HostError

USER = 4321
DELEGATED = ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")
POD = """
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  restartPolicy: Never
  containers:
  - name: first
    command: [sh, -c, "readlink /proc/self/ns/net; id -u; echo $$$$; cat /proc/self/cgroup; exec sleep 1000"]
    resources: {requests: {cpu: 50m}}
  - name: second
    command: [sh, -c, "readlink /proc/self/ns/net; id -u; id -g; touch /forbidden; echo $?; exec sleep 1000"]
    securityContext: {runAsUser: 1000, runAsGroup: 50, readOnlyRootFilesystem: true}
"""
pytestmark = pytest.mark.many_starts
Qos = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def python() -> Iterator[list[str]]:
    """This Python where an ordinary user may read it, wherever it is installed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "python").mkdir()
    mount(sys.base_prefix, str(folder / "python"), None, MS_BIND)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield [str(folder / "python" / "bin" / name), "-B", "-c", "from qos.cli.app import main; main()"]
    os.system(f"umount -l {folder / 'python'}")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(fs: CgroupFS) -> Iterator[Path]:
    """A folder of the user's own; the cgroup ``mine`` is delegated to him."""
    fs.create("mine")
    enable(fs, "mine", fs.controllers())
    for file in DELEGATED:
        os.chown(fs.root / "mine" / file, USER, USER)
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, USER, USER)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def qos(fs: CgroupFS, python: list[str], home: Path) -> Qos:
    """Runs `qos` as the user, from right inside the delegated cgroup, as in a systemd scope."""

    def run(*words: str) -> tuple[int, str]:
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{Path.cwd()}:{sysconfig.get_path('purelib')}",
            "XDG_RUNTIME_DIR": str(home),
            "HOME": str(home),
            "COLUMNS": "200",
        }
        command = Command(
            (*python, *words),
            env=env,
            who=Credentials(USER, USER, frozenset()),
            new_namespaces=frozenset(),
            working_dir=str(home),
        )
        where = "mine" if not fs.read("mine", "cgroup.subtree_control").strip() else "mine/qos-aside"
        with (home / "output").open("w+b") as output:
            fd = output.fileno()
            with launch(fs, where, command, stdout=fd, stderr=fd) as child:
                code = child.wait(300.0)
        return code, (home / "output").read_text()

    return run


def test_run_is_root_in_its_own_user_namespace_only(fs: CgroupFS, qos: Qos) -> None:
    """The command sees itself as 0, its files are the user's; what it lacks is told, and nothing is left."""
    script = "id -u; cat /proc/self/uid_map; cat /proc/self/setgroups; touch mine; hostname; mkdir /mnt/x"
    code, output = qos(
        "run", "--class", "guaranteed", "--cpu", "100m", "--memory", "64Mi", "--", "sh", "-c", script
    )
    assert code == 1, output
    lines = [" ".join(line.split()) for line in output.splitlines() if not line.startswith("qos: ")]
    assert lines[:3] == ["0", f"0 {USER} 1", "deny"]
    assert lines[3].startswith("sh-")
    assert "cannot create directory" in lines[4]
    assert "gets oom_score_adj 0 instead of -997: only root may lower it" in output
    assert fs.children("mine") == ()
    assert fs.read("mine", "cgroup.subtree_control").strip() == ""


def test_containers_of_a_pod_share_a_network(fs: CgroupFS, qos: Qos, home: Path) -> None:
    """Two containers, one network and user namespace; runAsUser and readOnlyRootFilesystem are honoured."""
    manifest = home / "pod.yaml"
    manifest.write_text(POD)
    code, output = qos("apply", "-f", str(manifest), "--run")
    assert code == 0, output
    first, second = _log(home, "first", 4), _log(home, "second", 5)
    assert first[0] == second[0]
    assert first[0] != str(Path("/proc/self/ns/net").readlink())
    assert first[1:3] == ["0", "1"]
    assert first[3].endswith("/")
    assert second[1:3] == ["1000", "50"]
    assert second[-1] == "1"
    assert any("Read-only file system" in line for line in second)
    code, output = qos("delete", "--all", "--kill")
    assert code == 0, output
    assert fs.children("mine") == ()


def test_what_only_root_can_do_is_refused_before_anything_starts(qos: Qos, home: Path) -> None:
    """Bandwidth needs root: one clear line, exit code 2, no process; doctor says so beforehand."""
    manifest = home / "pod.yaml"
    limited = "metadata: {name: two, annotations: {kubernetes.io/egress-bandwidth: 10M}}"
    manifest.write_text(POD.replace("metadata: {name: two}", limited))
    code, output = qos("apply", "-f", str(manifest), "--run")
    assert code == 2
    assert "pod default/two: bandwidth limits need root" in output
    assert "Traceback" not in output
    code, output = qos("doctor")
    assert "an ordinary user: no bandwidth of pods, no oom_score_adj below 0" in output
    assert "an ordinary user may make them" in output


def test_outside_of_what_is_delegated_nothing_starts(fs: CgroupFS) -> None:
    """A cgroup that is not his: refused in words by the kernel's own check."""
    fs.create("theirs")
    pid = os.fork()
    if pid == 0:
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        try:
            launch(fs, "theirs", Command(("true",), new_namespaces=frozenset({"user"})))
        except HostError as error:
            os._exit(0 if "not delegated to this user" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _log(home: Path, container: str, length: int) -> list[str]:
    (file,) = (home / "qos" / "logs" / "default_two").glob(f"{container}*.log")
    lines: list[str] = []

    def is_complete() -> bool:
        lines[:] = file.read_text().splitlines()
        return len(lines) >= length

    wait_until(is_complete, f"{container} has written its lines")
    return lines

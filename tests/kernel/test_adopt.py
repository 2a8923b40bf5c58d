"""`qos adopt`: processes that run already, made a pod's and given back, on a real kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import wait_until

from enforcer.cgroupfs import CgroupFS
from enforcer.control import kill
from enforcer.controllers import enable
from enforcer.launch import Child, Command, launch
from enforcer.procfs import ProcFS
from qos.cli.app import main
from qos.errors import InputError
from qos.experiment.adopt import adopt, adopted_pids
from qos.experiment.desired import read_asked
from qos.experiment.enforce import Choice, Host
from qos.experiment.run import Wish

MARK = "1003.5"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: app, image: x, resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}}}]}
"""


@pytest.fixture
def host(fs: CgroupFS, tmp_path: Path) -> Iterator[Host]:
    """This guest, qos working in a cgroup of the test's own; what runs already lies beside it."""
    fs.create("qos")
    enable(fs, "qos", fs.controllers())
    with Host(fs.root / "qos", tmp_path / "state") as one:
        yield one
        one.delete(Choice(everything=True), kill=True)
    assert fs.children("qos") == ()


@pytest.fixture
def running(fs: CgroupFS) -> Iterator[Child]:
    """A shell that forks a `sleep` when it is told to (SIGUSR1), in a cgroup of its own."""
    fs.create("before")
    script = f"trap 'sleep {MARK} &' USR1; while :; do sleep {MARK}; done"
    command = Command(("sh", "-c", script), oom_score_adj=100, new_namespaces=frozenset())
    with launch(fs, "before", command) as child:
        wait_until(lambda: len(fs.procs("before")) == 2, "the shell has its sleep")
        yield child
        if fs.procs("before"):
            kill(fs, "before")
        child.wait(30.0)


@pytest.mark.parametrize("way", ["pid", "cgroup", "command"])
def test_it_is_found_moved_and_moved_back_by_delete(
    fs: CgroupFS, host: Host, running: Child, way: str
) -> None:
    """Every process meant is in the pod's cgroup with its oom_score_adj; delete makes all as it was."""
    proc = ProcFS()
    before = fs.procs("before")
    what = {"pid": str(running.pid), "cgroup": proc.cgroup(running.pid), "command": f"sleep {MARK}"}[way]
    wish = Wish((), name="old", requests={"cpu": "50m"}, limits={"memory": "64Mi"})
    done = adopt(host, way, what or "", into=None, wish=wish)  # type: ignore[arg-type]
    meant = {"pid": {running.pid}, "cgroup": set(before), "command": set(before)}[way]
    assert {one.pid for one in done.processes} == meant
    assert set(host.fs.procs(done.cgroup)) == meant
    assert host.fs.read(done.cgroup, "memory.max").strip() == str(64 << 20)
    given = {proc.read(pid, "oom_score_adj") for pid in meant}
    assert len(given) == 1
    assert given != {b"100\n"}
    assert adopted_pids(host.objects()) == {"default/old:main": tuple(sorted(meant))}
    host.delete(Choice(["old"]))
    assert set(fs.procs("before")) == set(before)
    assert {proc.read(pid, "oom_score_adj") for pid in before} == {b"100\n"}
    assert host.objects() == {}
    assert host.fs.children() == ()


def test_what_was_forked_since_goes_back_too(
    fs: CgroupFS, host: Host, running: Child, tmp_path: Path
) -> None:
    """Into a container that is in force; a child born there is given back with its parent."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(POD)
    host.apply(host.desired(read_asked([manifest])))
    done = adopt(host, "cgroup", ProcFS().cgroup(running.pid) or "", into="web", wish=Wish(()))
    assert done.container == "default/web:app"
    os.kill(running.pid, 10)
    for pid in done.processes:
        if pid.pid != running.pid:
            os.kill(pid.pid, 15)  # the shell's trap runs once its sleep is gone
    forked = lambda: set(host.fs.procs(done.cgroup)) - {one.pid for one in done.processes}  # noqa: E731
    wait_until(lambda: len(forked()) == 2, "two new ones are forked in the pod")
    assert fs.procs("before") == ()
    host.apply(host.desired(read_asked([manifest])))
    assert adopted_pids(host.objects()), "another apply does not forget them"
    host.delete(Choice(["web"]))
    assert len(fs.procs("before")) == 3


def test_a_cgroup_that_is_gone_is_told(fs: CgroupFS, host: Host, running: Child) -> None:
    """Nothing is left behind in the pod: the root cgroup takes what has no place to go back to."""
    adopt(host, "cgroup", ProcFS().cgroup(running.pid) or "", into=None, wish=Wish((), name="old"))
    fs.remove("before")
    result = host.delete(Choice(["old"]))
    assert any("is gone, it was moved to the root cgroup" in note for note in result.notes)
    assert host.fs.children() == ()
    assert ProcFS().cgroup(running.pid) == ""
    for pid in CgroupFS().procs(""):
        if MARK in " ".join(ProcFS().command_line(pid) or ()):
            os.kill(pid, 9)
    fs.create("before")


@pytest.mark.parametrize(
    ("way", "what", "words"),
    [
        ("pid", "1", "process 1 runs the machine"),
        ("pid", "web", "not a process number"),
        ("pid", "4194303", "no such process"),
        ("command", "(", "not a regular expression"),
        ("unit", "nginx", "not a unit"),
        ("pid", "self", "not a process number"),
    ],
)
def test_what_cannot_be_meant_is_refused(host: Host, way: str, what: str, words: str) -> None:
    """A clear word, and nothing was made."""
    with pytest.raises(InputError, match=words):
        adopt(host, way, what, into=None, wish=Wish((), name="old"))  # type: ignore[arg-type]
    assert host.fs.children() == ()


def test_nothing_is_adopted_twice(host: Host, running: Child) -> None:
    """A process of a pod stays that pod's."""
    adopt(host, "pid", str(running.pid), into=None, wish=Wish((), name="old"))
    with pytest.raises(InputError, match="in a pod of qos already"):
        adopt(host, "pid", str(running.pid), into=None, wish=Wish((), name="new"))
    host.delete(Choice(["old"]))


def test_the_command_line(
    fs: CgroupFS, host: Host, running: Child, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run moves nothing; then JSON says what was moved; exactly one way must be given."""
    where = ["--root", str(host.fs.root), "--state-dir", str(tmp_path / "state")]
    main_of = _main(capsys)
    code, _, talk = main_of("adopt", "--pid", "5", "--unit", "a.service", *where)
    assert code == 2
    assert "one of --pid, --unit, --cgroup, --command" in talk
    code, out, talk = main_of("adopt", "--pid", str(running.pid), "--name", "old", "--dry-run", *where)
    assert code == 0
    assert "1 processes would be adopted by pod/default/old:main" in talk
    assert str(running.pid) in out
    assert running.pid in fs.procs("before")
    code, out, _ = main_of("adopt", "--pid", str(running.pid), "--name", "old", "-o", "json", *where)
    assert code == 0
    assert json.loads(out)["processes"][0]["pid"] == running.pid
    assert running.pid not in fs.procs("before")
    assert main_of("delete", "old", *where)[0] == 0
    assert running.pid in fs.procs("before")


def _main(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run

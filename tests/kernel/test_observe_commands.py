"""`qos run`, `top`, `freeze`, `thaw`, `kill`, `restart` and `record` as typed, on a real kernel."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import cpu_usage_usec, wait_until

from enforcer.cgroupfs import CgroupFS
from qos.record.store import read_recording

pytestmark = pytest.mark.many_starts
MAIN = """
import sys
from qos.cli import app, control, record, run, top
known = {command.callback.__name__ for command in app.app.registered_commands}
if "run" not in known:
    app.app.command(context_settings=run.CONTEXT)(run.run)
for command in (control.freeze, control.thaw, control.kill, control.restart, top.top, record.record):
    if command.__name__ not in known:
        app.app.command()(command)
app.main(sys.argv[1:])
"""
SPIN = "while True: pass"


class Qos:
    """The command line on a tree and a record of the test's own."""

    def __init__(self, root: Path, state: Path, repository: Path) -> None:
        self._here = ["--root", str(root), "--state-dir", str(state)]
        self._repository = repository

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        where = [] if words[0] == "report" else self._here
        return [sys.executable, "-c", MAIN, words[0], *where, *words[1:]]

    def __call__(self, *words: str, code: int = 0) -> str:
        """Runs a command to its end; its standard output."""
        done = subprocess.run(
            self._argv(words), cwd=self._repository, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        self.errors = done.stderr
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command; its standard error can be read."""
        return subprocess.Popen(self._argv(words), cwd=self._repository, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def qos(fs: CgroupFS, tmp_path: Path, repository: Path) -> Qos:
    """The command line, in the test's own cgroup."""
    return Qos(fs.root, tmp_path / "state", repository)


@pytest.fixture
def web(fs: CgroupFS, qos: Qos) -> Iterator[str]:
    """A pod that spins under half a CPU, kept by a `qos run`; the cgroup of its container."""
    process = qos.begin(
        "run", "--class", "burstable", "--cpu", "250m", "--memory", "64Mi", "--cpu-limit", "500m",
        "--name", "web", "--", "python3", "-I", "-S", "-c", SPIN,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r"is Burstable, in (\S+)", said)
    assert found, said + process.stderr.read()
    yield str(Path(found[1]).relative_to(fs.root))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert fs.children() == (), "everything is given back"


class TestRun:
    @pytest.mark.parametrize(
        ("words", "cgroup"),
        [
            (("--class", "guaranteed", "--cpu", "100m", "--memory", "64Mi"), r"kubepods/pod[^/]+/cat"),
            (("--class", "burstable", "--cpu", "100m"), r"kubepods/burstable/pod[^/]+/cat"),
        ],
    )
    def test_a_command_runs_in_the_cgroup_of_its_class(
        self, fs: CgroupFS, qos: Qos, words: tuple[str, ...], cgroup: str
    ) -> None:
        """It sees itself at the root of its own; its output is the user's; nothing is left after it."""
        assert qos("run", *words, "--", "cat", "/proc/self/cgroup") == "0::/\n"
        assert re.search(rf"in {fs.root}/{cgroup}\n", qos.errors), qos.errors
        assert fs.children() == ()

    def test_exit_codes_are_the_command_s(self, qos: Qos) -> None:
        """Its own, or 128 + n of the signal that ended it."""
        qos("run", "--", "python3", "-I", "-S", "-c", "raise SystemExit(7)", code=7)
        hog = "x = bytearray(64 << 20); x[::4096] = x[::4096].replace(b'\\0', b'\\1')"
        qos(
            "run",
            "--memory",
            "16Mi",
            "--memory-limit",
            "16Mi",
            "--",
            "python3",
            "-I",
            "-S",
            "-c",
            hog,
            code=137,
        )

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            (
                ("--class", "guaranteed", "--cpu", "1", "--", "true"),
                "--class: with these resources the pod is",
            ),
            (("--", "no-such-command"), "no-such-command: exec"),
        ],
    )
    def test_what_cannot_be_is_one_line_and_nothing_is_left(
        self, fs: CgroupFS, qos: Qos, words: tuple[str, ...], error: str
    ) -> None:
        """Exit code 2, no traceback, no cgroup."""
        qos("run", *words, code=2)
        assert error in qos.errors
        assert "Traceback" not in qos.errors
        assert fs.children() == ()

    def test_a_recorded_run_makes_a_report(self, qos: Qos, tmp_path: Path) -> None:
        """The five-minute walk: run, and a page of it."""
        work = "import time\nend = time.process_time() + 1.0\nwhile time.process_time() < end: pass"
        folder = tmp_path / "run"
        qos(
            "run", "--cpu-limit", "500m", "--name", "burn", "--record", str(folder), "--",
            "python3", "-I", "-S", "-c", work,
        )  # fmt: skip
        recording = read_recording(folder)
        (record,) = recording.pods
        usage = recording.samples.column("cpu_stat_usage_usec", record["cgroup"])
        assert usage[-1] > 1e6
        throttled = recording.samples.column("cpu_stat_nr_throttled", record["cgroup"])
        assert throttled[-1] > 5
        qos("report", str(folder), "--out", str(tmp_path / "page.html"))
        assert (tmp_path / "page.html").stat().st_size > 100_000


class TestTop:
    def test_one_shot_as_json_and_as_a_table(
        self, qos: Qos, web: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Use is at the limit, its own quota is the cause, and the table fits 80 columns."""
        del web
        (row,) = json.loads(qos("top", "-o", "json", "--interval", "2s"))
        assert row["name"] == "web:python3"
        assert row["qos_class"] == "Burstable"
        assert row["cpu"] == pytest.approx(0.5, abs=0.1)
        assert (row["cpu_request"], row["cpu_limit"]) == (0.25, 0.5)
        assert row["throttled_own"] > 0.5
        assert row["oom_kills"] == 0
        monkeypatch.setenv("COLUMNS", "80")
        lines = qos("top", "--sort", "memory").splitlines()
        assert max(map(len, lines)) <= 80
        assert " ".join(lines[0].split()) == "NAME QOS CPU REQ/LIM THR-OWN ABOVE WAIT MEM REQ/LIM OOM RST"
        assert "web:python3" in lines[1]

    def test_no_pod_and_no_column(self, qos: Qos) -> None:
        """Both are said in one line."""
        qos("top", "-o", "json", code=2)
        assert "qos manages no pod" in qos.errors
        qos("top", "--sort", "beauty", code=2)
        assert "no such column" in qos.errors


class TestControl:
    def test_freeze_thaw_kill(self, fs: CgroupFS, qos: Qos, web: str) -> None:
        """One command each; frozen means not a microsecond of CPU."""
        assert qos("freeze", "web") == "pod/default/web frozen\n"
        before = cpu_usage_usec(fs, web)
        assert json.loads(qos("top", "-o", "json"))[0]["frozen"] is True
        assert cpu_usage_usec(fs, web) == before
        assert qos("thaw", "default/web") == "pod/default/web thawed\n"
        wait_until(lambda: cpu_usage_usec(fs, web) > before + 20_000, "it runs again")
        killed = json.loads(qos("kill", "pod/default/web:python3", "-o", "json"))
        assert (killed["object"], killed["done"]) == ("pod/default/web:python3", "killed")

    def test_a_selector_that_names_nothing(self, qos: Qos) -> None:
        """One line that says so."""
        qos("kill", "wbe", code=2)
        assert "no such pod or container here" in qos.errors

    def test_restart_starts_the_command_again_in_its_cgroup(self, fs: CgroupFS, qos: Qos, web: str) -> None:
        """Another process, the same cgroup; the `qos run` that keeps it waits for the new one."""
        (old,) = fs.procs(web)
        assert qos("restart", "web") == "pod/default/web:python3 restarted\n"
        (new,) = fs.procs(web)
        assert new != old
        assert Path(f"/proc/{new}/cmdline").read_bytes().split(b"\0")[-2] == SPIN.encode()


class TestRecord:
    def test_pods_of_qos(self, fs: CgroupFS, qos: Qos, web: str, tmp_path: Path) -> None:
        """Readings at the interval, of the container, the cgroups above it and the machine."""
        qos("record", "-o", str(tmp_path / "r"), "--interval", "200ms", "--duration", "1s")
        recording = read_recording(tmp_path / "r")
        samples = recording.samples
        assert samples.source == "measured"
        assert samples.cgroups[0] == ""
        assert web in samples.cgroups
        assert len(samples.times) >= 4
        assert samples.increase("cpu_stat_usage_usec")[samples.cgroups.index(web)] > 0  # type: ignore[arg-type]
        assert recording.files[web]["cpu.max"] == "50000 100000"  # type: ignore[index]
        assert fs.read(web, "cpu.max") == "50000 100000\n"
        (pid,) = fs.procs(web)
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) in range(3, 1000)

    def test_any_cgroup_until_it_is_told_to_stop(
        self, fs: CgroupFS, qos: Qos, make: Callable[..., str], tmp_path: Path
    ) -> None:
        """Ctrl-C ends the recording and keeps it."""
        make("other", {"memory.max": "max"})
        process = qos.begin("record", "-o", str(tmp_path / "r"), "--interval", "50ms", "--cgroup", "other")
        wait_until(
            lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) > 12, "it has opened the files"
        )
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "other" in read_recording(tmp_path / "r").samples.cgroups
        assert fs.exists("other")

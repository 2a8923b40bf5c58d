"""Commands launched straight into their cgroup, on a real kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enforcer.adopt import adopt, find, release
from enforcer.cgroupfs import CgroupFS
from enforcer.control import kill
from enforcer.launch import Child, Command, launch
from enforcer.procfs import ProcFS
from enforcer.security import Credentials, credentials
from qos.errors import HostError, InputError
from qos.model.pod import Capabilities, SecurityContext

Make = Callable[..., str]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(fs: CgroupFS, make: Make) -> Run:
    """Runs a command in a fresh cgroup to its end: exit code and output."""

    def run_command(*argv: str, **options: object) -> tuple[int, str]:
        cgroup = make("run")
        reader, writer = os.pipe()
        with launch(fs, cgroup, Command(argv, **options), stdout=writer, stderr=writer) as child:  # type: ignore[arg-type]
            os.close(writer)
            output = b""
            while chunk := os.read(reader, 65536):
                output += chunk
            os.close(reader)
            return child.wait(30.0), output.decode()

    return run_command


@pytest.fixture
def sleeper(fs: CgroupFS, make: Make) -> Iterator[Callable[..., Child]]:
    """Starts ``sleep`` in a cgroup; all are killed after the test."""
    children: list[tuple[str, Child]] = []

    def start(cgroup: str, *argv: str, **options: object) -> Child:
        command = Command(argv or ("sleep", "1000"), **options)  # type: ignore[arg-type]
        child = launch(fs, make(cgroup), command)
        children.append((cgroup, child))
        return child

    yield start
    for cgroup, child in children:
        kill(fs, cgroup)
        child.wait(30.0)
        child.close()


class TestInsideItsCgroup:
    def test_the_command_runs_in_its_cgroup(self, fs: CgroupFS, run: Run) -> None:
        """The command finds itself in its cgroup."""
        code, output = run("cat", "/proc/self/cgroup", new_namespaces=frozenset())
        assert code == 0
        assert output.strip().endswith(f"{fs.root.name}/run")

    def test_a_limit_of_no_tasks_refuses_the_fork_itself(self, fs: CgroupFS, make: Make) -> None:
        """With pids.max 0 clone3 fails: the cgroup is charged before the child exists."""
        cgroup = make("full", {"pids.max": "0"})
        with pytest.raises(HostError, match=r"pids\.max"):
            launch(fs, cgroup, Command(("true",)))
        assert fs.procs(cgroup) == ()

    def test_an_inner_cgroup_takes_no_process(self, fs: CgroupFS, make: Make) -> None:
        """A cgroup whose controllers are handed on to children is refused in words."""
        make("inner/leaf", {"memory.max": "max"})
        with pytest.raises(HostError, match="launch in a leaf"):
            launch(fs, "inner", Command(("true",)))

    def test_a_cgroup_that_was_killed_takes_processes_again(self, fs: CgroupFS, make: Make) -> None:
        """After cgroup.kill the same cgroup runs a new command, on kernels that kill clones into it too."""
        cgroup = make("again")
        for _ in range(3):
            with launch(fs, cgroup, Command(("sleep", "1000"))) as child:
                assert fs.procs(cgroup) == (child.pid,)
                kill(fs, cgroup)
                assert child.wait(30.0) == 128 + 9


class TestNamespaces:
    def test_the_parent_sees_the_child_and_the_child_does_not_see_the_parent(
        self, sleeper: Callable[..., Child]
    ) -> None:
        """The classic picture: one process, two numbers; PID 1 inside, an ordinary one outside."""
        child = sleeper("nested", "sleep", "1001")
        proc = ProcFS()
        assert proc.command_line(child.pid) == ("sleep", "1001")
        numbers = next(
            line.split()[1:]
            for line in (proc.read(child.pid, "status") or b"").decode().splitlines()
            if line.startswith("NSpid:")
        )
        assert numbers == [str(child.pid), "1"]

    def test_each_level_sees_only_what_is_below(self, fs: CgroupFS, make: Make, repository: Path) -> None:
        """A launcher inside a container launches again: the outer sees both, the inner only itself."""
        make("outer")
        program = (
            "import os, sys\n"
            f"sys.path.append({str(repository)!r})\n"
            "from enforcer.syscalls import fork_into, mount, CLONE_NEWPID, CLONE_NEWNS\n"
            "seen = lambda: sorted(int(n) for n in os.listdir('/proc') if n.isdigit())\n"
            "pid, _ = fork_into(None, CLONE_NEWPID | CLONE_NEWNS)\n"
            "if pid == 0:\n"
            "    mount('proc', '/proc', 'proc', 0)\n"
            "    print('inner', os.getpid(), seen(), flush=True)\n"
            "    os._exit(0)\n"
            "print('outer', os.getpid(), [1, pid] == seen(), flush=True)\n"
            "os.wait()\n"
        )
        reader, writer = os.pipe()
        who = credentials(None, SecurityContext(privileged=True))
        with launch(
            fs, "outer", Command(("python3", "-I", "-S", "-c", program), who=who), stdout=writer
        ) as child:
            os.close(writer)
            output = b""
            while chunk := os.read(reader, 65536):
                output += chunk
            os.close(reader)
            assert child.wait(30.0) == 0
        assert sorted(output.decode().splitlines()) == ["inner 1 [1]", "outer 1 True"]

    def test_proc_is_private(self, run: Run) -> None:
        """A process list inside shows the command alone, as PID 1."""
        code, output = run("ps", "ax", "-o", "pid=,args=")
        assert code == 0, output
        assert [line.split()[0] for line in output.splitlines()] == ["1"]

    def test_the_host_name_is_its_own(self, run: Run) -> None:
        """A new UTS namespace has the pod's name; the host keeps its own."""
        before = os.uname().nodename
        assert run("uname", "-n", hostname="pod-a") == (0, "pod-a\n")
        assert os.uname().nodename == before

    def test_the_cgroup_is_the_root_of_what_it_sees(self, run: Run) -> None:
        """/proc/self/cgroup says / and /sys/fs/cgroup shows the container's own files, read-only."""
        assert run("cat", "/proc/self/cgroup") == (0, "0::/\n")
        code, output = run("cat", "/sys/fs/cgroup/cgroup.procs")
        assert (code, output) == (0, "1\n")
        code, output = run("mkdir", "/sys/fs/cgroup/more")
        assert code != 0
        assert "Read-only" in output

    def test_containers_of_a_pod_share_its_network(self, sleeper: Callable[..., Child]) -> None:
        """A second container that joins the first's namespaces has the same ones."""
        first = sleeper("pod/first")
        proc = ProcFS()
        joined = {name: proc.open_namespace(first.pid, name) for name in ("net", "uts", "ipc")}
        second = sleeper("pod/second", new_namespaces=frozenset({"pid", "mnt"}), joined=joined)
        for name, fd in joined.items():
            inside = Path(f"/proc/{second.pid}/ns/{name}").stat().st_ino
            assert inside == os.fstat(fd).st_ino
            assert inside != Path(f"/proc/self/ns/{name}").stat().st_ino
            os.close(fd)

    def test_the_loopback_device_is_up(self, run: Run) -> None:
        """A new network namespace has a working 127.0.0.1."""
        program = (
            "import socket\n"
            "server = socket.create_server(('127.0.0.1', 0))\n"
            "client = socket.create_connection(server.getsockname())\n"
            "print('connected')\n"
        )
        assert run("python3", "-I", "-c", program) == (0, "connected\n")

    def test_an_init_buries_orphans_and_passes_the_exit_code_on(self, run: Run) -> None:
        """With init, PID 1 reaps a daemon whose parent left, and exits as the command does."""
        program = "import os, sys\nif os.fork() == 0: os._exit(0)\nprint(os.getpid())\nsys.exit(7)\n"
        assert run("python3", "-I", "-c", program, init=True) == (7, "2\n")


class TestSecurityContext:
    def test_user_and_group(self, run: Run) -> None:
        """RunAsUser and runAsGroup are who the process is, and its only groups."""
        who = credentials(None, SecurityContext(run_as_user=1234, run_as_group=1235))
        program = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"
        assert (
            run("python3", "-I", "-c", program, who=who)[1]
            == "(1234, 1234, 1234) (1235, 1235, 1235) [1235]\n"
        )

    @pytest.mark.parametrize(
        ("context", "mask"),
        [
            (None, 0xA80425FB),
            (SecurityContext(capabilities=Capabilities(drop=("ALL",))), 0),
            (SecurityContext(capabilities=Capabilities(drop=("ALL",), add=("NET_BIND_SERVICE",))), 1 << 10),
            (SecurityContext(capabilities=Capabilities(add=("CAP_SYS_NICE",))), 0xA80425FB | 1 << 23),
        ],
    )
    def test_capabilities_are_those_of_a_container(
        self, run: Run, context: SecurityContext | None, mask: int
    ) -> None:
        """The default set is containerd's; drop and add change it, for root and for all that is executed."""
        _, output = run("grep", "-E", "Cap(Prm|Eff|Bnd)", "/proc/self/status", who=credentials(None, context))
        assert {line.split()[1] for line in output.splitlines()} == {f"{mask:016x}"}

    def test_an_ordinary_user_has_no_capability(self, run: Run) -> None:
        """A container that does not run as root keeps none, as under runc."""
        who = credentials(None, SecurityContext(run_as_user=1000))
        _, output = run("grep", "CapEff", "/proc/self/status", who=who)
        assert output.split()[1] == "0" * 16

    def test_a_read_only_root_file_system_cannot_be_written(self, run: Run, tmp_path: Path) -> None:
        """The same command that writes a file fails with EROFS, and the host's mounts stay writable."""
        target = str(tmp_path / "file")
        assert run("touch", target)[0] == 0
        code, output = run("touch", target, who=Credentials(read_only_root=True))
        assert code != 0
        assert "Read-only file system" in output
        (tmp_path / "still-writable").touch()

    def test_oom_score_adj_is_set_before_the_program_runs(self, run: Run) -> None:
        """The program itself finds the value, raised or lowered."""
        assert run("cat", "/proc/self/oom_score_adj", oom_score_adj=-997)[1] == "-997\n"
        assert run("cat", "/proc/self/oom_score_adj", oom_score_adj=1000)[1] == "1000\n"


class TestFailures:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"argv": ("no-such-program",)}, "exec: No such file"),
            ({"argv": ("true",), "working_dir": "/nowhere"}, "working directory.*No such file"),
            ({"argv": ("/proc/self/status",)}, "exec: Permission denied"),
        ],
    )
    def test_a_step_that_fails_is_named_and_nothing_is_left(
        self, fs: CgroupFS, make: Make, options: dict[str, object], words: str
    ) -> None:
        """The error says which step and why; the cgroup is empty after it."""
        cgroup = make("failing")
        with pytest.raises(HostError, match=words):
            launch(fs, cgroup, Command(**options))  # type: ignore[arg-type]
        assert fs.procs(cgroup) == ()

    def test_no_descriptor_is_leaked(self, fs: CgroupFS, make: Make) -> None:
        """Launching, succeeding or failing, leaves the launcher's descriptors as they were."""
        cgroup = make("tidy")
        before = len(list(Path("/proc/self/fd").iterdir()))
        with launch(fs, cgroup, Command(("true",))) as child:
            child.wait(30.0)
        with pytest.raises(HostError):
            launch(fs, cgroup, Command(("no-such-program",)))
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestAdoption:
    @pytest.mark.parametrize("way", ["pid", "cgroup", "command"])
    def test_what_runs_is_found_moved_and_given_back(
        self, fs: CgroupFS, make: Make, sleeper: Callable[..., Child], way: str
    ) -> None:
        """Found three ways; the process moves with its oom_score_adj, and release undoes both."""
        child = sleeper("before", "sleep", "1002.5", oom_score_adj=100)
        make("after")
        proc = ProcFS()
        top = CgroupFS()
        what = {"pid": str(child.pid), "cgroup": proc.cgroup(child.pid), "command": "^sleep 1002.5$"}[way]
        pids = find(top, proc, way, what or "")  # type: ignore[arg-type]
        assert pids == (child.pid,)
        here = str(fs.root.relative_to(top.root))
        moved = adopt(top, proc, f"{here}/after", pids, oom_score_adj=500)
        assert fs.procs("after") == (child.pid,)
        assert proc.read(child.pid, "oom_score_adj") == b"500\n"
        assert release(top, proc, moved) == ()
        assert fs.procs("before") == (child.pid,)
        assert proc.read(child.pid, "oom_score_adj") == b"100\n"

    def test_nothing_found_is_an_error_of_the_input(self, fs: CgroupFS) -> None:
        """A pattern that matches nothing says so."""
        with pytest.raises(InputError, match="no such process"):
            find(fs, ProcFS(), "command", "no-such-command-line-anywhere")

"""The fault matrix: every single operation of a run is killed before, or refused, and the next run converges.

The tree beneath is a real kernel's and the kill is a real SIGKILL of a process of its own; only the
counting in front of each operation is ours. ``python tests/kernel/fault_points.py`` in a guest prints
docs/fault-matrix.md.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from applying import enforcer_of, plan_of, settings

from enforcer.apply import Applied, Enforcer
from enforcer.cgroupfs import CgroupFS
from enforcer.readback import agrees
from enforcer.state import StateFiles
from qos.errors import CgroupError, HostError
from qos.model.plan import Plan

How = Literal["kill", "kill, then delete", "refuse"]
WAYS: tuple[How, ...] = ("kill", "kill, then delete", "refuse")

OLD = {
    "system": {"cpu.weight": "20"},
    "kubepods": {"cpu.weight": "79", "memory.max": "1073741824"},
    "kubepods/pod-a": {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "67108864"},
    "kubepods/pod-a/web": {"memory.max": "67108863", "pids.max": "100"},
    "kubepods/pod-b": {"cpu.weight": "4", "cpu.idle": "0"},
}
NEW = {
    "system": {"memory.high": "268435456"},
    "kubepods": {"cpu.weight": "60", "memory.max": "536870912"},
    "kubepods/pod-a": {"cpu.weight": "50", "cpu.max": "80000 100000", "cpu.max.burst": "20000"},
    "kubepods/pod-a/web": {"memory.max": "33554432", "pids.max": "max"},
    "kubepods/pod-c": {"cpu.weight": "10", "memory.low": "1048576"},
    "kubepods/pod-c/log": {"pids.max": "7"},
}


@dataclass
class Counter:
    """Counts operations; acts before number ``at``, and notes the name of each."""

    at: int = -1
    how: How = "refuse"
    names: list[str] = field(default_factory=list)

    def tick(self, name: str, refusal: Callable[[], Exception]) -> None:
        """One operation is about to be done."""
        self.names.append(name)
        if len(self.names) - 1 == self.at:
            if self.how != "refuse":
                os.kill(os.getpid(), signal.SIGKILL)
            raise refusal()


class CountedTree:
    """A real tree with a counter in front of each operation."""

    def __init__(self, fs: CgroupFS, counter: Counter) -> None:
        self._fs = fs
        self._counter = counter

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._fs, name)

        def operation(*args: Any, **options: Any) -> Any:
            what = "/".join(str(part) for part in args[:2] if part)
            value = f" {args[2]}" if name == "write" else ""
            refusal = CgroupError(what, args[2] if name == "write" else None, "refused by test", errno.EIO)
            self._counter.tick(f"{name} {what or '.'}{value}", lambda: refusal)
            return real(*args, **options)

        return operation


class CountedFiles(StateFiles):
    """The record's file with a counter in front of each system call."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def _tick(self, name: str) -> None:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._counter.tick(f"record: {name}", lambda: full)

    def create(self, directory: int, name: str) -> int:
        """Count, then do."""
        self._tick("create")
        return super().create(directory, name)

    def write(self, fd: int, data: bytes) -> None:
        """Count, then do; a kill comes when half is written."""
        if self._counter.how != "refuse" and len(self._counter.names) == self._counter.at:
            super().write(fd, data[: len(data) // 2])
        self._tick("write")
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        """Count, then do."""
        self._tick("fsync")
        super().sync(fd)

    def replace(self, directory: int, old: str, new: str) -> None:
        """Count, then do."""
        self._tick("rename")
        super().replace(directory, old, new)

    def unlink(self, directory: int, name: str) -> None:
        """Count, then do."""
        self._tick(f"unlink {name}")
        super().unlink(directory, name)


@dataclass(frozen=True)
class Run:
    """One kind of run: what is there before, what is done, what is wanted in the end."""

    name: str
    first: bool
    act: Callable[[Enforcer], Applied]
    goal: dict[str, dict[str, str]]


RUNS = (
    Run("first apply", False, lambda one: one.apply(plan_of(OLD), prune=True), OLD),
    Run("apply of a changed plan with prune", True, lambda one: one.apply(plan_of(NEW), prune=True), NEW),
    Run("delete", True, lambda one: one.delete(), OLD),
)


class Stage:
    """One real tree and one state directory in which points are played."""

    def __init__(self, fs: CgroupFS, folder: Path) -> None:
        self.fs = fs
        self.state = folder / "state"

    def set_up(self, run: Run) -> dict[str, dict[str, str]]:
        """Somebody's cgroup with values; the old plan where the run needs it; the tree before all."""
        fs = self.fs
        fs.write("", "cgroup.subtree_control", "+cpu +memory")
        fs.create("system")
        fs.write("system", "cpu.weight", "77")
        before = settings(fs)
        if run.first:
            enforcer_of(fs, self.state).apply(plan_of(OLD))
        return before

    def tear_down(self) -> None:
        """Empty tree, no record."""
        for cgroup in reversed(list(self.fs.walk())):
            if cgroup:
                self.fs.remove(cgroup)
        on = self.fs.read("", "cgroup.subtree_control").split()
        self.fs.write("", "cgroup.subtree_control", " ".join(f"-{name}" for name in on))
        shutil.rmtree(self.state, ignore_errors=True)

    def counted(self, counter: Counter) -> Enforcer:
        """An enforcer whose operations are counted."""
        return enforcer_of(CountedTree(self.fs, counter), self.state, CountedFiles(counter))

    def operations(self, run: Run) -> list[str]:
        """The names of all operations of an undisturbed run."""
        self.set_up(run)
        counter = Counter()
        run.act(self.counted(counter))
        self.tear_down()
        return counter.names

    def play(self, run: Run, at: int, how: How) -> str:
        """Disturb one operation, converge, check; the word for what the disturbed run left."""
        before = self.set_up(run)
        present = settings(self.fs)
        if how == "refuse":
            word = self._refuse(run, at, present)
        else:
            self._kill(run, at)
            word = "as before" if settings(self.fs) == present else "half done"
        self._converge(run, before, apply_first=run.name != "delete" and how != "kill, then delete")
        self.tear_down()
        return word

    def _kill(self, run: Run, at: int) -> None:
        pid = os.fork()
        if pid == 0:
            run.act(self.counted(Counter(at, "kill")))
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status), f"{run.name}: operation {at} was not reached"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def _refuse(self, run: Run, at: int, present: dict[str, dict[str, str]]) -> str:
        try:
            run.act(self.counted(Counter(at, "refuse")))
        except HostError:
            assert settings(self.fs) == present, f"{run.name}: operation {at} refused, and not all undone"
            return "undone"
        return "done, and said so"

    def _converge(self, run: Run, before: dict[str, dict[str, str]], *, apply_first: bool) -> None:
        goal = plan_of(run.goal)
        enforcer = enforcer_of(self.fs, self.state)
        if apply_first:
            enforcer.apply(goal, prune=True)
            assert_in_force(self.fs, goal)
            assert enforcer.apply(goal, prune=True).writes == 0
        enforcer.delete()
        assert settings(self.fs) == before
        assert not (self.state / "record.json").exists()


def assert_in_force(fs: CgroupFS, plan: Plan) -> None:
    """Every value of the plan reads back, and no cgroup is there that it does not name."""
    assert set(fs.walk()) - {"", "system"} == set(plan) - {"system"}
    for name, spec in plan.cgroups.items():
        for file, text in spec.files().items():
            assert agrees(file, text, fs.read(name, file)), f"{name}/{file}"


def matrix(stage: Stage) -> Iterator[tuple[Run, int, str, str, str]]:
    """Every point played both ways: (run, number, operation, left by the kill, left by the refusal)."""
    for run in RUNS:
        for at, name in enumerate(stage.operations(run)):
            killed, deleted, refused = (stage.play(run, at, how) for how in WAYS)
            assert killed == deleted
            yield run, at, name, killed, refused


HEADER = """# The fault matrix

Generated by `python -m enforcer.lab -- python tests/kernel/fault_points.py`; a test of the lab keeps it true.

Each operation of a run (a look at the tree, a write, a mkdir, a system call on the record) is disturbed
twice by SIGKILL just before it, and once by an error (EIO of the kernel, ENOSPC for the record). After each:

- **kill**: *as before*: the tree had not been touched; *half done*: some of it was.
- **error**: *undone*: the run failed and every setting of the tree is as before it, byte for byte;
  *done, and said so*: all values are in force, only the record could not be completed, and the run said so.
- **next run**: applying the same plan brings every value about, applying it again writes nothing, and
  delete leaves the tree as before the first run, byte for byte, without a record. After the second kill
  delete is run at once instead, with the same end. Every point below did.

Played whole on Linux 6.1 (User Mode Linux) and on 6.12 (QEMU, `--lane qemu --timeout 2400`; three minutes):
every word of both pages is the same.
"""


def main() -> None:
    """Print the matrix of this kernel as a page of markdown."""
    from enforcer.lab.suite import own_tree

    top = CgroupFS(own_tree())
    top.write("", "cgroup.subtree_control", "+cpu +io +memory +pids")
    top.create("fault-matrix")
    stage = Stage(CgroupFS(top.root / "fault-matrix"), Path(os.environ.get("TMPDIR", "/tmp")) / "faults")
    sys.stdout.write(page(list(matrix(stage))))


def page(points: list[tuple[Run, int, str, str, str]]) -> str:
    """The page of docs."""
    lines = [
        HEADER,
        f"{len(points)} operations, each disturbed in three ways: {3 * len(points)} points of failure.\n",
    ]
    for run in RUNS:
        mine = [point for point in points if point[0] == run]
        lines += [f"## {run.name.capitalize()}: {len(mine)} operations\n"]
        lines += [
            "| # | operation | kill -9 before it | error instead of it | next run |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {at + 1} | `{name}` | {kill} | {refuse} | converges |" for _, at, name, kill, refuse in mine
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()

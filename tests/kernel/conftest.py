"""Fixtures of the tests that need a real cgroup v2 kernel.

They run inside a guest of the kernel lab (``make test-kernel``), or directly on a host with a
writable cgroup v2 tree (``python -m enforcer.lab.suite --kernel host``); elsewhere each is skipped
with a word. Every test gets a cgroup of its own with all controllers offered, cleaned up after it.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typed import Typed

from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from enforcer.controllers import disable, enable
from enforcer.lab.inside import GUEST_VARIABLE
from enforcer.lab.suite import HOST_VARIABLE, KERNEL_VARIABLES, own_tree
from enforcer.systemd_bus import SystemdBus

SYSTEMD_IS_PID_1 = Path("/run/systemd/system").is_dir()


_FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()
Measured = Callable[[object, object], None]


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Keeps what was promised and what was measured: the run prints it at its end, by kernel and test."""
    figures = request.config.stash.setdefault(_FIGURES, [])

    def keep(promised: object, found: object) -> None:
        figures.append((request.node.name, str(promised), str(found)))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The figures, as rows of docs/enforce.md; and where nothing ran, that nothing did."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section(f"measured on Linux {os.uname().release}")
    for test, promised, found in figures:
        terminalreporter.write_line(f"| {test} | {promised} | {found} |")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On a kernel that was asked for, tests that were all skipped are no success."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    on_real_kernel = any(name in os.environ for name in KERNEL_VARIABLES)
    if not on_real_kernel or reporter is None or session.exitstatus != 0 or session.config.option.collectonly:
        return
    if not reporter.stats.get("passed") and reporter.stats.get("skipped"):
        reporter.write_line("\nno test ran on this kernel: all were skipped")
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip with a word what this kernel cannot run."""
    del config
    here = Path(__file__).parent
    on_real_kernel = any(name in os.environ for name in KERNEL_VARIABLES)
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.kernel)
        needs_systemd = (here / "systemd") in item.path.parents
        if not on_real_kernel:
            reason = "needs a real cgroup v2 kernel: make test-kernel"
            item.add_marker(pytest.mark.skip(reason=reason))
        elif needs_systemd and not SYSTEMD_IS_PID_1:
            item.add_marker(pytest.mark.skip(reason="needs systemd as PID 1: enforcer.lab.suite --systemd"))
        elif "many_starts" in item.keywords and os.environ.get(GUEST_VARIABLE) == "qemu":
            reason = "starts Python again and again: ten minutes where QEMU emulates, seconds on other lanes"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def all_tests() -> Iterator[CgroupFS]:
    """A cgroup for the whole run, every controller of the machine on for those below."""
    top = CgroupFS(own_tree())
    name = f"qos-tests-{os.getpid()}"
    top.create(name)
    changed = enable(top, f"{name}/x", top.controllers())
    with CgroupFS(top.root / name) as fs:
        yield fs
    disable(top, [(cgroup, controller) for cgroup, controller in changed if cgroup == name])
    top.remove(name)
    disable(top, [(cgroup, controller) for cgroup, controller in changed if cgroup == ""])
    top.close()


_numbers = itertools.count(1)


@pytest.fixture
def fs(all_tests: CgroupFS) -> Iterator[CgroupFS]:
    """An empty cgroup of the test's own, all controllers offered to it."""
    name = f"test-{next(_numbers)}"
    all_tests.create(name)
    with CgroupFS(all_tests.root / name) as own:
        yield own
        clean(own)
    all_tests.remove(name)


def clean(fs: CgroupFS) -> None:
    """Kill every process below and remove every cgroup, deepest first."""
    for cgroup in fs.children():
        fs.write(cgroup, "cgroup.kill", "1")
        wait_until(lambda cgroup=cgroup: not fs.is_populated(cgroup), "the cgroup is empty")
    for cgroup in reversed(list(fs.walk())):
        if cgroup:
            fs.remove(cgroup)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.01)


@dataclass
class Child:
    """A process of a test, in a cgroup."""

    pid: int
    status: int | None = None

    def wait(self) -> int:
        """Its wait status, once it has ended."""
        if self.status is None:
            self.status = os.waitpid(self.pid, 0)[1]
        return self.status

    def has_ended(self) -> bool:
        """Whether it has ended by now."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None


Start = Callable[[str, Callable[[], object]], Child]


@pytest.fixture
def start(fs: CgroupFS) -> Iterator[Start]:
    """Starts a process in a cgroup of the test: ``start(cgroup, work)``; all are killed after it."""
    children: list[Child] = []

    def start_child(cgroup: str, work: Callable[[], object]) -> Child:
        pid = os.fork()
        if pid == 0:
            _become(fs, cgroup, work)
        children.append(Child(pid))
        wait_until(
            lambda: children[-1].has_ended() or pid in fs.procs(cgroup), "the process is in its cgroup"
        )
        return children[-1]

    yield start_child
    for child in children:
        if not child.has_ended():
            os.kill(child.pid, signal.SIGKILL)
        child.wait()


def _become(fs: CgroupFS, cgroup: str, work: Callable[[], object]) -> None:
    code = 99
    try:
        faulthandler.disable()  # a child may die of a signal on purpose
        fs.write(cgroup, "cgroup.procs", "0")
        work()
        code = 0
    finally:
        os._exit(code)


@pytest.fixture
def make(fs: CgroupFS) -> Callable[..., str]:
    """Makes a cgroup with values: ``make("a/b", {"cpu.weight": "300"})``; controllers are switched on."""

    def make_cgroup(cgroup: str, files: dict[str, str] | None = None) -> str:
        parts = cgroup.split("/")
        for depth in range(1, len(parts) + 1):
            fs.create("/".join(parts[:depth]))
        enable(fs, cgroup, {file.partition(".")[0] for file in files or {}} - {"cgroup"})
        for file, value in (files or {}).items():
            fs.write(cgroup, file, value)
        return cgroup

    return make_cgroup


@pytest.fixture
def needs(fs: CgroupFS) -> Callable[[str], None]:
    """Skips a test on a kernel without it: ``needs("cpuset")``, ``needs("cpu.pressure")``."""

    def check(what: str) -> None:
        there = what in fs.files() if "." in what else what in fs.controllers()
        if not there:
            pytest.skip(f"this kernel has no {what}")

    return check


@pytest.fixture
def bus() -> Iterator[SystemdBus]:
    """A connection to systemd; no pod of a failed test is left."""
    with SystemdBus() as connection:
        yield connection
        connection.stop("kubepods.slice")


@pytest.fixture
def qos(tmp_path: Path, bus: SystemdBus) -> Typed:
    """The command, over the whole tree of systemd."""
    del bus  # stops what a failed test left
    return Typed(tmp_path / "s")


def cpu_usage_usec(fs: CgroupFS, cgroup: str) -> int:
    """CPU time used since the cgroup was made."""
    return parse_flat_keyed(fs.read(cgroup, "cpu.stat"))["usage_usec"]


@pytest.fixture
def usage_in(fs: CgroupFS) -> Callable[[list[str], float], list[float]]:
    """CPUs used by each cgroup over a window: ``usage_in(["a", "b"], 2.0)``."""

    def measure(cgroups: list[str], seconds: float) -> list[float]:
        time.sleep(0.3)  # the start of the processes is not part of the window
        began = time.monotonic()
        before = [cpu_usage_usec(fs, cgroup) for cgroup in cgroups]
        time.sleep(seconds)
        after = [cpu_usage_usec(fs, cgroup) for cgroup in cgroups]
        elapsed_usec = (time.monotonic() - began) * 1e6
        return [(end - begin) / elapsed_usec for begin, end in zip(before, after, strict=True)]

    return measure


@pytest.fixture
def kernel_is_host() -> bool:
    """Whether the tests run on the machine itself and not in a guest."""
    return HOST_VARIABLE in os.environ


@pytest.fixture
def block_device(kernel_is_host: bool) -> str:
    """The guest's own disk as ``MAJOR:MINOR``."""
    path = os.environ.get("QOS_LAB_DISK")
    if kernel_is_host or path is None:
        pytest.skip("needs a disk of the guest's own")
    device = Path(path).stat().st_rdev
    return f"{os.major(device)}:{os.minor(device)}"


@pytest.fixture
def disk_path(block_device: str) -> str:
    """The guest's own disk, to be overwritten at will."""
    del block_device
    return os.environ["QOS_LAB_DISK"]


@pytest.fixture
def disk_folder(disk_path: str) -> Iterator[Path]:
    """A fresh ext4 file system on the guest's own disk."""
    folder = Path("/run/tmp/disk")
    folder.mkdir(exist_ok=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk_path], check=True)
    subprocess.run(["mount", disk_path, str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)

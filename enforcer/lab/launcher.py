"""Starts a guest, runs one command in it, brings output and exit code back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import BinaryIO, Final

from enforcer.lab.errors import LabError
from enforcer.lab.guest_systemd import DBUS_DAEMON, SYSTEMD
from enforcer.lab.inside import environment
from enforcer.lab.job import MODULES_FOLDER, OUTPUT_FILE, Job, read_exit_code, write_job
from enforcer.lab.machine import Lane, Machine, Wish
from enforcer.lab.modules import lay_ready
from enforcer.lab.packages import cache_folder, cache_lock, install
from enforcer.lab.qemu import qemu
from enforcer.lab.uml import built, uml

TIMED_OUT: Final = 124
NOT_STARTED: Final = 125
LANES: Final[Mapping[str, Lane]] = MappingProxyType({"uml": uml, "qemu": qemu, "built": built})
_POLL_SECONDS: Final = 0.02
_HELPER_SECONDS: Final = 10.0
_NO_ENV: Final[Mapping[str, str]] = MappingProxyType({})
_CONSOLE_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class GuestResult:
    """How a command in a guest ended.

    Attributes:
        exit_code: the command's; 124 when the time was up, 125 when it was never started.
        output: what it printed, standard output and error together.
        console: the last lines of the kernel's console, for a guest that did not start.
        emulator: the program that was the machine, as ``QEMU 10.0.2, a thread for each CPU``; "" for none.
    """

    exit_code: int
    output: str
    console: str
    emulator: str = ""


def run_in_guest(
    argv: Sequence[str],
    *,
    lane: str = "uml",
    cwd: Path | None = None,
    env: Mapping[str, str] = _NO_ENV,
    writable: Sequence[Path] = (),
    timeout_seconds: float = 120.0,
    systemd: bool = False,
    cpus: int | None = None,
    memory_mib: int = 1024,
    modules: Sequence[str] = (),
    disk_mib: int = 0,
    on_output: Callable[[bytes], object] | None = None,
) -> GuestResult:
    """Boot a guest whose ``/`` is this machine's, read only, run one command in it and end it.

    Inside, ``$QOS_LAB_GUEST`` is the lane, ``$QOS_LAB_EMULATOR`` what emulates it, ``$QOS_LAB_DISK`` a disk,
    ``$TMPDIR`` and ``$HOME`` are in memory, and /sys/fs/cgroup is a whole cgroup v2 tree.

    Args:
        argv: the command.
        lane: "uml", "qemu" or "built".
        cwd: its working directory; None is the current one.
        env: variables added to PATH, LANG and VIRTUAL_ENV.
        writable: directories that it may write to.
        timeout_seconds: after which the guest is ended.
        systemd: systemd is PID 1, the command a service with ``Delegate=yes``.
        cpus: None is the lane's default, 1 for User Mode Linux and 2 for QEMU.
        memory_mib: the guest's memory.
        modules: kernel modules loaded before the command.
        disk_mib: size of an empty disk; 0 for none.
        on_output: called with what the command prints while it runs.

    Raises:
        LabError: the lane cannot run on this machine; says what is missing.
    """
    make_machine = LANES.get(lane)
    if make_machine is None:
        raise LabError(f"no lane {lane!r}; there are {', '.join(LANES)}")
    with _job_folder(systemd) as folder:
        disk = _empty_disk(folder, disk_mib) if disk_mib else None
        wish = Wish(folder, _init_words(folder), cpus or (2 if lane == "qemu" else 1), memory_mib, disk)
        machine = make_machine(wish)
        inside = environment(env, lane, machine, with_disk=disk is not None)
        paths = tuple(str(path.resolve()) for path in writable)
        write_job(folder, Job(tuple(argv), str((cwd or Path.cwd()).resolve()), inside, paths, systemd))
        lay_ready(machine.modules_root, (*machine.modules, *modules), folder / MODULES_FOLDER)
        in_time = _run(machine, folder, timeout_seconds, on_output)
        return _result(machine, folder, in_time)


def unwind_on_signals() -> None:
    """SIGTERM and SIGHUP end this program as Ctrl-C does, so that its guest is ended too; for programs."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish
            signal.signal(number, end)


def _result(machine: Machine, folder: Path, in_time: bool) -> GuestResult:
    exit_code = read_exit_code(folder)
    if exit_code is None:
        exit_code = NOT_STARTED if in_time else TIMED_OUT
    return GuestResult(exit_code, _text(folder / OUTPUT_FILE), _console(machine, folder), machine.emulator)


def _run(
    machine: Machine, folder: Path, timeout_seconds: float, on_output: Callable[[bytes], object] | None
) -> bool:
    """Run the guest to its end; False when the time was up and it was killed."""
    deadline = time.monotonic() + timeout_seconds
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("wb"))
        if machine.helper is not None:
            argv, socket = machine.helper
            _wait_for_socket(stack.enter_context(_program(argv, log, {})), socket, folder)
        guest = stack.enter_context(_program(machine.argv, log, machine.env))
        output = stack.enter_context((folder / OUTPUT_FILE).open("w+b"))
        while True:
            ended = guest.poll() is not None
            if (new := output.read()) and on_output is not None:
                on_output(new)
            if ended or time.monotonic() > deadline:
                return ended
            time.sleep(_POLL_SECONDS)


@contextmanager
def _program(argv: Sequence[str], log: BinaryIO, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own; it and its children are ended on the way out."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | env,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # ended by itself, and all its children with it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for_socket(helper: subprocess.Popen[bytes], socket: Path, folder: Path) -> None:
    deadline = time.monotonic() + _HELPER_SECONDS
    while not socket.exists():
        if helper.poll() is not None or time.monotonic() > deadline:
            raise LabError(f"the guest's file server did not start: {_last_lines(_text(folder / 'log'))}")
        time.sleep(_POLL_SECONDS)


@contextmanager
def _job_folder(systemd: bool) -> Iterator[Path]:
    if systemd:
        _get_systemd()
    jobs = cache_folder() / "jobs"
    jobs.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="job-", dir=jobs))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _get_systemd() -> None:
    """The guest runs the host's own systemd; a container image often has none."""
    with cache_lock("systemd"):
        for program, package in ((SYSTEMD, "systemd"), (DBUS_DAEMON, "dbus")):
            if not Path(program).exists():
                install(package)


def _empty_disk(folder: Path, disk_mib: int) -> Path:
    disk = folder / "disk"
    with disk.open("wb") as image:
        image.truncate(disk_mib << 20)
    return disk


def _init_words(folder: Path) -> str:
    """PID 1 on the kernel's command line: this Python, with this package's folder as its path."""
    python = Path(sys.executable).resolve()
    package = Path(__file__).resolve().parents[2]
    words = f"PYTHONPATH={package} init={python} -- -S -B -m enforcer.lab.guest {folder}"
    if any(" " in str(path) for path in (python, package, folder)):
        raise LabError(f"a kernel's command line cannot hold paths with spaces: {words}")
    return words


def _console(machine: Machine, folder: Path) -> str:
    log = _text(folder / "log")
    return _last_lines(log + (_text(machine.console) if machine.console else ""))


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_CONSOLE_LINES:])


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""

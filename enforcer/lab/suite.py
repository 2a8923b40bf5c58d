"""tests/kernel on real kernels, one guest a suite: ``python -m enforcer.lab.suite --lane uml --systemd``.

Each lane's output is pytest's own. The exit code is 0 when every suite ran and passed, 125 when a
guest did not start, 2 when a lane cannot run on this machine, 5 when every test of a lane was skipped, else
pytest's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from enforcer.lab.errors import LabError
from enforcer.lab.inside import GUEST_VARIABLE
from enforcer.lab.launcher import (
    LANES,
    NOT_STARTED,
    TIMED_OUT,
    GuestResult,
    run_in_guest,
    unwind_on_signals,
)
from enforcer.place import open_tree, writable_root
from qos.errors import HostError

HOST_VARIABLE: Final = "QOS_KERNEL_HOST"
KERNEL_VARIABLES: Final = (GUEST_VARIABLE, HOST_VARIABLE)
"""One of them is set where tests may write cgroups."""

TESTS: Final = "tests/kernel"
MODULES: Final = (
    *("veth", "sch_tbf", "sch_htb", "sch_netem", "sch_ingress", "ifb"),
    *("cls_u32", "cls_matchall", "act_mirred", "act_skbedit"),
)
QUICK: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "uml": (
            "test_cgroup_door.py",
            "test_enforced_cpu.py",
            "test_enforced_memory.py",
            "test_enforced_control.py",
            "test_apply.py",
            "test_agents.py",
        ),
        "qemu": (  # what User Mode Linux lacks comes first: cpuset, PSI, io.weight, huge pages, EEVDF
            "test_enforced_cpu.py::TestWeight::test_two_spinners_share_as_their_weights[weights0]",
            "test_enforced_cpu.py::TestMax::test_a_spinner_uses_its_quota_and_no_more[50000]",
            "test_enforced_cpu.py::TestCpuset",
            "test_enforced_cpu.py::TestPressure",
            "test_enforced_memory.py::TestMax::test_over_the_limit_the_oom_killer_comes",
            "test_enforced_memory.py::TestHugePages",
            "test_enforced_control.py::TestPids",
            "test_enforced_control.py::TestFreeze",
            "test_enforced_control.py::TestIoMax",
            "test_enforced_control.py::TestIoWeight",
            "test_kernel_observe.py::TestSampler",
            "test_apply_vectors.py::test_every_golden_pod_is_enforced_to_the_file[0]",
        ),
    }
)
"""What ``--quick`` runs of tests/kernel on a lane; a lane that is not named here runs lane 1's."""

_RUNNER: Final = "qos-tests-runner"
_DISK_MIB: Final = 256
_NO_BYTE_CODE: Final = "PYTHONDONTWRITEBYTECODE"
_TIMEOUT_SECONDS: Final = {"uml": 2400.0, "built": 2400.0, "qemu": 4800.0}


@dataclass(frozen=True, slots=True)
class Suite:
    """One boot: a lane, with systemd as PID 1 or without."""

    lane: str
    systemd: bool

    def __str__(self) -> str:
        return f"{self.lane} with systemd" if self.systemd else self.lane


def own_tree() -> Path:
    """The cgroup directory tests may work below: the whole tree as root, else the delegated one.

    Raises:
        HostError: no cgroup v2 here, or nothing is delegated to this user.
    """
    return writable_root()


def compile_sources(repository: Path) -> None:
    """Leave byte code beside the checkout's sources, which a guest sees read only.

    Without it each start of Python in a guest compiles all it imports: three quarters of a suite's time. The
    collection of pytest leaves the tests' own, whose asserts it rewrites.
    """
    environment = {name: value for name, value in os.environ.items() if name != _NO_BYTE_CODE}
    for words in (("compileall", "-q", "qos", "enforcer"), ("pytest", "--collect-only", "-q", TESTS)):
        subprocess.run(
            [sys.executable, "-m", *words],
            cwd=repository,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,  # what is wrong with a source is told by the suite itself
        )


def words_of(suite: Suite, *, quick: bool) -> list[str]:
    """What pytest is to run in a suite."""
    if suite.systemd:
        return [f"{TESTS}/systemd"]
    return [f"{TESTS}/{name}" for name in QUICK.get(suite.lane, QUICK["uml"])] if quick else [TESTS]


def run_suite(suite: Suite, pytest_words: Sequence[str], repository: Path) -> GuestResult:
    """Boot one guest and run the tests in it; its exit code is pytest's, or 124 or 125 of the launcher.

    Raises:
        LabError: the lane cannot run on this machine.
    """
    result = run_in_guest(
        [sys.executable, "-m", "pytest", *pytest_words],
        lane=suite.lane,
        cwd=repository,
        env={"COLUMNS": "110", "HYPOTHESIS_STORAGE_DIRECTORY": "/run/tmp/hypothesis"},
        timeout_seconds=_TIMEOUT_SECONDS[suite.lane],
        systemd=suite.systemd,
        modules=MODULES,
        disk_mib=_DISK_MIB,
        on_output=_show,
    )
    if result.exit_code in (NOT_STARTED, TIMED_OUT):
        print(f"console of the guest:\n{result.console}", file=sys.stderr)
    return result


def run_on_host(pytest_words: Sequence[str], repository: Path) -> int:
    """Run the tests directly on this machine's cgroup v2 tree; pytest's exit code.

    Without root this process moves itself to a leaf of its delegated cgroup first, and what it starts
    with it: a cgroup with processes cannot hand controllers down.

    Raises:
        HostError: this machine has no cgroup v2 tree that may be written.
    """
    with open_tree(own_tree()) as fs:
        if os.geteuid() != 0:
            fs.create(_RUNNER)
            fs.write(_RUNNER, "cgroup.procs", "0")
    words = [sys.executable, "-m", "pytest", *(pytest_words or [TESTS])]
    return subprocess.call(words, cwd=repository, env=os.environ | {HOST_VARIABLE: "1"})


def main(words: Sequence[str]) -> int:
    """Run every suite named; one exit code for all."""
    options = _parser().parse_args(words)
    unwind_on_signals()
    repository = Path.cwd()
    if not (repository / TESTS).is_dir():
        print(f"lab: no {TESTS} here; run from the root of the checkout", file=sys.stderr)
        return 2
    if options.kernel == "host":
        try:
            return run_on_host(options.pytest, repository)
        except HostError as error:
            print(f"lab: {error}", file=sys.stderr)
            return 2
    lanes = options.lane or ([] if options.systemd else ["uml"])
    suites = [Suite(lane, systemd=False) for lane in lanes]
    if options.systemd:
        suites.append(Suite(lanes[0] if lanes else "uml", systemd=True))
    compile_sources(repository)
    codes = []
    for suite in suites:
        words_for_pytest = options.pytest or words_of(suite, quick=options.quick)
        codes.append(_report(suite, words_for_pytest, repository, must_run=not options.if_possible))
    return max(codes)


def _report(suite: Suite, pytest_words: Sequence[str], repository: Path, *, must_run: bool) -> int:
    print(f"== kernel lab: {suite}", flush=True)
    began = time.monotonic()
    try:
        result = run_suite(suite, pytest_words, repository)
    except LabError as error:
        print(
            f"== kernel lab: {suite}: {'failed' if must_run else 'skipped'}, it cannot run here: {error}",
            flush=True,
        )
        return 2 if must_run else 0
    code = result.exit_code
    words = {0: "passed", TIMED_OUT: "time was up", NOT_STARTED: "did not start"}.get(code, "failed")
    print(
        f"== kernel lab: {suite}: {words} in {time.monotonic() - began:.0f} s, exit code {code}"
        + (f"; {result.emulator}" if result.emulator else ""),
        flush=True,
    )
    return code


def _parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m enforcer.lab.suite", description=__doc__)
    options.add_argument(
        "--lane", action="append", choices=tuple(LANES), help="may be repeated; without it and --systemd: uml"
    )
    options.add_argument(
        "--systemd", action="store_true", help="boot the first lane (uml) with systemd as PID 1, too"
    )
    options.add_argument(
        "--if-possible", action="store_true", help="a lane that cannot run here is skipped with a word"
    )
    options.add_argument("--quick", action="store_true", help="a lane's quick part: a minute or two")
    options.add_argument("--kernel", choices=("guest", "host"), default="guest")
    options.add_argument("pytest", nargs="*", help="words for pytest, instead of all of tests/kernel")
    return options


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What this host lacks to enforce a plan, all of it at once, each with its remedy.

Two grades: without what is *missing* nothing can be applied; what is *limited* takes away one ability
and leaves the rest. Nothing is written and nothing is started to find out.

Source: cgroup-v2.rst ("Mounting", "Controlling Controllers", "Delegation"), the kernels' release notes
for the versions below.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from enforcer.cgroupfs import CGROUP_MOUNT, CgroupFS
from enforcer.place import writable_root
from enforcer.procfs import ProcFS
from enforcer.rootless import closed_gates, reachable
from qos.errors import CgroupError, HostError, PreflightError
from qos.model.profile import Version, format_version, parse_version

Grade = Literal["ok", "limited", "missing"]

_LAB: Final = "or try it in a guest: qos lab -- COMMAND"
_NEEDED: Final = ("cpu", "memory", "pids")
_WANTED: Final = {
    "io": "io.max, io.weight and io.latency",
    "cpuset": "cpuset.cpus, the CPU manager's exclusive CPUs",
    "hugetlb": "limits on huge pages",
}
_KERNEL: Final[tuple[tuple[Version, str], ...]] = (
    ((5, 6), "openat2; paths are checked component by component instead"),
    ((5, 7), "starting a process straight in its cgroup (CLONE_INTO_CGROUP)"),
    ((5, 14), "cgroup.kill and cpu.max.burst"),
    ((5, 19), "memory.peak"),
)
_MANY_FDS: Final = 16384  # 1,000 pods of twelve kept files, and some


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what.
        grade: "ok", "limited" (one ability less) or "missing" (nothing can be applied).
        found: what was seen, in words.
        remedy: what to do about it; empty when ok.
    """

    name: str
    grade: Grade
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo: where, which file system, with which super-block options."""

    target: str
    kind: str
    options: tuple[str, ...]


def preflight(mount: Path = Path(CGROUP_MOUNT), proc: ProcFS | None = None) -> tuple[Check, ...]:
    """Look at everything; never raises for what the host lacks.

    Args:
        mount: where cgroup v2 should be mounted.
        proc: the proc file system.
    """
    if sys.platform != "linux":
        found = f"{sys.platform}, which has no cgroups"
        return (Check("kernel", "missing", found, "use a Linux machine, in a virtual machine if need be"),)
    proc = proc or ProcFS()
    checks = [_kernel(parse_version(os.uname().release)), _hierarchy(mount, _mounts(proc))]
    if checks[-1].grade == "ok":
        checks += _tree(mount, proc)
    return (*checks, _descriptors(), _systemd(), _library("pyroute2", "network", "bandwidth of pods"))


def require(checks: Iterable[Check]) -> None:
    """Stop unless nothing is missing.

    Raises:
        PreflightError: all that is missing, with the remedies.
    """
    missing = [str(check) for check in checks if check.grade == "missing"]
    if missing:
        raise PreflightError(missing)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """The mounts of a ``/proc/PID/mountinfo``.

    >>> parse_mountinfo("29 22 0:25 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate")
    (Mount(target='/sys/fs/cgroup', kind='cgroup2', options=('rw', 'nsdelegate')),)
    """
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        words, about = left.split(), right.split()
        if dash and len(words) > 4 and about:
            mounts.append(Mount(words[4], about[0], tuple(about[-1].split(","))))
    return tuple(mounts)


def _mounts(proc: ProcFS) -> tuple[Mount, ...]:
    text = proc.read(os.getpid(), "mountinfo") or b""
    return parse_mountinfo(text.decode(errors="surrogateescape"))


def _kernel(version: Version) -> Check:
    lacks = [what for since, what in _KERNEL if version[:2] < since]
    shown = f"Linux {format_version(version)}"
    if not lacks:
        return Check("kernel", "ok", shown)
    return Check("kernel", "limited", f"{shown} lacks {'; '.join(lacks)}", "use Linux 5.19 or newer")


def _hierarchy(mount: Path, mounts: tuple[Mount, ...]) -> Check:
    """Whether cgroup v2 is where it should be; names v1 mounts that hold its controllers."""
    try:
        CgroupFS(mount).close()
    except CgroupError as error:
        v1 = sorted({Path(entry.target).name for entry in mounts if entry.kind == "cgroup"})
        v2 = sorted({entry.target for entry in mounts if entry.kind == "cgroup2"})
        found = f"{error.path} is no cgroup v2 file system"
        if v1:
            found += f"; cgroup v1 holds {', '.join(v1)}"
        if v2:
            found += f"; cgroup v2 is mounted at {', '.join(v2)} without those (a hybrid host)"
        boot = (
            "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all" if v1 else "mount cgroup2 there"
        )
        return Check("cgroup v2", "missing", found, f"{boot}, {_LAB}")
    return Check("cgroup v2", "ok", f"mounted at {mount}")


def _tree(mount: Path, proc: ProcFS) -> list[Check]:
    try:
        root = writable_root(mount, proc)
    except HostError:
        remedy = f"run as root, or under systemd-run --user --scope -p Delegate=yes, {_LAB}"
        return [Check("delegation", "missing", "no cgroup this user may write", remedy)]
    with CgroupFS(root) as fs:
        checks = [Check("delegation", "ok", f"cgroups below {root} may be written")]
        if not os.access(root, os.W_OK):
            found = f"{root} is mounted read-only"
            checks = [Check("delegation", "missing", found, f"give the container a writable cgroup, {_LAB}")]
        return [*checks, *_controllers(fs), _pressure(proc), *_rootless(proc)]


def _controllers(fs: CgroupFS) -> list[Check]:
    offered = fs.controllers()
    checks = []
    missing = [name for name in _NEEDED if name not in offered]
    remedy = "add them to cgroup.subtree_control of every cgroup above, and unmount cgroup v1"
    if missing:
        checks.append(Check("controllers", "missing", f"{', '.join(missing)} not offered", remedy))
    else:
        checks.append(Check("controllers", "ok", ", ".join(sorted(offered))))
    for name, use in _WANTED.items():
        if name not in offered:
            found = f"controller not offered: no {use}"
            checks.append(Check(name, "limited", found, "delegate it, or use a kernel that has it"))
    return checks


def _rootless(proc: ProcFS) -> list[Check]:
    """What an ordinary user does without, and whether he may have user namespaces at all."""
    if os.geteuid() == 0:
        return []
    least = reachable(-1000, proc)
    found = (
        f"an ordinary user: no bandwidth of pods, no oom_score_adj below {least}, no ids but your own "
        "(runAsUser is honoured in name: the container sees that number, files are yours)"
    )
    checks = [Check("root", "limited", found, "run as root for those")]
    closed = closed_gates(proc)
    if closed:
        found = f"{'; '.join(words for words, _ in closed)}: qos cannot start processes in namespaces"
        return [
            *checks,
            Check("user namespaces", "limited", found, "; ".join(remedy for _, remedy in closed)),
        ]
    return [*checks, Check("user namespaces", "ok", "an ordinary user may make them")]


def _pressure(proc: ProcFS) -> Check:
    if (proc.root / "pressure" / "cpu").exists():
        return Check("pressure", "ok", "the kernel accounts for waiting time (PSI)")
    return Check(
        "pressure", "limited", "no *.pressure files", "boot with psi=1, or use a kernel with CONFIG_PSI"
    )


def _descriptors() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard >= _MANY_FDS or hard == resource.RLIM_INFINITY:
        return Check("open files", "ok", f"limit {hard} (now {soft}, raised when sampling)")
    found = f"limit {hard}: beyond it, files are opened anew for each sample"
    return Check("open files", "limited", found, f"raise LimitNOFILE or ulimit -Hn to {_MANY_FDS}")


def _systemd() -> Check:
    if not Path("/run/systemd/system").is_dir():
        return Check("systemd", "limited", "not PID 1: no systemd driver", "use --cgroup-driver cgroupfs")
    return _library("jeepney", "systemd", "the systemd driver")


def _library(module: str, extra: str, use: str) -> Check:
    if importlib.util.find_spec(module) is not None:
        return Check(extra, "ok", f"{module} is installed")
    return Check(extra, "limited", f"{module} is not installed: no {use}", f"pip install 'qos[{extra}]'")

"""Calibrated load: processes that carry out a Workload for real, inside its cgroup.

CPU work arrives by a feed of (time, CPU seconds) that the caller hands in, the very one the simulator
computes with: both kernels are asked the same. Pieces lie in a shared queue; each worker takes the oldest,
waits for its time if it is still to come, and burns exactly its CPU time, its own housekeeping included.

A load is started in three steps, so that many begin at one moment: :func:`start_load` (processes exist
and wait), :meth:`LoadProcess.wait_ready`, :meth:`LoadProcess.go`.
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from enforcer import load_child
from enforcer.cgroup_text import parse_flat_keyed
from enforcer.cgroupfs import CgroupFS
from enforcer.launch import Child, Command, launch
from enforcer.load_cpu import RECORD, clock_step
from enforcer.load_peer import Peer
from enforcer.load_pieces import CpuDemand, Floats, cut
from enforcer.load_room import has_room
from enforcer.load_shapes import Shapes, other_shapes
from enforcer.procfs import ProcFS
from qos.errors import HostError
from qos.model.workload import Workload

AHEAD_SECONDS: Final = 120.0
"""How far before its time work lies in the queue."""

_LEFT_FOR_THE_START: Final = 2 << 20
"""Of the memory wanted at the start: what the load's processes come to use meanwhile is part of it."""

_OURS: Final = ("queue", "results", "ready", "go", "fill")
_THEIRS: Final = ("queue_read", "results", "ready_write", "go_read", "fill_read")


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the load's own processes cost before the start: not part of the workload.

    Attributes:
        cpu_seconds: CPU time of the cgroup at the start.
        bytes: memory charged to the cgroup at the start, without what was put in place already; counted as
            part of the anonymous memory wanted.
        processes: of the load, its parent included.
    """

    cpu_seconds: float
    bytes: int
    processes: int


class LoadProcess:
    """A load in its cgroup, made by :func:`start_load`.

    Attributes:
        child: its parent process, PID 1 of the load's own PID namespace.
        dies_whole: when one of its processes is killed, all end (exit code 137).
        given_cpu_seconds: CPU time of all pieces done so far, as far as :meth:`results` has read them.
    """

    dies_whole: bool = True

    def __init__(
        self,
        fs: CgroupFS,
        cgroup: str,
        child: Child,
        cpu: CpuDemand | None,
        fds: dict[str, int],
        processes: int,
        passed: Shapes,
        peers: Sequence[Peer] = (),
    ) -> None:
        self._fs = fs
        self._cgroup = cgroup
        self.child = child
        self._cpu = cpu
        self._fds = {name: fds[name] for name in _OURS}
        self._processes = processes
        self._transfers = passed.transfers
        self._first_bytes, self._in_place = passed.first_bytes, 0
        self._peers = peers
        self._start: float | None = None
        self._written = 0
        self._read = 0
        self._fed_until = -1.0
        self._pieces: list[Floats] = []
        self._batch: list[Floats] = []
        self.given_cpu_seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait_ready(self, timeout_seconds: float = 60.0) -> None:
        """Wait until all its processes exist, and the memory they hold from the start on is in place.

        Raises:
            HostError: they do not in time, or the load ended.
        """
        deadline = time.monotonic() + timeout_seconds
        if self._first_bytes is None:
            self._wait_for(self._processes - 1, deadline)
            return
        self._wait_for(self._processes - 2, deadline)  # memory's waits to be told how much
        self._in_place = max(0, self._first_bytes - self._charged_bytes() - _LEFT_FOR_THE_START)
        if not has_room(self._fs, self._cgroup, self._in_place, ProcFS()):
            self._in_place = 0  # it comes at the start, against whatever is in the way
        try:
            os.write(self._fds["fill"], load_child.FILL.pack(self._in_place))
        except BrokenPipeError as error:
            raise HostError(f"{self._fs.root / self._cgroup}: the load ended before its start") from error
        self._wait_for(1, deadline)

    def _wait_for(self, missing: int, deadline: float) -> None:
        ready = self._fds["ready"]
        while missing > 0:
            readable, _, _ = select.select([ready], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise HostError(f"{self._fs.root / self._cgroup}: load not ready in time")
            if said := os.read(ready, missing):
                missing -= len(said)
                continue
            raise HostError(
                f"{self._fs.root / self._cgroup}: load ended with {self.child.wait(5.0)} before its start"
            )

    def _charged_bytes(self) -> int:
        return int(self._fs.read_or_none(self._cgroup, "memory.current") or 0)

    def go(self, start: float | None = None) -> Overhead:
        """Begin, at a moment of the monotonic clock (None: now).

        Returns:
            What the processes cost so far.

        Raises:
            HostError: the load ended meanwhile.
        """
        self._start = time.monotonic() if start is None else start
        self.feed_until(AHEAD_SECONDS)
        for peer in self._peers:
            peer.go(self._start)
        stat = self._fs.read_or_none(self._cgroup, "cpu.stat")
        usage = parse_flat_keyed(stat).get("usage_usec", 0) if stat else 0
        overhead = Overhead(usage / 1e6, max(0, self._charged_bytes() - self._in_place), self._processes)
        try:
            for _ in range(self._processes - 1):
                os.write(self._fds["go"], load_child.GO.pack(self._start, overhead.bytes))
        except BrokenPipeError as error:
            raise HostError(f"{self._fs.root / self._cgroup}: the load ended before its start") from error
        return overhead

    def feed_until(self, seconds: float) -> None:
        """Queue all work that arrives before ``seconds`` (after the start); repeat as time passes."""
        if self._cpu is None or self._cpu.kind == "spin":
            return
        while self._fed_until < seconds:
            chunk = next(self._cpu.feed, None)
            if chunk is None:
                self._fed_until = float("inf")
                self._append(np.array([np.nan]), np.array([np.nan]))
                return
            self._fed_until = float(chunk[0][-1])
            self._append(*cut(self._cpu, *chunk))

    def results(self) -> tuple[Floats, Floats]:
        """What was completed since the last call: requests, or the batch job once all of it is done.

        Finite transfers of a load that has no other work to complete are a job, too.

        Returns:
            Arrivals (R,) in seconds after the start, and latencies (R,) from then to completion.
        """
        done = self._new_results()
        transfers = self._transfers if self._cpu is None or self._cpu.kind == "spin" else 0
        if not transfers and (self._cpu is None or self._cpu.kind not in ("requests", "batch")):
            return np.empty(0), np.empty(0)
        if self._cpu is not None and self._cpu.kind == "requests":
            return done[:, 0].copy(), done[:, 1].copy()
        self._batch.append(done)
        together = np.concatenate(self._batch)
        pieces = transfers or (self._written - 1 if self._fed_until == float("inf") else self._written)
        if not len(done) or len(together) < pieces:
            return np.empty(0), np.empty(0)
        return together[:1, 0], np.array([together.sum(axis=1).max() - together[0, 0]])

    def poll(self) -> int | None:
        """Exit code of the load, None while it runs; see :meth:`Child.poll`."""
        return self.child.poll()

    def terminate(self) -> None:
        """Nothing: a load has no handler of SIGTERM, as a shell script that is PID 1 of its container."""

    def words(self) -> str:
        """Nothing beside its exit code."""
        return ""

    def close(self) -> None:
        """Release all descriptors; the processes go on (kill the cgroup to end them)."""
        for fd in self._fds.values():
            os.close(fd)
        for peer in self._peers:
            peer.close()
        self._fds = {}
        self.child.close()

    def _append(self, times: Floats, costs: Floats) -> None:
        records = np.column_stack([times, costs]).astype(np.float64).tobytes()
        os.pwrite(self._fds["queue"], records, self._written * RECORD.size)
        self._written += len(times)
        self._pieces.append(costs)

    def _new_results(self) -> Floats:
        text = b""
        while chunk := os.pread(self._fds["results"], 1 << 20, self._read + len(text)):
            text += chunk
        whole = len(text) - len(text) % RECORD.size
        self._read += whole
        done: Floats = np.frombuffer(text[:whole], dtype=np.float64).reshape(-1, 2)
        count = self._read // RECORD.size
        if self._pieces:
            self.given_cpu_seconds = float(np.concatenate(self._pieces)[:count].sum())
        return done


def start_load(
    fs: CgroupFS,
    cgroup: str,
    workload: Workload,
    cpu: CpuDemand | None,
    *,
    oom_score_adj: int | None = None,
    scratch: Path | None = None,
    peer: tuple[str, int] | None = None,
    peers: Sequence[Peer] = (),
    joined: Mapping[str, int] | None = None,
    stderr: int = 2,
    proc: ProcFS | None = None,
) -> LoadProcess:
    """Put a load's processes into a cgroup, where they wait for the start.

    Args:
        fs: the tree.
        cgroup: a leaf of it.
        workload: its memory, disk and network shapes.
        cpu: its CPU shape, ready to be carried out; None where it has none.
        oom_score_adj: of every process.
        scratch: directory on the disk that page cache and disk shapes are about.
        peer: host and port that network traffic is sent to; it is received at the next port.
        peers: told the start too, and closed with the load.
        joined: name → descriptor of namespaces to be in, as the pod's ``net``.
        stderr: descriptor for complaints.
        proc: where /proc is.

    Raises:
        CgroupError: no such cgroup, or not a leaf.
        HostError: it cannot be started, or a shape needs a ``scratch`` directory or a ``peer``.
    """
    with ExitStack() as undo:
        proc, threads = proc or ProcFS(), cpu.threads if cpu else 0
        passed = other_shapes(workload, scratch, peer, undo, threads, swap=proc.has_swap())
        fds = _descriptors(undo, proc)
        spec = _spec(fds, passed, cpu)
        command = Command(
            ("load",),
            new_namespaces=frozenset({"pid"} if os.geteuid() == 0 else {"pid", "user"}),
            joined=joined or {},
            oom_score_adj=oom_score_adj,
            body=lambda: load_child.run(spec),
        )
        child = launch(fs, cgroup, command, stdout=stderr, stderr=stderr, proc=proc)
        for fd in {*spec["kept"]} - {fds["results"]}:  # the child has them
            os.close(fd)
        undo.pop_all()
    return LoadProcess(fs, cgroup, child, cpu, fds, 1 + len(passed.shapes) + threads, passed, peers)


def _spec(fds: Mapping[str, int], passed: Shapes, cpu: CpuDemand | None) -> dict[str, Any]:
    """All that the load's processes are told."""
    theirs = {name: fds[name] for name in _THEIRS}
    others = {"others": passed.shapes, "clock_step": clock_step(), "cpu": _cpu_spec(cpu)}
    return {**others, **theirs, "kept": [*theirs.values(), *passed.fds]}


def _descriptors(undo: ExitStack, proc: ProcFS) -> dict[str, int]:
    fds: dict[str, int] = {}

    def keep(*names_and_fds: tuple[str, int]) -> None:
        for name, fd in names_and_fds:
            fds[name] = fd
            undo.callback(os.close, fd)

    keep(*zip(("ready", "ready_write"), os.pipe(), strict=True))
    keep(*zip(("go_read", "go"), os.pipe(), strict=True))
    keep(*zip(("fill_read", "fill"), os.pipe(), strict=True))
    keep(("queue", os.memfd_create("qos-load-queue")))
    keep(("queue_read", proc.reopen(fds["queue"], os.O_RDONLY)))
    keep(("results", os.memfd_create("qos-load-results")))
    # O_APPEND: writes of several processes never overlap
    fcntl.fcntl(fds["results"], fcntl.F_SETFL, os.O_APPEND)
    return fds


def _cpu_spec(cpu: CpuDemand | None) -> dict[str, Any] | None:
    if cpu is None:
        return None
    if cpu.kind != "spin":
        return {"kind": cpu.kind, "threads": cpu.threads}
    times, _ = next(cpu.feed)
    return {
        "kind": "spin",
        "threads": cpu.threads,
        "start": float(times[0]),
        "stop": float(times[1]) if len(times) > 1 else None,
    }

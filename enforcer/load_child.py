"""What runs inside a load's cgroup: one process for each thread, memory or disk shape, and their parent.

It is forked, not executed: no interpreter has to start in the cgroup, which costs 20 ms of CPU natively,
0.4 s under User Mode Linux. Only the standard library is used here: the caller may have threads, and
the fork has none of them.
"""

from __future__ import annotations

import errno
import gc
import itertools
import os
import resource
import signal
import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn

from enforcer import load_cpu, load_disk, load_memory, load_net
from enforcer.syscalls import die_with_parent, fork_into

GO: Final = struct.Struct("=dq")
"""The start: a moment on the monotonic clock, and the bytes that were charged to the cgroup before it."""
FILL: Final = struct.Struct("=q")
"""Bytes of anonymous memory to be put in place before the start."""

Part = Callable[[float, int], None]
Prepare = Callable[[], Part]
"""Done in the part's own process before the start; what it returns is called at the start."""


def parts_of(spec: dict[str, Any]) -> list[Prepare]:
    """What each process of the load does."""
    parts: list[Prepare] = []
    cpu = spec.get("cpu")
    if cpu:
        parts += [lambda: _cpu(spec, cpu)] * cpu["threads"]
    for name, shape in spec.get("others", ()):
        own = {"results": spec["results"], "fill": spec["fill_read"]}
        parts.append(_prepared(name, shape | own))
    return parts


def _cpu(spec: dict[str, Any], cpu: dict[str, Any]) -> Part:
    load_cpu.warm_up()
    if cpu["kind"] == "spin":
        stop = cpu["stop"]
        return lambda start, _: load_cpu.spin(start + cpu["start"], None if stop is None else start + stop)
    clock = load_cpu.make_clock(spec["clock_step"], one_by_one=cpu["kind"] == "requests")
    return lambda start, _: load_cpu.serve(spec["queue_read"], spec["results"], start, clock)


def _prepared(name: str, shape: dict[str, Any]) -> Prepare:
    if name == "anon":
        return lambda: _holding(shape)
    if name == "cache_read" and shape["alone"]:
        return lambda: (
            lambda start, already: load_disk.use_page_cache(
                shape | {"bytes": max(shape["bytes"] - already, 1)}, start
            )
        )
    if name == "idle":
        return lambda: _idle(shape["tasks"])
    if name == "receive":
        return lambda: _at_start(load_net.receiver(shape))
    action = {
        "cache_read": load_disk.use_page_cache,
        "cache_write": load_disk.write_page_cache,
        "disk": load_disk.use_disk,
        "send": load_net.send,
    }[name]
    return lambda: lambda start, _: action(shape, start)


def _holding(shape: dict[str, Any]) -> Part:
    """Memory that is held at the start is there then; what comes later costs CPU time of the run."""
    memory = load_memory.Anonymous(shape)
    (first,) = FILL.unpack(os.read(shape["fill"], FILL.size))
    if first > 0:
        memory.hold(first * load_memory.WITHOUT_PAGE_TABLES)
    return memory.follow


def _idle(tasks: int) -> Part:
    """Be so many processes that only exist, as many as pids.max lets be, until the load ends.

    They are made before the start: a fork costs 0.1 s of CPU time under User Mode Linux.
    """
    for _ in range(tasks - 1):
        try:
            pid, pidfd = fork_into(None)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            break  # refused, and counted in pids.events
        if pid == 0:
            _pause()
        os.close(pidfd)
    return lambda _start, _already: _pause()


def _pause() -> NoReturn:
    while True:
        signal.pause()


def _at_start(action: Callable[[float], None]) -> Part:
    return lambda start, _: action(start)


def run(spec: dict[str, Any]) -> int:
    """Fork, and wait for the end.

    Returns:
        0 when every part is done, 128 + n when one was ended by signal n, else its exit code.
    """
    gc.disable()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()  # a load whose runner was killed would burn CPU for ever
    _close_all_but({0, 1, 2, *spec["kept"]})
    parts = parts_of(spec)
    gc.freeze()  # a collection would touch, and so copy, every page shared with the parent
    children = {}
    for part in parts:
        # not os.fork: libc would run what libraries registered for it, and OpenBLAS then waits for threads
        # that the fork has not
        pid, pidfd = fork_into(None)
        if pid == 0:
            _be(part, spec["ready_write"], spec["go_read"])
        os.close(pidfd)
        children[pid] = part
    if len(parts) > 1 and any(name == "idle" for name, _ in spec["others"]):
        children.popitem()  # tasks that only exist are not waited for: they end with the others
    while children:
        pid, status = os.wait()
        if children.pop(pid, None) is None:
            continue
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            for other in children:
                os.kill(other, signal.SIGKILL)
            return code if code > 0 else 128 - code
    return 0


def _close_all_but(kept: set[int]) -> None:
    """Close what the fork has of the caller's: terminals, sockets, other loads' pipes."""
    edges = [-1, *sorted(kept), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
    for below, above in itertools.pairwise(edges):
        if above > below + 1:  # os.closerange(0, 0) closes everything in Python 3.11
            os.closerange(below + 1, above)


def _be(prepare: Prepare, ready: int, go: int) -> None:
    code = 1
    try:
        part = prepare()
        os.write(ready, b"r")
        # a pipe gives 16 bytes whole or not at all: one message for each process
        start, already = GO.unpack(os.read(go, GO.size))
        part(start, already)
        code = 0
    except BaseException as error:  # noqa: BLE001 — the fork must end here, and say why
        os.write(2, f"load: {error!r}\n".encode())
    finally:
        os._exit(code)

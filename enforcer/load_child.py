"""The program that carries out a load inside its cgroup. Standard library only, so that it weighs little.

It forks one process for each thread, memory or disk shape, says that it is ready, waits for the start and
ends when one of them was killed, or when all are done. ``python -m enforcer.load_child SPEC`` with SPEC as
:func:`enforcer.load.start_load` writes it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

from enforcer import load_cpu, load_memory

GO: Final = struct.Struct("=dq")
"""The start: a moment on the monotonic clock, and the bytes that were charged to the cgroup before it."""

Part = Callable[[float, int], None]


def parts_of(spec: dict[str, Any]) -> list[Part]:
    """What each process of the load does, once it knows the start and the bytes charged before."""
    parts: list[Part] = []
    cpu = spec.get("cpu")
    if cpu and cpu["kind"] == "spin":
        stop = cpu["stop"]
        parts += [
            lambda start, _: load_cpu.spin(start + cpu["start"], None if stop is None else start + stop)
        ] * cpu["threads"]
    elif cpu:
        step = load_cpu.clock_step()
        parts += [
            lambda start, _: load_cpu.serve(spec["queue"], spec["results"], start, load_cpu.make_clock(step))
        ] * cpu["threads"]
    for name, shape in spec.get("others", ()):
        parts.append(_other(name, shape))
    return parts


def _other(name: str, shape: dict[str, Any]) -> Part:
    if name == "anon":
        return lambda start, already: load_memory.hold_anonymous(shape, start, already)
    action = {
        "cache_read": load_memory.use_page_cache,
        "cache_write": load_memory.write_page_cache,
        "disk": load_memory.use_disk,
        "send": load_memory.send,
        "receive": load_memory.receive,
    }[name]
    return lambda start, _: action(shape, start)


def run(spec: dict[str, Any]) -> int:
    """Fork, report ready, start, wait.

    Returns:
        0 when every part is done, 128 + n when one was ended by signal n, else its exit code.
    """
    gc.disable()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parts = parts_of(spec)
    gc.freeze()  # a collection would touch, and so copy, every page shared with the parent
    children = {}
    for part in parts:
        pid = os.fork()
        if pid == 0:
            _be(part, spec["go"])
        children[pid] = part
    os.write(spec["ready"], b"r" * len(parts) or b"r")
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


def _be(part: Part, go: int) -> None:
    code = 1
    try:
        # a pipe gives 16 bytes whole or not at all: one message for each process
        start, already = GO.unpack(os.read(go, GO.size))
        part(start, already)
        code = 0
    except (OSError, struct.error, MemoryError) as error:
        os.write(2, f"load: {error!r}\n".encode())
    finally:
        os._exit(code)


def main(argv: list[str]) -> None:
    """Carry out the load whose specification is the one argument."""
    spec = json.loads(argv[1])
    sys.exit(run(spec))


if __name__ == "__main__":
    main(sys.argv)

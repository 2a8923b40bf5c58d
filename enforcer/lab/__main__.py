"""``python -m enforcer.lab --lane uml -- COMMAND``: run a command under a real cgroup v2 kernel."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from enforcer.lab.errors import LabError
from enforcer.lab.launcher import LANES, NOT_STARTED, TIMED_OUT, run_in_guest, unwind_on_signals


def parser() -> argparse.ArgumentParser:
    """The options; one for each of :func:`~enforcer.lab.launcher.run_in_guest`'s."""
    options = argparse.ArgumentParser(prog="python -m enforcer.lab", description=__doc__)
    options.add_argument("--lane", choices=tuple(LANES), default="uml")
    options.add_argument("--systemd", action="store_true", help="systemd is PID 1")
    options.add_argument("--writable", type=Path, action="append", default=[], metavar="DIR")
    options.add_argument("--module", action="append", default=[], metavar="NAME")
    options.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS")
    options.add_argument("--cpus", type=int)
    options.add_argument("--memory", type=int, default=1024, metavar="MIB")
    options.add_argument("--disk", type=int, default=0, metavar="MIB")
    options.add_argument("command", nargs="+", metavar="COMMAND")
    return options


def main(words: list[str]) -> int:
    """Run the command; its exit code, 124 when the time was up, 125 when it was never started."""
    options = parser().parse_args(words)
    unwind_on_signals()
    try:
        result = run_in_guest(
            options.command,
            lane=options.lane,
            writable=options.writable,
            timeout_seconds=options.timeout,
            systemd=options.systemd,
            cpus=options.cpus,
            memory_mib=options.memory,
            modules=options.module,
            disk_mib=options.disk,
            on_output=_show,
        )
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return NOT_STARTED
    if result.exit_code in (NOT_STARTED, TIMED_OUT):
        why = "the time was up" if result.exit_code == TIMED_OUT else "the guest did not start"
        print(f"lab: {why}; its console said:\n{result.console}", file=sys.stderr)
    return result.exit_code


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`qos doctor` and `qos lab`: what this host can enforce, and a real kernel where it cannot."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """Formats of `qos doctor`."""

    TABLE = "table"
    JSON = "json"


class Lane(StrEnum):
    """Kernels of `qos lab`."""

    UML = "uml"
    QEMU = "qemu"
    BUILT = "built"


def doctor(
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
) -> None:
    """Say what this host can enforce, and for what it lacks, the remedy.

    Exit code 0 when plans can be applied here, 2 when something they need is missing.

    Example: qos doctor
    """
    from enforcer.preflight import preflight

    checks = preflight()
    if output is Output.JSON:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            print(f"{check.grade:<8} {check.name}: {check.found}")
            if check.remedy:
                print(f"{'':<8} → {check.remedy}")
    if any(check.grade == "missing" for check in checks):
        print("qos: plans cannot be applied on this host as it is", file=sys.stderr)
        raise typer.Exit(2)


def lab(
    command: Annotated[list[str], typer.Argument(help="The command, after --.", metavar="COMMAND...")],
    lane: Annotated[
        Lane, typer.Option(help="Which kernel: seconds, everything, or the one built.")
    ] = Lane.UML,
    systemd: Annotated[bool, typer.Option("--systemd", help="Boot systemd as PID 1.")] = False,
    writable: Annotated[
        list[Path] | None, typer.Option(help="A folder the command may write to; repeatable.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until the guest is ended.", min=1.0)] = 600.0,
    disk: Annotated[int, typer.Option(help="MiB of an empty disk, $QOS_LAB_DISK inside.", min=0)] = 0,
) -> None:
    """Run a command under a real cgroup v2 kernel, in a throw-away guest of this machine.

    Its root is this machine's, read only but for --writable; /sys/fs/cgroup is a whole tree.
    Exit code: the command's; 124 when the time was up, 125 when the guest did not start.

    Example: qos lab -- qos apply -f pod.yaml
    """
    from enforcer.lab.launcher import NOT_STARTED, TIMED_OUT, run_in_guest, unwind_on_signals

    unwind_on_signals()
    result = run_in_guest(
        command,
        lane=lane.value,
        systemd=systemd,
        writable=writable or (),
        timeout_seconds=timeout,
        disk_mib=disk,
        on_output=_show,
    )
    if result.exit_code in (NOT_STARTED, TIMED_OUT):
        why = "the time was up" if result.exit_code == TIMED_OUT else "the guest did not start"
        print(f"qos: {why}; its console said:\n{result.console}", file=sys.stderr)
    raise typer.Exit(result.exit_code)


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()

"""`qos run`: one command with the resources of a pod."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from qos.cli.apply import CgroupDriver

CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""How the command is registered: words after the first that is no option are the command's own."""


def run(
    argv: Annotated[list[str], typer.Argument(help="The command, after --.", metavar="-- COMMAND [ARG...]")],
    qos_class: Annotated[
        str | None, typer.Option("--class", help="guaranteed, burstable or besteffort; refused if not so.")
    ] = None,
    cpu: Annotated[str | None, typer.Option(help="CPU request, such as 500m.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory request, such as 1Gi.")] = None,
    cpu_limit: Annotated[str | None, typer.Option(help="CPU limit.")] = None,
    memory_limit: Annotated[str | None, typer.Option(help="Memory limit.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the pod; by default from the command.")] = None,
    policy: Annotated[str | None, typer.Option("--policy", "-p", help="By default kubelet.")] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Write a recording of the run to this folder.")
    ] = None,
    interval: Annotated[str, typer.Option(help="Between two readings of the recording.")] = "100ms",
    root: Annotated[Path | None, typer.Option(help="The cgroup below which qos works.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where qos keeps its record.")] = None,
    cgroup_driver: CgroupDriver = None,
) -> None:
    """Run a command as a pod: planned, put into its cgroup from its first instruction on, cleaned up after.

    The exit code is the command's; 128 + n where signal n ended it.

    Example: qos run --class burstable --cpu 500m --memory 1Gi -- make -j8
    """
    from qos.cli.options import parse_duration
    from qos.experiment.enforce import Host
    from qos.experiment.run import Wish, run_recorded

    requests = {key: text for key, text in (("cpu", cpu), ("memory", memory)) if text is not None}
    limits = {key: text for key, text in (("cpu", cpu_limit), ("memory", memory_limit)) if text is not None}
    wish = Wish(tuple(argv), name=name, qos_class=qos_class, requests=requests, limits=limits, policy=policy)
    seconds = parse_duration(interval, "--interval") if record is not None else None
    with Host(root, state_dir, cgroup_driver.value if cgroup_driver else None) as host:
        code, recording = run_recorded(
            host,
            wish,
            interval_seconds=seconds,
            command_line=shlex.join(["qos", *sys.argv[1:]]),
            tell=lambda words: print(f"qos: {words}", file=sys.stderr),
        )
    if recording is not None and record is not None:
        from qos.record.store import write_recording

        print(f"qos: recording: {write_recording(recording, record)}", file=sys.stderr)
    raise typer.Exit(code)

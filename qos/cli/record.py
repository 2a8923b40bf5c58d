"""`qos record`: sample the real kernel into a recording."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def record(
    selectors: Annotated[
        list[str] | None,
        typer.Argument(help="[NAMESPACE/]POD[:CONTAINER]; all of qos's without.", metavar="[SELECTOR...]"),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the recording.")] = Path(
        "reports/out/host"
    ),
    interval: Annotated[str, typer.Option(help="Between two readings.")] = "1s",
    duration: Annotated[str | None, typer.Option(help="How long; until Ctrl-C without.")] = None,
    cgroup: Annotated[
        list[str] | None, typer.Option(help="A cgroup that is not qos's; repeat for several.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every cgroup that holds processes.")] = False,
    root: Annotated[Path | None, typer.Option(help="The cgroup below which qos works.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where qos keeps its record.")] = None,
) -> None:
    """Record what the kernel counts: the same columns, and so the same reports, as a simulated run.

    A reading is also taken whenever the kernel announces an OOM kill or the end of a cgroup's last process.

    Example: qos record -o reports/out/host --interval 100ms --duration 30s
    """
    from qos.cli.options import parse_duration
    from qos.cli.watching import open_here, stopped_by_signal
    from qos.experiment.enforce import this_node
    from qos.experiment.observe import recorder
    from qos.record.store import write_recording

    seconds = parse_duration(interval, "--interval")
    until = parse_duration(duration, "--duration") if duration is not None else None
    with (
        open_here(selectors or (), cgroup or (), everything, root, state_dir) as (fs, here),
        stopped_by_signal() as stopped,
        recorder(fs, here, seconds) as one,
    ):
        one.run(stopped, until)
        recording = one.recording(this_node(), shlex.join(["qos", *sys.argv[1:]]))
        for file, reason in one.unreadable.items():
            print(f"qos: {file} was left out: {reason}", file=sys.stderr)
    written = write_recording(recording, out)
    print(f"recording: {written} ({len(recording.samples.times)} readings)", file=sys.stderr)

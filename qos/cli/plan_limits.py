"""`qos plan limits`: should I remove CPU limits?"""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """Formats of `qos plan limits`."""

    TABLE = "table"
    JSON = "json"


RecordingPath = Annotated[Path, typer.Argument(help="Of `qos record`, `qos run` or `qos simulate`.")]
Victim = Annotated[
    str, typer.Option(metavar="NAME", help="The container it is about; the most throttled without.")
]
CpuPerRequest = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TIME", help="CPU time of a request of a container, where known; repeat."),
]
Window = Annotated[
    str, typer.Option(metavar="TIME", help="Replay at most so much: where most was throttled.")
]
Seeds = Annotated[int, typer.Option(help="Replays; arrivals differ.", min=1, max=100)]
PagePath = Annotated[Path, typer.Option("--report", metavar="FILE", help="The page to write.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]


def limits(
    recording: RecordingPath,
    victim: Victim = "",
    cpu_per_request: CpuPerRequest = None,
    window: Window = "10m",
    seeds: Seeds = 3,
    report: PagePath = Path("reports/out/limits.html"),
    output: OutputOption = Output.TABLE,
) -> None:
    """Should I remove CPU limits? The recorded demand again with limits, without, and with cpu.max.burst.

    Demand is guessed from usage and throttling, and what is assumed is said. THROTTLED: part of its periods.
    PRESSURE: part of the time in which a thread waited. P99: of a piece of work.

    Exit code 0 when an answer was found, 2 for bad input.

    Example: qos record --all -o node --duration 10m && qos plan limits node
    """
    from qos.cli.options import parse_duration
    from qos.cli.plan_common import plain_json
    from qos.cli.table import text_table, wrapped
    from qos.experiment.plan_limits import plan_limits
    from qos.experiment.plan_limits_page import said, write_limits_page
    from qos.record.store import read_recording

    path = _one(recording)
    read = read_recording(path)
    plan = plan_limits(
        read,
        victim=victim,
        piece_seconds=_pieces(cpu_per_request or []),
        window_seconds=parse_duration(window, "--window"),
        seeds=seeds,
    )
    told = said(plan)
    if output is Output.JSON:
        print(json.dumps(plain_json({"answer": told.sentences[0], **asdict(plan)}), indent=2))
    else:
        print(
            f"{wrapped(told.sentences)}\n\n{text_table(told.headers, told.rows)}\n\n{wrapped(told.assumed)}"
        )
    write_limits_page(
        plan, str(read.meta.get("scenario") or path.name), shlex.join(["qos", *sys.argv[1:]]), report
    )
    print(f"report: {report}", file=sys.stderr)


def _one(path: Path) -> Path:
    from qos.errors import InputError
    from qos.record.store import find_recordings

    found = find_recordings(path)
    if len(found) > 1:
        raise InputError(
            "one recording at a time", field="RECORDING", value=str(path),
            expected="one of " + ", ".join(str(each) for each in found),
        )  # fmt: skip
    return found[0]


def _pieces(texts: list[str]) -> dict[str, float]:
    from qos.cli.options import parse_duration
    from qos.errors import InputError

    found = {}
    for text in texts:
        name, equals, time = text.rpartition("=")
        if not equals or not name:
            raise InputError(
                "is no time of a request", field="--cpu-per-request", value=text, expected="NAME=20ms"
            )
        found[name] = parse_duration(time, "--cpu-per-request")
    return found

"""`qos report` and `qos compare`: pages and tables from any recording, simulated or measured."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """Formats of `qos compare`."""

    TABLE = "table"
    JSON = "json"


def report(
    recordings: Annotated[
        list[Path],
        typer.Argument(help="Recordings, fleets' runs, or folders of them.", metavar="RECORDING..."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("reports/out/report.html"),
) -> None:
    """Write one self-contained HTML page from recordings of the simulator or of a real kernel.

    Example: qos report reports/out/contention --out contention.html
    """
    from qos.cli.table import wrapped
    from qos.experiment import fleet_tell
    from qos.experiment.tell import read_all, tell, write_page

    fleets = fleet_tell.read_fleets(recordings)
    if fleets:
        fleet_tell.write_page(fleets, out)
        print(wrapped(fleet_tell.answer(fleets)))
        print(f"report: {out}", file=sys.stderr)
        return
    told = tell(read_all(recordings))
    write_page(told, out)
    print(wrapped(told.answer))
    print(f"report: {out}", file=sys.stderr)


def compare(
    before: Annotated[Path, typer.Argument(help="A recording, or a fleet's run.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
) -> None:
    """Say what differs between two recordings, metric by metric, the largest change first.

    Example: qos compare reports/out/contention/kubelet reports/out/contention/no-cpu-limits
    """
    from qos.cli.table import text_table
    from qos.experiment.tell import DIFFERENCE_HEADERS, difference_rows, differences

    found = differences(before, after)
    if output is Output.JSON:
        records = [{"subject": d.subject, "metric": d.metric, "old": d.old, "new": d.new} for d in found]
        print(json.dumps(records))
    else:
        print(text_table(DIFFERENCE_HEADERS, difference_rows(found)))

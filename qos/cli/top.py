"""`qos top`: what every container gets and what holds it back, live."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from qos.experiment.top import TopRow


class Output(StrEnum):
    """Formats of `qos top`."""

    LIVE = "live"
    TABLE = "table"
    JSON = "json"


def top(
    selectors: Annotated[
        list[str] | None,
        typer.Argument(help="[NAMESPACE/]POD[:CONTAINER]; all of qos's without.", metavar="[SELECTOR...]"),
    ] = None,
    output: Annotated[
        Output | None, typer.Option("-o", "--output", help="live on a terminal; table and json once.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(help="name, class, cpu, cpu-limit, throttled, throttled-above, cpu-pressure, memory, …"),
    ] = "cpu",
    reverse: Annotated[bool, typer.Option("--reverse", help="The smallest first.")] = False,
    interval: Annotated[str, typer.Option(help="Between two readings.")] = "1s",
    cgroup: Annotated[
        list[str] | None, typer.Option(help="A cgroup that is not qos's; repeat for several.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every cgroup that holds processes.")] = False,
    root: Annotated[Path | None, typer.Option(help="The cgroup below which qos works.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where qos keeps its record.")] = None,
) -> None:
    """Show class, use against request and limit, throttling by cause, pressure and OOM kills.

    THR-OWN: quota periods in which its own cpu.max stopped it; ABOVE: one above it, as the pod's.
    WAIT: time in which a task waited for a CPU (cpu.pressure). RST: restarts by apply --watch and restart.

    Example: qos top --sort throttled
    """
    from qos.cli.options import parse_duration
    from qos.cli.watching import open_here, stopped_by_signal
    from qos.errors import InputError
    from qos.experiment.observe import recorder
    from qos.experiment.top import TOP_COLUMNS, sorted_rows, top_rows

    if sort not in TOP_COLUMNS:
        raise InputError("no such column", field="--sort", value=sort, expected=", ".join(TOP_COLUMNS))
    seconds = parse_duration(interval, "--interval")
    chosen = output or (Output.LIVE if sys.stdout.isatty() else Output.TABLE)
    with (
        open_here(selectors or (), cgroup or (), everything, root, state_dir) as (fs, here),
        stopped_by_signal() as stopped,
        recorder(fs, here, seconds) as one,
        _screen(chosen) as show,
    ):
        while not stopped():
            one.run(stopped, seconds)
            show(sorted_rows(top_rows(here, one.window()), sort, reverse=reverse))
            if chosen is not Output.LIVE:
                break


@contextmanager
def _screen(output: Output) -> Iterator[Callable[[list[TopRow]], None]]:
    if output is Output.JSON:
        yield lambda rows: print(json.dumps([row.to_json() for row in rows]))
        return
    from rich.console import Console

    console = Console(soft_wrap=False)
    if output is Output.TABLE:
        yield lambda rows: console.print(_table(rows))
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False, screen=False) as live:
        yield lambda rows: live.update(_table(rows), refresh=True)


def _table(rows: list[TopRow]) -> Table:
    """A table that fits 80 columns: names are cut first."""
    from rich.table import Table
    from rich.text import Text

    from qos.experiment.top import TOP_COLUMNS

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for word, column in TOP_COLUMNS.items():
        name = word == "name"
        table.add_column(
            column.title,
            no_wrap=not name,  # what may wrap is what rich makes narrower
            justify="left" if name or word == "class" else "right",
            min_width=8 if name else None,
            max_width=None if name else 11,
        )
    for row in rows:
        name_text, *others = (column.text(row) for column in TOP_COLUMNS.values())
        table.add_row(Text(name_text, no_wrap=True, overflow="ellipsis"), *others)
    return table

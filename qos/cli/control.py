"""`qos freeze`, `thaw`, `kill`, `restart`: one command for a whole pod or container."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from enforcer.cgroupfs import CgroupFS


class Output(StrEnum):
    """Formats of the control commands."""

    NAME = "name"
    JSON = "json"


Selectors = Annotated[
    list[str], typer.Argument(help="[NAMESPACE/]POD[:CONTAINER]; repeat for several.", metavar="SELECTOR...")
]
Timeout = Annotated[str, typer.Option(help="How long the kernel may take to confirm.")]
Printed = Annotated[Output, typer.Option("-o", "--output", help="How to print.")]
Root = Annotated[Path | None, typer.Option(help="The cgroup below which qos works.")]
StateDir = Annotated[Path | None, typer.Option(help="Where qos keeps its record.")]


def freeze(
    selectors: Selectors,
    timeout: Timeout = "10s",
    output: Printed = Output.NAME,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Stop every process of a pod or container; it keeps its memory and uses no CPU until it is thawed.

    Returns when the kernel confirms it.

    Example: qos freeze web
    """
    from enforcer import control

    _act("frozen", control.freeze, selectors, timeout, output, root, state_dir)


def thaw(
    selectors: Selectors,
    timeout: Timeout = "10s",
    output: Printed = Output.NAME,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Let a frozen pod or container run again. Returns when the kernel confirms it.

    Example: qos thaw web
    """
    from enforcer import control

    _act("thawed", control.thaw, selectors, timeout, output, root, state_dir)


def kill(
    selectors: Selectors,
    timeout: Timeout = "10s",
    output: Printed = Output.NAME,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Kill every process of a pod or container at once, frozen ones too. Returns when all are gone.

    Its cgroups and values stay; `qos delete` gives them back.

    Example: qos kill web:sidecar
    """
    from enforcer import control

    _act("killed", control.kill, selectors, timeout, output, root, state_dir)


def restart(
    selectors: Selectors,
    logs: Annotated[Path | None, typer.Option(help="Where the output goes.")] = None,
    output: Printed = Output.NAME,
    root: Root = None,
    state_dir: StateDir = None,
) -> None:
    """Kill containers and start their commands again, in the same cgroups with the same values.

    Example: qos restart web
    """
    import os

    from enforcer.state import default_directory
    from qos.experiment.enforce import Host
    from qos.experiment.run import restart as start_again

    folder = logs or (state_dir or default_directory(os.environ)) / "logs"
    with Host(root, state_dir) as host:
        started = start_again(host, selectors, folder)
    if output is Output.JSON:
        print(json.dumps([{"object": f"pod/{name}", "pid": pid} for name, pid in started.items()]))
    else:
        print("\n".join(f"pod/{name} restarted" for name in started))


def _act(
    done: str,
    action: Callable[[CgroupFS, str, float], float],
    selectors: list[str],
    timeout: str,
    output: Output,
    root: Path | None,
    state_dir: Path | None,
) -> None:
    from qos.cli.options import parse_duration
    from qos.experiment.enforce import Host
    from qos.experiment.pods_here import targets

    seconds = parse_duration(timeout, "--timeout")
    with Host(root, state_dir) as host:
        for name, path in targets(host, selectors).items():
            took = action(host.fs, path, seconds)
            if output is Output.JSON:
                print(json.dumps({"object": f"pod/{name}", "done": done, "seconds": round(took, 6)}))
            else:
                print(f"pod/{name} {done}")

"""`qos adopt`: processes that already run become a pod's."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qos.cli.apply import CgroupDriver

if TYPE_CHECKING:
    from enforcer.adopt import Way
    from qos.experiment.adopt import Adoption


class Output(StrEnum):
    """Formats of `qos adopt`."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


def adopt(
    pid: Annotated[str | None, typer.Option(help="The process of this number.")] = None,
    unit: Annotated[str | None, typer.Option(help="All of a systemd unit, such as nginx.service.")] = None,
    cgroup: Annotated[str | None, typer.Option(help="All in a cgroup and below.")] = None,
    command: Annotated[
        str | None, typer.Option(help="All whose command line matches a regular expression.")
    ] = None,
    into: Annotated[
        str | None, typer.Option(help="Container in force, [NAMESPACE/]POD[:CONTAINER]; else a pod is made.")
    ] = None,
    qos_class: Annotated[
        str | None, typer.Option("--class", help="guaranteed, burstable or besteffort; refused if not so.")
    ] = None,
    cpu: Annotated[str | None, typer.Option(help="CPU request of the pod, such as 500m.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory request, such as 1Gi.")] = None,
    cpu_limit: Annotated[str | None, typer.Option(help="CPU limit.")] = None,
    memory_limit: Annotated[str | None, typer.Option(help="Memory limit.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the pod that is made.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be moved.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print.")] = Output.TABLE,
    root: Annotated[Path | None, typer.Option(help="The cgroup below which qos works.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where qos keeps its record.")] = None,
    cgroup_driver: CgroupDriver = None,
) -> None:
    """Treat processes that already run as a pod: by number, systemd unit, cgroup or command line.

    They are moved into the pod's cgroup with all they fork from then on; memory they used before stays
    charged where it was. `qos delete` moves them back and makes all as it was.

    Example: qos adopt --command 'nginx: worker' --cpu 500m --memory-limit 1Gi --name nginx
    """
    from qos.experiment.adopt import adopt as take
    from qos.experiment.enforce import Host
    from qos.experiment.run import Wish

    way, what = _asked(pid, unit, cgroup, command)
    requests = {key: text for key, text in (("cpu", cpu), ("memory", memory)) if text is not None}
    limits = {key: text for key, text in (("cpu", cpu_limit), ("memory", memory_limit)) if text is not None}
    if into is not None and (requests or limits or name or qos_class):
        raise typer.BadParameter("--into names a container with resources of its own; leave out the rest")
    wish = Wish((), name=name, qos_class=qos_class, requests=requests, limits=limits)
    with Host(root, state_dir, cgroup_driver.value if cgroup_driver else None) as host:
        done = take(host, way, what, into=into, wish=wish, dry_run=dry_run)
    _print(done, output, dry_run=dry_run)


def _print(done: Adoption, output: Output, *, dry_run: bool) -> None:
    said = "would be adopted" if dry_run else "adopted"
    print(f"qos: {len(done.processes)} processes {said} by pod/{done.container}", file=sys.stderr)
    if output is Output.JSON:
        rows = [{"pid": one.pid, "command": one.command, "from": one.from_cgroup} for one in done.processes]
        print(json.dumps({"container": done.container, "cgroup": done.cgroup, "processes": rows}))
    elif output is Output.NAME:
        print("\n".join(str(one.pid) for one in done.processes))
    else:
        from qos.cli.table import text_table

        rows_of = [(str(one.pid), one.from_cgroup or "/", one.command[:40]) for one in done.processes]
        print(text_table(("PID", "FROM", "COMMAND"), rows_of))


def _asked(pid: str | None, unit: str | None, cgroup: str | None, command: str | None) -> tuple[Way, str]:
    ways: dict[Way, str | None] = {"pid": pid, "unit": unit, "cgroup": cgroup, "command": command}
    given = [(way, what) for way, what in ways.items() if what is not None]
    if len(given) != 1:
        raise typer.BadParameter("say which processes: one of --pid, --unit, --cgroup, --command")
    return given[0]

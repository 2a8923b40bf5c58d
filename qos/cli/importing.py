"""`qos import`: tables of clusters and of measured use become scenarios."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Kind(StrEnum):
    """What can be imported."""

    OPENB = "openb"
    USAGE = "usage"


def import_(
    kind: Annotated[
        Kind, typer.Argument(help="openb: a cluster's nodes and pods. usage: CPU use over time.")
    ],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…]", help="usage: CSV or JSON tables.")
    ] = None,
    nodes: Annotated[str | None, typer.Option(metavar="FILE", help="openb: the node table.")] = None,
    pods: Annotated[str | None, typer.Option(metavar="FILE", help="openb: the pod table.")] = None,
    use: Annotated[
        float, typer.Option(help="openb: mean CPU use, as a part of the request.", min=0, max=10)
    ] = 0.5,
    classes: Annotated[
        bool, typer.Option("--classes", help="openb: give pods the class that the table calls them.")
    ] = False,
    scale: Annotated[float, typer.Option(help="usage: CPUs for one of the table's unit.", min=0)] = 1.0,
    duration: Annotated[
        str | None, typer.Option(help="Of the scenario; else 1h, or the whole series.")
    ] = None,
    step: Annotated[str, typer.Option(help="openb: the scenario's sampleInterval.")] = "10s",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the scenario goes; else ./openb or ./usage.")
    ] = None,
) -> None:
    """Make a scenario of tables: a cluster trace's nodes and pods, or measured CPU use.

    usage reads bitbrains, crane, kruize, Alibaba and time,value CSV, and Prometheus range JSON.

    Example: qos import usage vm1.csv vm2.csv --out vms && qos simulate vms/scenario.yaml
    """
    from qos.errors import InputError

    folder = out or Path(kind.value)
    if kind is Kind.USAGE:
        if not files or nodes or pods:
            raise InputError("usage takes tables", expected="qos import usage FILE…")
        _usage(folder, files, scale, duration)
        return
    from qos.experiment.import_openb import PODS_FILE, import_openb

    if files or not nodes or not pods:
        raise InputError("openb takes two tables", expected="qos import openb --nodes FILE --pods FILE")
    made = import_openb(
        nodes, pods, name=_name(folder), use=use, by_name=classes, duration=duration or "1h", step=step
    )
    _write(folder, made.scenario, {PODS_FILE: json.dumps(made.pods) + "\n"})
    if made.left_out:
        print(f"qos: {made.left_out} pods fit no node and are left out", file=sys.stderr)


def _usage(folder: Path, files: list[str], scale: float, duration: str | None) -> None:
    from qos.experiment.import_usage import import_usage

    series = import_usage(files, name=_name(folder), scale=scale, duration=duration)
    _write(folder, series.scenario, series.files)
    if series.dropped:
        print(f"qos: {series.dropped} rows were empty, no numbers or told twice", file=sys.stderr)


def _name(folder: Path) -> str:
    import re

    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "imported"


def _write(folder: Path, scenario: dict[str, Any], files: dict[str, str]) -> None:
    import yaml

    from qos.record.store import write_text

    for name, text in files.items():
        write_text(folder / name, text)
    path = folder / "scenario.yaml"
    write_text(path, yaml.safe_dump(scenario, sort_keys=False, allow_unicode=True, width=110))
    print(path)

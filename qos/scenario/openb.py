"""Node and pod tables of the openb trace (Alibaba's GPU cluster): CSV into plain rows."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from qos.errors import InputError, SourceRef
from qos.scenario.load import read_bytes

MOST: Final = 2**40
"""Larger numbers than any machine has: thousandths of CPU, MiB or pieces."""


class NodeRow(NamedTuple):
    """A machine of the node table."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    model: str


class PodRow(NamedTuple):
    """A pod of the pod table.

    ``models`` are the GPUs it accepts, none where it takes any; ``qos`` is what the trace calls it, which is
    not its Kubernetes class.
    """

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    models: tuple[str, ...]
    qos: str = ""


def read_openb_nodes(path: str | os.PathLike[str]) -> tuple[NodeRow, ...]:
    """The node table ``sn,cpu_milli,memory_mib,gpu,model``.

    Raises:
        InputError: unreadable, a column is missing, or a number is none.
    """
    rows = (
        NodeRow(
            row["sn"],
            _number(row, "cpu_milli", at),
            _number(row, "memory_mib", at),
            _number(row, "gpu", at, 64),
            row["model"],
        )
        for row, at in _rows(path, ("sn", "cpu_milli", "memory_mib", "gpu", "model"))
    )
    return tuple(rows)


def read_openb_pods(path: str | os.PathLike[str]) -> tuple[PodRow, ...]:
    """The pod table ``name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec,…]``.

    Raises:
        InputError: unreadable, a column is missing, or a number is none.
    """
    rows = (
        PodRow(
            row["name"],
            _number(row, "cpu_milli", at),
            _number(row, "memory_mib", at),
            _number(row, "num_gpu", at, 64),
            _number(row, "gpu_milli", at, 1000),
            tuple(model for model in (row.get("gpu_spec") or "").split("|") if model),
            row.get("qos") or "",
        )
        for row, at in _rows(path, ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"))
    )
    return tuple(rows)


def _rows(path: str | os.PathLike[str], columns: Sequence[str]) -> Iterator[tuple[dict[str, str], SourceRef]]:
    file = os.fspath(path)
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("is no text", source=SourceRef(file), expected="CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        for name in columns:
            if name not in header:
                raise InputError(
                    "has no such column", source=SourceRef(file, 1), field=name, expected=",".join(columns)
                )
        for cells in reader:
            at = SourceRef(file, reader.line_num)
            if len(cells) != len(header):
                raise InputError(
                    f"has {len(cells)} cells", source=at, expected=f"{len(header)}, as the header has"
                )
            yield dict(zip(header, cells, strict=True)), at
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", source=SourceRef(file, reader.line_num)) from None


def _number(row: dict[str, str], column: str, at: SourceRef, most: int = MOST) -> int:
    text = row[column]
    # Digits of other scripts and underscores are numbers to int(), and a typing error here.
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or int(text) > most:
        raise InputError(
            "is no number", source=at, field=column, value=text, expected=f"a whole number from 0 to {most}"
        )
    return int(text)

"""Where a sweep's runs are computed: processes of this machine, or an existing Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from qos.errors import InputError
from qos.experiment.sweep import Engine
from qos.experiment.sweep_task import Task
from qos.record.run_store import StoredRun

LOCAL: Final = "local"
_DASK: Final = "dask://"
EXPECTED: Final = f"{LOCAL} or {_DASK}HOST:PORT"


def engine_of(name: str, workers: int | None = None) -> Engine:
    """The engine of a name.

    Args:
        name: ``local``, or ``dask://HOST:PORT`` of a Dask scheduler.
        workers: processes of the local engine; None: a CPU each that this process may use.

    Raises:
        InputError: no such engine, or workers told to a cluster that has its own.
    """
    if name == LOCAL:
        return partial(_local, workers=workers or len(os.sched_getaffinity(0)))
    host, _, port = name.removeprefix(_DASK).rpartition(":")
    if not name.startswith(_DASK) or not host or not port.isdecimal():
        raise InputError("is no engine", field="--engine", value=name, expected=EXPECTED)
    if workers is not None:
        raise InputError(
            "belongs to the local engine", field="--workers", expected="the cluster's own workers"
        )
    return partial(_dask, address=f"tcp://{host}:{port}")


def parse_shard(text: str) -> tuple[int, int]:
    """``I/N``, with I from 0 to N - 1 as Kubernetes counts Indexed Jobs.

    >>> parse_shard("0/4")
    (0, 4)

    Raises:
        InputError: no shard.
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise InputError(
            "is no shard", field="--shard", value=text, expected="I/N with I from 0 to N - 1, such as 0/4"
        )
    return int(index), int(count)


def _local(tasks: Sequence[Task], *, workers: int) -> Iterator[StoredRun]:
    from qos.experiment.sweep_pool import run_local

    return run_local(tasks, workers)


def _dask(tasks: Sequence[Task], *, address: str) -> Iterator[StoredRun]:
    from qos.experiment.sweep_dask import run_dask

    return run_dask(tasks, address)

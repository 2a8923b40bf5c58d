"""Runs on an existing Dask cluster: what its workers lose is run again, and counted once.

Needs the extra ``qos[dask]`` here and the same qos on every worker; other code there is refused, because
its results would not be the ones that were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from qos.errors import HostError, PreflightError, QosError
from qos.experiment.sweep_task import Task, run_task, stamp
from qos.record.run_store import StoredRun

_CONNECT_SECONDS: Final = 20
_AHEAD: Final = 4
"""Tasks handed over at once for each thread of the cluster: enough to keep it busy while results travel."""


def run_dask(tasks: Sequence[Task], address: str) -> Iterator[StoredRun]:
    """Every task's run once, in the order they finish; closing the iterator cancels what is left.

    Args:
        tasks: what to run.
        address: of the scheduler, ``tcp://HOST:PORT``.

    Raises:
        PreflightError: the extra is not installed.
        HostError: no scheduler answers, a worker has no or another qos, or a run always ends its worker.
        QosError: a run failed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise PreflightError(["Dask is not installed; pip install 'qos[dask]'"]) from None
    try:
        client: Any = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise HostError(f"{address}: no Dask scheduler answers: {error}") from None
    with client:
        _check(client)
        yield from _results(client, tasks)


def _check(client: Any) -> None:
    """Every worker that is there has this qos."""
    try:
        found = client.run(stamp, on_error="return")
    except Exception as error:  # noqa: BLE001 - the workers' own errors come as they are
        raise HostError(f"the cluster's workers cannot run qos: {error}") from None
    for worker, theirs in found.items():
        if isinstance(theirs, Exception):
            raise HostError(f"worker {worker} cannot run qos: {theirs!r}; install this version there")
        if theirs != stamp():
            raise HostError(f"worker {worker} has another qos: {theirs}, here {stamp()}; install the same")


def run_here(task: Task, scenario: bytes) -> StoredRun | str:
    """Run one task on a worker; an error of the run in words, because not all errors can be sent.

    Args:
        task: without its scenario.
        scenario: which is a task of its own, sent once a point and made again where a worker is lost.
    """
    if task.stamp != stamp():
        return f"this worker has another qos: {stamp()}, asked for {task.stamp}"
    try:
        return run_task(replace(task, scenario=scenario))
    except QosError as error:
        return str(error)


def _results(client: Any, tasks: Sequence[Task]) -> Iterator[StoredRun]:
    from distributed import as_completed
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    waiting = iter(tasks)
    scenarios: dict[bytes, Any] = {}
    futures: set[Any] = set()
    finished: Any = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]

    def hand_over(count: int) -> None:
        for _, task in zip(range(count), waiting, strict=False):
            if task.scenario not in scenarios:
                scenarios[task.scenario] = client.submit(bytes, task.scenario, pure=True)
            future = client.submit(
                run_here, replace(task, scenario=b""), scenarios[task.scenario], key=f"qos-run-{task.key}"
            )
            futures.add(future)
            finished.add(future)

    try:
        hand_over(_AHEAD * max(1, sum(client.nthreads().values())))
        for future in finished:
            try:
                outcome = future.result()
            except KilledWorker as error:
                raise HostError(f"a run ended its worker again and again: {error}") from None
            except FutureCancelledError as error:
                raise HostError(f"the scheduler is gone, or dropped a run: {error}") from None
            futures.discard(future)
            hand_over(1)
            if isinstance(outcome, str):
                raise QosError(f"a run failed: {outcome}")
            yield outcome
    finally:
        client.cancel([*futures, *scenarios.values()])

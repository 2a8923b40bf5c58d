"""Runs on processes of this machine: a task at a time each, none lost when one of them is killed.

The standard library's pool gives up all of its work when one worker dies; the kernel's OOM killer is a
normal visitor where many simulations share a machine. Here a dead worker's task runs again in a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Final

from qos.errors import HostError, QosError
from qos.experiment.sweep_task import Task, run_task
from qos.record.run_store import StoredRun

MOST_ATTEMPTS: Final = 3


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    task: Task | None = None


def run_local(tasks: Sequence[Task], workers: int) -> Iterator[StoredRun]:
    """Every task's run once, in the order they finish; closing the iterator ends the processes.

    Args:
        tasks: what to run.
        workers: processes at once.

    Raises:
        QosError: a run failed, or killed its worker three times.
    """
    import qos.simulate.kernel  # noqa: F401 - forked processes then have it already

    waiting = deque(tasks)
    attempts = dict.fromkeys((task.key for task in tasks), 0)
    crew: list[_Worker] = []
    try:
        for _ in range(min(workers, len(tasks))):
            crew.append(_start(crew))
        for worker in crew:
            _give(worker, waiting, attempts)
        left = len(tasks)
        while left:
            ready = wait([worker.connection for worker in crew])
            for worker in [each for each in crew if each.connection in ready]:
                outcome = _received(worker)
                if outcome is None:
                    _replace(worker, crew, waiting, attempts)
                    continue
                _give(worker, waiting, attempts)
                left -= 1
                yield outcome
    finally:
        _end(crew)


def _context() -> BaseContext:
    # Forking takes 30 ms where a fresh interpreter takes a second to import; elsewhere it is not safe.
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _start(crew: Sequence[_Worker]) -> _Worker:
    context = _context()
    ours, theirs = context.Pipe()
    forked = context.get_start_method() == "fork"
    inherited = [ours, *(worker.connection for worker in crew)] if forked else []
    process = context.Process(target=_work, args=(theirs, inherited), daemon=True)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        # From 3.12 on: other threads (of the BLAS library) are idle, and it has handlers for the fork.
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(connection: Connection, inherited: Sequence[Connection]) -> None:
    """A worker's life: a task in, its run out, until nobody asks any more."""
    # Ctrl-C goes to the whole group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Otherwise the other workers would hold each other's pipes open when the parent is gone.
    for other in inherited:
        other.close()
    try:
        while (task := connection.recv()) is not None:
            connection.send(_outcome(task))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)


def _outcome(task: Task) -> StoredRun | str:
    """The run, or why there is none in words."""
    try:
        return run_task(task)
    except QosError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - a bug in a worker is told where it can be seen
        return traceback.format_exc()


def _give(worker: _Worker, waiting: deque[Task], attempts: dict[str, int]) -> None:
    worker.task = waiting.popleft() if waiting else None
    if worker.task is not None:
        attempts[worker.task.key] += 1
        try:
            worker.connection.send(worker.task)
        except (BrokenPipeError, ConnectionResetError):
            return  # its end is seen when it is waited for


def _received(worker: _Worker) -> StoredRun | None:
    """What a worker sent; None where it is dead."""
    try:
        outcome = worker.connection.recv()
    except (EOFError, ConnectionResetError):
        return None
    if isinstance(outcome, StoredRun):
        return outcome
    raise QosError(f"a run failed: {outcome}")


def _replace(worker: _Worker, crew: list[_Worker], waiting: deque[Task], attempts: dict[str, int]) -> None:
    """A new worker in the place of a dead one; its task is the next to run."""
    task = worker.task
    worker.connection.close()
    worker.process.join()
    crew.remove(worker)
    if task is None:
        return
    if attempts[task.key] >= MOST_ATTEMPTS:
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise HostError(
            f"a run ended its worker {MOST_ATTEMPTS} times ({how}): memory may be short; "
            "fewer --workers need less of it"
        )
    waiting.appendleft(task)
    made = _start(crew)
    crew.append(made)
    _give(made, waiting, attempts)


def _end(crew: Sequence[_Worker]) -> None:
    for worker in crew:
        worker.connection.close()
        worker.process.terminate()
    for worker in crew:
        worker.process.join()

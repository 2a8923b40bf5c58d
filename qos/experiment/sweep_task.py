"""One run of a sweep, wherever it runs: in a process of the local pool or on a Dask worker."""

from __future__ import annotations

import hashlib
import math
import pickle
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final

from qos.experiment.fleet import is_fleet, run_fleet
from qos.experiment.simulate import simulate
from qos.model.summary import Summary, WorkloadSummary
from qos.record.fleet_summary import class_of, workloads
from qos.record.run_store import StoredRun
from qos.record.summarize import summarize
from qos.scenario.load import read_bytes
from qos.scenario.scenario import Scenario

_PACKAGE: Final = Path(__file__).parent.parent
_DECIDES: Final = ("model", "policy", "agent", "scenario", "simulate", "record", "experiment")
_LIBRARIES: Final = ("qos", "numpy", "numba")
FIGURES: Final = (
    "completed", "arrived", "completion_seconds", "cpu_seconds", "throttled_ratio", "waited_for_quota",
    "waited_for_cpu", "memory_peak_bytes", "oom_kills", "evictions", "restarts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """One run: all that a worker needs, whatever machine it is on.

    Attributes:
        key: the run's name.
        scenario: the resolved scenario of its point, as :func:`packed` made it.
        policy: the policy to run.
        seed: of all that is random.
        stamp: the code that planned the sweep; other code would not give the same.
    """

    key: str
    scenario: bytes
    policy: str
    seed: int
    stamp: str


def packed(scenario: Scenario) -> bytes:
    """A scenario to be sent to workers."""
    return pickle.dumps(scenario, protocol=pickle.HIGHEST_PROTOCOL)


@lru_cache(maxsize=4)
def _unpacked(scenario: bytes) -> Scenario:
    # Made by packed() in the process that planned the sweep, never read from outside.
    made = pickle.loads(scenario)  # noqa: S301
    assert isinstance(made, Scenario)
    return made


def run_task(task: Task) -> StoredRun:
    """Run one task.

    Raises:
        qos.errors.InputError: an impossible scenario.
    """
    scenario = _unpacked(task.scenario)
    if is_fleet(scenario):
        run = run_fleet(scenario, task.policy, task.seed)
        found = workloads(run)
        return StoredRun(key=task.key, classes={name: class_of(run, name) for name in found}, figures=found)
    recording = simulate(scenario, policies=(task.policy,), seed=task.seed)[0]
    return stored(task.key, summarize(recording))


def stored(key: str, summary: Summary) -> StoredRun:
    """What is kept of a run: each workload's figures."""
    return StoredRun(
        key=key,
        classes={name: fared.qos_class for name, fared in summary.workloads.items()},
        figures={name: _figures(fared) for name, fared in summary.workloads.items()},
    )


def _figures(fared: WorkloadSummary) -> dict[str, float | int | None]:
    """Every figure of a workload under its stable name, latencies as ``latency_p99_seconds``."""
    latencies: dict[str, float | int | None] = {
        f"latency_{name}_seconds": value for name, value in fared.latency_seconds.items()
    }
    found = latencies | {name: getattr(fared, name) for name in FIGURES}
    return {name: _known(value) for name, value in found.items()}


def _known(value: float | None) -> float | int | None:
    return value if value is not None and math.isfinite(value) else None


@cache
def stamp() -> str:
    """The state of the code that decides a run's result: versions, and SHA-256 of the sources."""
    digest = hashlib.sha256()
    for folder in _DECIDES:
        for path in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
            digest.update(read_bytes(path))
    versions = " ".join(f"{name}-{metadata.version(name)}" for name in _LIBRARIES)
    return f"{versions} {digest.hexdigest()[:16]}"

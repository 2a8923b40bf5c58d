"""Results told: the answer, a table, the machine form, and the files that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qos.model.sample import Recording
from qos.model.summary import Summary, WorkloadSummary
from qos.record.answer import answer, to_json
from qos.record.summarize import summarize
from qos.record.words import duration_text, percent_text

TABLE_HEADERS: Final = (
    "WORKLOAD", "CLASS", "POLICY", "P50", "P99", "DONE", "THROTTLED", "WAIT-CPU", "MEM-PEAK", "KILLED",
)  # fmt: skip
_MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Told:
    """Runs of one scenario with their summaries and the sentences that answer first."""

    recordings: tuple[Recording, ...]
    summaries: tuple[Summary, ...]
    answer: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The stable machine form of `qos simulate -o json`."""
        return to_json(self.recordings, self.summaries)


def tell(recordings: Sequence[Recording]) -> Told:
    """Summaries and sentences of some runs of one scenario."""
    summaries = tuple(summarize(recording) for recording in recordings)
    return Told(tuple(recordings), summaries, tuple(answer(recordings, summaries)))


def table_rows(told: Told) -> list[tuple[str, ...]]:
    """Cells of :data:`TABLE_HEADERS`: one row a workload and policy, workloads together."""
    names = dict.fromkeys(name for summary in told.summaries for name in summary.workloads)
    return [
        _row(name, summary.policy, summary.workloads[name])
        for name in names
        for summary in told.summaries
        if name in summary.workloads
    ]


def _row(name: str, policy: str, fared: WorkloadSummary) -> tuple[str, ...]:
    killed = fared.oom_kills + fared.evictions
    return (
        name,
        fared.qos_class or "-",
        policy,
        _seconds(fared.latency_seconds.get("p50")),
        _seconds(fared.latency_seconds.get("p99")),
        str(fared.completed) if fared.completed else "-",
        _percent(fared.throttled_periods),
        _percent(fared.waited_for_cpu),
        "-" if fared.memory_peak_bytes is None else f"{fared.memory_peak_bytes / _MEBIBYTE:.0f}Mi",
        str(killed) if killed else "-",
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration_text(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else percent_text(value)


def write_results(told: Told, folder: Path, *, report: bool, record: bool) -> dict[str, Path]:
    """Write a recording a run and one report below ``folder``; what was written, by name.

    Raises:
        qos.errors.QosError: a file cannot be written; the reason in words.
    """
    written: dict[str, Path] = {}
    if record:
        from qos.record.store import write_recording

        for recording in told.recordings:
            write_recording(recording, folder / recording.policy)
        written["recording"] = folder
    if report:
        from qos.report.page import write_report

        path = folder.with_suffix(".html")
        write_report(told.recordings, told.summaries, told.answer, path)
        written["report"] = path
    return written

"""Results told: the answer, a table, the machine form, and the files that are left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qos.errors import RecordingError
from qos.model.sample import Recording
from qos.model.summary import Summary, WorkloadSummary
from qos.record.answer import answer, to_json
from qos.record.compare import Difference, compare
from qos.record.summarize import summarize
from qos.record.words import duration_text, percent_text

TABLE_HEADERS: Final = ("WORKLOAD", "P50", "P99", "DONE", "THROTTLED", "WAITED", "MEMORY", "KILLED")
DIFFERENCE_HEADERS: Final = ("SUBJECT", "METRIC", "BEFORE", "AFTER", "CHANGE")
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
    """Cells of :data:`TABLE_HEADERS`: a line a workload, and below it a line a policy; 80 columns wide.

    THROTTLED is the part of quota periods cut short, WAITED the part of the wanted time that a busy node
    made it wait, KILLED counts OOM kills and evictions.
    """
    names = dict.fromkeys(name for summary in told.summaries for name in summary.workloads)
    rows = []
    for name in names:
        runs = [
            (recording, summary.workloads[name])
            for recording, summary in zip(told.recordings, told.summaries, strict=True)
            if name in summary.workloads
        ]
        # A workload that was not started in the undisturbed run has nothing to say there.
        runs = [
            (recording, fared)
            for recording, fared in runs
            if fared.completed or not recording.meta.get("role")
        ]
        if runs:
            rows.append((f"{name} ({runs[-1][1].qos_class or 'no class'})", *[""] * (len(TABLE_HEADERS) - 1)))
            rows += [_row(f"  {recording.policy}", fared) for recording, fared in runs]
    return rows


def _row(name: str, fared: WorkloadSummary) -> tuple[str, ...]:
    killed = fared.oom_kills + fared.evictions
    return (
        name,
        _seconds(fared.latency_seconds.get("p50")),
        _seconds(fared.latency_seconds.get("p99")),
        str(fared.completed) if fared.completed else "-",
        _percent(fared.throttled_ratio),
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
        path = folder.with_suffix(".html")
        write_page(told, path)
        written["report"] = path
    return written


def write_page(told: Told, path: Path) -> None:
    """Write the self-contained HTML report."""
    from qos.report.page import write_report

    write_report(told.recordings, told.summaries, told.answer, path)


def read_all(paths: Sequence[Path]) -> list[Recording]:
    """The recordings at ``paths``, or directly below them.

    Raises:
        qos.errors.RecordingError: none there, or one is damaged.
    """
    from qos.record.store import find_recordings, read_recording

    return [read_recording(found) for path in paths for found in find_recordings(path)]


def differences(before: Path, after: Path) -> tuple[Difference, ...]:
    """What differs between two recordings, or two runs of fleets, the largest change first.

    Raises:
        qos.errors.RecordingError: none there, several runs of a fleet, or one of each kind.
    """
    from qos.experiment.fleet_tell import find_fleets, fleet_differences
    from qos.record.fleet_store import read_fleet

    fleets = [find_fleets(path) for path in (before, after)]
    if any(fleets):
        for path, found in zip((before, after), fleets, strict=True):
            if not found:
                raise RecordingError(f"{path}: no fleet's run, but the other is; expected two of one kind")
            if len(found) > 1:
                names = ", ".join(each.name for each in found)
                raise RecordingError(f"{path}: holds {len(found)} runs; expected one of {names}")
        return fleet_differences(*(read_fleet(found[0]) for found in fleets))
    old, new = (summarize(recording) for path in (before, after) for recording in read_all([path])[:1])
    return tuple(sorted(compare(old, new), key=lambda difference: -abs(difference.change or math.inf)))


def difference_rows(found: Sequence[Difference]) -> list[tuple[str, ...]]:
    """Cells of :data:`DIFFERENCE_HEADERS`."""
    return [
        (
            difference.subject or "(node)",
            difference.metric,
            *map(_number, (difference.old, difference.new)),
            _change(difference),
        )
        for difference in found
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _change(difference: Difference) -> str:
    change = difference.change
    return "-" if change is None or math.isinf(change) else f"{change:+.1%}"

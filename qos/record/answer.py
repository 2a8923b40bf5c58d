"""The sentences that answer first, and the machine form of ``-o json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from qos.model.event import Event
from qos.model.sample import Recording
from qos.model.summary import Summary, WorkloadSummary
from qos.record.words import duration_text, percent_text

_HAPPENED: Final[Mapping[str, str]] = {
    "oom_kill": "OOM-killed",
    "global_oom_kill": "OOM-killed by the node",
    "evict": "evicted",
    "admit_reject": "rejected at admission",
}
_WORTH_SAYING: Final = 0.005
_SAME: Final = 0.05
_MOST_CLAUSES: Final = 4


def answer(recordings: Sequence[Recording], summaries: Sequence[Summary]) -> list[str]:
    """What a reader wants to know first, one sentence a line.

    First each request-serving workload's p99 over the policies, the one that changed most in front (a
    recording with ``meta["role"] == "baseline"`` tells what it would be undisturbed), and each batch job's
    end; then, for each policy, who waited and why, and who was killed or evicted.

    Args:
        recordings: one run a policy, of one scenario.
        summaries: theirs, in the same order.

    Raises:
        ValueError: not as many summaries as recordings.
    """
    runs = list(zip(recordings, summaries, strict=True))
    contended = [run for run in runs if not _is_baseline(run[0])] or runs
    baseline = next((summary for recording, summary in runs if _is_baseline(recording)), None)
    shown = [summary for _, summary in contended]
    return [
        *_metric_sentences(shown, baseline, "p99", "nothing completed", _p99),
        *_metric_sentences(shown, baseline, "done at", "not done", _job_end),
        *_policy_sentences(contended),
    ]


def _policy_sentences(runs: Sequence[tuple[Recording, Summary]]) -> list[str]:
    """A sentence a policy; where only some have somebody killed or evicted, those come first."""
    happened = [bool(_happenings(recording, summary.events)) for recording, summary in runs]
    differs = any(happened) and not all(happened)
    sentences = [_policy_sentence(recording, summary, differs=differs) for recording, summary in runs]
    order = sorted(range(len(runs)), key=lambda index: differs and not happened[index])
    return [sentences[index] for index in order]


def to_json(recordings: Sequence[Recording], summaries: Sequence[Summary]) -> dict[str, Any]:
    """The machine form of some runs of one scenario, stable for scripts; plain data.

    ``runs`` are the policies' in order; an undisturbed run to compare with is under ``baseline``.

    Raises:
        ValueError: no run, or not as many summaries as recordings.
    """
    if not recordings:
        raise ValueError("no recording to tell of")
    meta = recordings[0].meta
    told: dict[str, Any] = {key: meta.get(key) for key in ("scenario", "seed", "profile")}
    told["runs"] = []
    for recording, summary in zip(recordings, summaries, strict=True):
        run = summary_json(summary) | {"source": recording.samples.source}
        if _is_baseline(recording):
            told["baseline"] = run
        else:
            told["runs"].append(run)
    return told


def summary_json(summary: Summary) -> dict[str, Any]:
    """One Summary as plain data; whole numbers are ints, as the kernel's files have them."""
    return {
        "policy": summary.policy,
        "duration_seconds": summary.duration_seconds,
        "cgroups": {
            name: {column: _whole(value) for column, value in values.items()}
            for name, values in summary.cgroups.items()
        },
        "workloads": {name: _workload_json(fared) for name, fared in summary.workloads.items()},
        "events": [
            {"time": event.time, "kind": event.kind, "cgroup": event.cgroup, "reason": event.reason}
            for event in summary.events
        ],
    }


def _workload_json(fared: WorkloadSummary) -> dict[str, Any]:
    return {
        "qosClass": fared.qos_class or None,
        "latency_seconds": dict(fared.latency_seconds),
        "completed": fared.completed,
        "arrived": fared.arrived,
        "completion_seconds": fared.completion_seconds,
        "cpu_seconds": fared.cpu_seconds,
        "throttled_ratio": fared.throttled_ratio,
        "waited_for_quota": fared.waited_for_quota,
        "waited_for_cpu": fared.waited_for_cpu,
        "memory_peak_bytes": None if fared.memory_peak_bytes is None else _whole(fared.memory_peak_bytes),
        "oom_kills": fared.oom_kills,
        "evictions": fared.evictions,
        "restarts": fared.restarts,
    }


def _whole(value: float) -> float:
    return int(value) if value.is_integer() else value


def _is_baseline(recording: Recording) -> bool:
    return recording.meta.get("role") == "baseline"


def _p99(fared: WorkloadSummary) -> float | None:
    return fared.latency_seconds.get("p99") if fared.completion_seconds is None else None


def _job_end(fared: WorkloadSummary) -> float | None:
    return fared.completion_seconds


def _metric_sentences(
    summaries: Sequence[Summary],
    baseline: Summary | None,
    label: str,
    lacking: str,
    metric: Callable[[WorkloadSummary], float | None],
) -> list[str]:
    """A sentence for each workload that has the metric under any policy, the greatest change first."""
    names = dict.fromkeys(name for summary in summaries for name in summary.workloads)
    ranked: list[tuple[float, str]] = []
    for name in names:
        values = [(summary.policy, _value(summary, name, metric)) for summary in summaries]
        known = [value for _, value in values if value is not None]
        if not known:
            continue
        base = _value(baseline, name, metric) if baseline else None
        every = [*known, base] if base is not None else known
        change = max(every) / max(min(every), 1e-9)
        if len(known) < len(values):
            change = float("inf")
        ranked.append((-change, f"{name} {label} {_values_text(values, base, lacking)}"))
    ranked.sort(key=lambda entry: entry[0])
    return [sentence for _, sentence in ranked]


def _value(summary: Summary, name: str, metric: Callable[[WorkloadSummary], float | None]) -> float | None:
    fared = summary.workloads.get(name)
    return None if fared is None else metric(fared)


def _values_text(values: Sequence[tuple[str, float | None]], base: float | None, lacking: str) -> str:
    known = [value for _, value in values if value is not None]
    texts = [
        f"{lacking} under {policy}" if value is None else f"{duration_text(value)} under {policy}"
        for policy, value in values
    ]
    if base is not None:
        return f"{duration_text(base)} undisturbed → {', '.join(texts)}"
    if len(texts) == 1:
        return texts[0]
    if len(known) == len(values) and max(known) <= min(known) * (1 + _SAME):
        return f"{texts[0]}, the same under {_listed([policy for policy, _ in values[1:]])}"
    return f"{texts[0]} → {', '.join(texts[1:])}"


def _policy_sentence(recording: Recording, summary: Summary, *, differs: bool) -> str:
    """Who waited and why, and what happened to whom, under one policy; ``differs`` from another's."""
    waits, happened = _waits(summary), _happenings(recording, summary.events)
    if differs and not happened:
        happened = ["nobody killed or evicted"]
    clauses = (
        [*waits, *happened] if waits and not differs else [*happened, *(waits or [_no_wait_text(summary)])]
    )
    return f"{summary.policy}: {'; '.join(clauses)}"


def _waits(summary: Summary) -> list[str]:
    """One clause a cause, the worst workload first.

    "throttled by its own limit: web in 38 % of periods; waiting for a busy node: web 4 % of its time".
    """
    fared = summary.workloads.items()
    above = [(workload.waited_for_quota, name) for name, workload in fared if not workload.throttled_ratio]
    causes = (
        ("throttled by its own limit", "of periods", "in ", [(w.throttled_ratio, n) for n, w in fared]),
        ("waiting for a limit above it", "of its time", "", above),
        ("waiting for a busy node", "of its time", "", [(w.waited_for_cpu, n) for n, w in fared]),
    )
    clauses = []
    for title, unit, word, found in causes:
        worst = sorted(((part, name) for part, name in found if (part or 0) >= _WORTH_SAYING), reverse=True)
        told = [f"{name} {word}{percent_text(part)}" for part, name in worst if part is not None]
        if told:
            told[0] += f" {unit}"
            more = [f"{len(told) - _MOST_CLAUSES} more"] if len(told) > _MOST_CLAUSES else []
            clauses.append(f"{title}: {', '.join(told[:_MOST_CLAUSES] + more)}")
    return clauses


def _no_wait_text(summary: Summary) -> str:
    known = [
        fared
        for fared in summary.workloads.values()
        if fared.waited_for_quota is not None or fared.waited_for_cpu is not None
    ]
    if known:
        return "hardly any wait for the CPU"
    return "who waited for the CPU is not known (no cpu.stat with throttled_usec, no cpu.pressure was read)"


def _happenings(recording: Recording, events: Sequence[Event]) -> list[str]:
    """Kills and evictions, by workload and kind in order of time: "neighbour OOM-killed at 31 s"."""
    owner = {
        str(cgroup): name
        for name, containers in recording.workloads().items()
        for record in containers
        for cgroup in (record.get("podCgroup"), record["cgroup"])
        if cgroup
    }
    times: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.kind in _HAPPENED:
            name = owner.get(event.cgroup, event.cgroup.rpartition("/")[2])
            times.setdefault((name, event.kind), []).append(event.time)
    said = [f"{name} {_HAPPENED[kind]} {_times_text(at)}" for (name, kind), at in times.items()]
    more = len(said) - _MOST_CLAUSES
    return [*said[:_MOST_CLAUSES], f"{more} more kills or evictions"] if more > 0 else said


def _times_text(times: Sequence[float]) -> str:
    """When it first happened, and how often after that."""
    again = {0: "", 1: " and once more"}.get(len(times) - 1, f" and {len(times) - 1} times more")
    return f"at {duration_text(times[0])}{again}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

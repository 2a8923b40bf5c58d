"""The table under the answer: each workload under each policy, in figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from qos.model.summary import WorkloadSummary
from qos.report.numbers import duration, mebibytes, percent
from qos.report.run import Run, chosen, contended

_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class Column:
    """One column: title, the value of a workload, how it is written, and whether less of it is better."""

    title: str
    value: Callable[[WorkloadSummary], float | None]
    form: Callable[[float], str]
    less_is_better: bool | None = True


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _latency(name: str) -> Callable[[WorkloadSummary], float | None]:
    return lambda fared: fared.latency_seconds.get(name) if fared.completion_seconds is None else None


COLUMNS: Final[tuple[Column, ...]] = (
    Column("p50", _latency("p50"), duration),
    Column("p99", _latency("p99"), duration),
    Column("completed", lambda fared: fared.completed if fared.latency_seconds else None, _count, False),
    Column("job done at", lambda fared: fared.completion_seconds, duration),
    Column("throttled periods", lambda fared: fared.throttled_ratio, percent),
    Column("waited for its limit", lambda fared: fared.waited_for_quota, percent),
    Column("waited for the node", lambda fared: fared.waited_for_cpu, percent),
    Column("CPU used", lambda fared: fared.cpu_seconds, lambda value: f"{value:,.1f} s", None),
    Column("peak memory", lambda fared: fared.memory_peak_bytes, mebibytes, None),
    Column("OOM kills", lambda fared: fared.oom_kills, _count),
    Column("evictions", lambda fared: fared.evictions, _count),
    Column("restarts", lambda fared: fared.restarts, _count),
)


def summary_table(runs: Sequence[Run]) -> str:
    """The table as HTML; columns that say nothing are left out, the better value is bold."""
    workloads = chosen(runs, _MOST)
    columns = [column for column in COLUMNS if _says_something(runs, workloads, column)]
    heads = "".join(f"<th>{escape(column.title)}</th>" for column in columns)
    count = len(dict.fromkeys(name for run in runs for name in run.workloads))
    note = f'<p class="note">{_MOST} of {count} workloads are listed.</p>' if count > len(workloads) else ""
    bodies = "".join(_body(runs, name, columns) for name in workloads)
    return (
        '<div class="scroll"><table><thead><tr><th class="name">workload</th><th class="name">policy</th>'
        f"{heads}</tr></thead>{bodies}</table></div>{note}"
    )


def _says_something(runs: Sequence[Run], workloads: Sequence[str], column: Column) -> bool:
    return any(column.value(run.fared(name)) for run in runs for name in workloads)


def _body(runs: Sequence[Run], name: str, columns: Sequence[Column]) -> str:
    best = {column.title: _best(runs, name, column) for column in columns}
    rows: list[str] = []
    for run in runs:
        if run.is_baseline and not run.fared(name).completed:
            continue
        cells = [f'<td class="name">{"" if rows else _named(run, name)}</td>']
        cells.append(f'<td class="name">{escape(run.policy)}</td>')
        for column in columns:
            value = column.value(run.fared(name))
            is_best = value is not None and value == best[column.title] and not run.is_baseline
            mark = ' class="best"' if is_best else ""
            cells.append(f"<td{mark}>{'–' if value is None else escape(column.form(value))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<tbody>{''.join(rows)}</tbody>"


def _named(run: Run, name: str) -> str:
    qos_class = run.qos_class(name)
    return f'<span class="chip {escape(qos_class)}" title="{escape(qos_class)}"></span>{escape(name)}'


def _best(runs: Sequence[Run], name: str, column: Column) -> float | None:
    """The best value, if policies differ in it by more than 5 % and one side is better."""
    known = [value for run in contended(runs) if (value := column.value(run.fared(name))) is not None]
    if column.less_is_better is None or len(known) < 2 or max(known) <= min(known) * 1.05:
        return None
    return min(known) if column.less_is_better else max(known)

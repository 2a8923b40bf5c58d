# ruff: noqa: E501 - a metric is one line of a table, as a knob is
"""A recording under the names of the kubelet's /metrics/cadvisor, as OpenMetrics text.

The dashboards and alerts that a team has for its clusters then work on a simulated run: load the text with
``promtool tsdb create-blocks-from openmetrics``, or compare it with a scrape of the real node.

Names, units and meanings: cAdvisor docs/storage/prometheus.md; working set: container/libcontainer/handler.go
(usage without inactive file pages). Text: the OpenMetrics 1.0 specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName, CpuMax
from qos.model.sample import Recording, Samples

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: its name without ``_total``, type, help, and the value from a column.

    Attributes:
        column: the column it is told from.
        divisor: units of the column in one of the metric's (1,000,000 usec in a second).
        minus: a column that is subtracted, where there is one.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    column: str
    divisor: int = 1
    minus: str | None = None


_USEC: Final = 1_000_000
METRICS: Final[tuple[Metric, ...]] = (
    Metric("container_cpu_usage_seconds", "counter", "CPU time used", "cpu_stat_usage_usec", _USEC),
    Metric("container_cpu_user_seconds", "counter", "CPU time used in user mode", "cpu_stat_user_usec", _USEC),
    Metric("container_cpu_system_seconds", "counter", "CPU time used in the kernel", "cpu_stat_system_usec", _USEC),
    Metric("container_cpu_cfs_periods", "counter", "Periods of cpu.max that passed", "cpu_stat_nr_periods"),
    Metric("container_cpu_cfs_throttled_periods", "counter", "Periods of cpu.max with throttling", "cpu_stat_nr_throttled"),
    Metric("container_cpu_cfs_throttled_seconds", "counter", "Time throttled", "cpu_stat_throttled_usec", _USEC),
    Metric("container_memory_usage_bytes", "gauge", "Memory used, all kinds", "memory_current"),
    Metric("container_memory_working_set_bytes", "gauge", "Memory used without inactive file pages", "memory_current", 1, "memory_stat_inactive_file"),
    Metric("container_memory_max_usage_bytes", "gauge", "Highest memory used", "memory_peak"),
    Metric("container_memory_rss", "gauge", "Anonymous memory in bytes", "memory_stat_anon"),
    Metric("container_memory_cache", "gauge", "Page cache in bytes", "memory_stat_file"),
    Metric("container_memory_swap", "gauge", "Swap used in bytes", "memory_swap_current"),
    Metric("container_oom_events", "counter", "Processes killed for memory", "memory_events_oom_kill"),
    Metric("container_processes", "gauge", "Tasks running", "pids_current"),
    Metric("container_pressure_cpu_waiting_seconds", "counter", "Time some task waited for CPU", "cpu_pressure_some_total", _USEC),
    Metric("container_pressure_cpu_stalled_seconds", "counter", "Time all tasks waited for CPU", "cpu_pressure_full_total", _USEC),
    Metric("container_pressure_memory_waiting_seconds", "counter", "Time some task waited for memory", "memory_pressure_some_total", _USEC),
    Metric("container_pressure_memory_stalled_seconds", "counter", "Time all tasks waited for memory", "memory_pressure_full_total", _USEC),
    Metric("container_pressure_io_waiting_seconds", "counter", "Time some task waited for I/O", "io_pressure_some_total", _USEC),
    Metric("container_pressure_io_stalled_seconds", "counter", "Time all tasks waited for I/O", "io_pressure_full_total", _USEC),
)  # fmt: skip


def to_openmetrics(recording: Recording, epoch_seconds: float = 0.0) -> str:
    """Every reading of every container as OpenMetrics text, ended by ``# EOF``.

    Labels: namespace, pod, container, and ``id``, the cgroup's path. What a recording lacks is left out.

    Args:
        recording: the run.
        epoch_seconds: Unix time of the recording's time 0.
    """
    lines: list[str] = []
    labels = {CgroupName(str(pod["cgroup"])): _labels(pod) for pod in recording.pods}
    for metric in METRICS:
        values = _values(recording.samples, metric)
        if values is not None:
            lines += _family(metric.name, metric.kind, metric.help)
            lines += _points(recording.samples, labels, metric, values, epoch_seconds)
    for name, (help_text, limit) in _SPECS.items():
        lines += _family(name, "gauge", help_text)
        lines += (
            f"{name}{{{text}}} {number(value)}"
            for cgroup, text in labels.items()
            if (value := limit(recording.files.get(cgroup, {}))) is not None
        )
    return "\n".join([*lines, "# EOF", ""])


def _values(samples: Samples, metric: Metric) -> Series | None:
    """The metric's values (T, C), or None where the recording cannot tell it."""
    if metric.column not in samples.columns or (metric.minus and metric.minus not in samples.columns):
        return None
    values = samples.columns[metric.column]
    if metric.minus:
        values = np.maximum(values - samples.columns[metric.minus], 0.0)
    return values / metric.divisor


def _family(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# TYPE {name} {kind}", f"# HELP {name} {help_text}."]


def _points(
    samples: Samples, labels: Mapping[CgroupName, str], metric: Metric, values: Series, epoch_seconds: float
) -> Iterator[str]:
    name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
    for index, cgroup in enumerate(samples.cgroups):
        if cgroup not in labels:
            continue
        head = f"{name}{{{labels[cgroup]}}}"
        for time, value in zip(samples.times.tolist(), values[:, index].tolist(), strict=True):
            if value == value:  # noqa: PLR0124 - NaN, the only value that differs from itself, is a gap
                yield f"{head} {number(value)} {number(round(epoch_seconds + time, 6))}"


def _labels(pod: Mapping[str, Any]) -> str:
    texts = {
        "container": pod.get("container"),
        "id": f"/{pod['cgroup']}",
        "namespace": pod.get("namespace"),
        "pod": pod.get("pod"),
    }
    return ",".join(f'{name}="{_escaped(str(value or ""))}"' for name, value in texts.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A float as OpenMetrics has it: whole numbers without a point, others shortest and exact.

    >>> number(3.0), number(0.25)
    ('3', '0.25')
    """
    return str(int(value)) if value.is_integer() else repr(value)


def _quota(files: Mapping[str, str]) -> float | None:
    cpu_max = CpuMax.model_validate(files["cpu.max"]) if "cpu.max" in files else None
    return None if cpu_max is None or cpu_max.quota_usec == "max" else float(cpu_max.quota_usec)


def _period(files: Mapping[str, str]) -> float | None:
    return float(CpuMax.model_validate(files["cpu.max"]).period_usec) if "cpu.max" in files else None


def _memory_limit(files: Mapping[str, str]) -> float:
    """0 means no limit, as cAdvisor tells it."""
    limit = files.get("memory.max", "max").strip()
    return 0.0 if limit == "max" else float(limit)


_SPECS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, str]], float | None]]]] = {
    "container_spec_cpu_quota": ("CPU time a period in usec", _quota),
    "container_spec_cpu_period": ("Length of a period of cpu.max in usec", _period),
    "container_spec_memory_limit_bytes": ("Memory limit, 0 for none", _memory_limit),
}

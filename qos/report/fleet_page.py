"""One page of a fleet's runs: who used and who waited over time, and how full the machines were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.fleet_run import BUSY_BINS, FleetRun, bin_edges
from qos.report import theme
from qos.report.page import NO_SCRIPT, answer_box, facts_of, header_of, html_document, section, write_html
from qos.report.picture import Key, Panel, Picture, Table, label, noted

MOST_PANELS: Final = 12
_MOST_POINTS: Final = 480
_FACTS: Final = (
    "scenario", "scenario_hash", "seed", "profile", "kernel", "nodes", "pods", "steps", "step_seconds",
    "versions", "command",
)  # fmt: skip
Floats = NDArray[np.float64]
Series = Callable[[FleetRun, NDArray[np.int64]], Floats]


def write_fleet_page(
    runs: Sequence[FleetRun], answer: Sequence[str], tables: Sequence[Table], path: Path
) -> None:
    """Write the page of :func:`render_fleet_page`, whole or not at all.

    Raises:
        RecordingError: the disk refused.
    """
    write_html(render_fleet_page(runs, answer, tables), path)


def render_fleet_page(runs: Sequence[FleetRun], answer: Sequence[str], tables: Sequence[Table]) -> str:
    """The page as HTML; it loads nothing from anywhere.

    Args:
        runs: of one scenario, one a policy.
        answer: the sentences that answer first.
        tables: of workloads and of pools, shown below the pictures they belong to.
    """
    meta = runs[0].meta
    of_workloads, of_pools = (*tables, None, None)[:2]
    pictures = {
        "use": _over_time(
            runs, "Who used the CPU?", "CPUs used by all containers together.", "CPUs", _use, of_workloads
        ),
        "waits": _over_time(
            runs, "Who waited for a busy node?",
            "Part of the wanted CPU time that was waited for in each stretch.", "of wanted time", _waited,
        ),
        "throttling": _over_time(
            runs, "Who was throttled by its own limit?",
            "Part of cpu.max periods in which the quota ran out.", "of periods", _throttled,
        ),
        "delay": _delays(runs),
        "busy": _busy(runs, of_pools),
    }  # fmt: skip
    title = str(meta.get("scenario") or "fleet")
    said = (
        f"{', '.join(run.policy for run in runs)} · {meta['nodes']:,} nodes, {meta['pods']:,} pods, "
        f"{meta['steps']:,} steps of {meta['step_seconds']:g} s, simulated"
    )
    main = [
        answer_box(answer),
        NO_SCRIPT,
        *(section(name, picture) for name, picture in pictures.items() if picture is not None),
        facts_of([(key.replace("_", " "), _plain(meta[key])) for key in _FACTS if meta.get(key)]),
    ]
    return html_document(title, header_of(title, str(meta.get("description") or ""), said), main)


def _plain(value: Any) -> str:
    return (
        ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
    )


def _use(run: FleetRun, groups: NDArray[np.int64]) -> Floats:
    return _growth(run, "usage_seconds", groups) / np.diff(run.times, prepend=0.0)


def _waited(run: FleetRun, groups: NDArray[np.int64]) -> Floats:
    waited = _growth(run, "wait_cpu_seconds", groups)
    wanted = waited + _growth(run, "usage_seconds", groups) + _growth(run, "wait_quota_seconds", groups)
    return waited / np.maximum(wanted, 1e-9)


def _throttled(run: FleetRun, groups: NDArray[np.int64]) -> Floats:
    return _growth(run, "nr_throttled", groups) / np.maximum(_growth(run, "nr_periods", groups), 1e-9)


def _growth(run: FleetRun, counter: str, groups: NDArray[np.int64]) -> Floats:
    total: Floats = run.counters[counter][:, groups].sum(axis=1)
    return np.diff(total, prepend=0.0)


def _names(runs: Sequence[FleetRun]) -> list[str]:
    """Workloads, those that used most first."""
    used = {
        name: float(runs[0].counters["usage_seconds"][-1:, runs[0].where(workload=name)].sum())
        for name in dict.fromkeys(group.workload for run in runs for group in run.groups)
    }
    return sorted(used, key=lambda name: -used[name])


def _over_time(
    runs: Sequence[FleetRun],
    question: str,
    reading: str,
    unit: str,
    series: Series,
    table: Table | None = None,
) -> Picture | None:
    """A chart a workload, a line a policy; None where nobody has anything above zero."""
    names, panels = _names(runs), []
    for name in names:
        lines = [(run, series(run, run.where(workload=name))) for run in runs]
        if not any(float(values.max(initial=0.0)) > 1e-6 for _, values in lines):
            continue
        data = [_line(run, index, values, unit) for index, (run, values) in enumerate(lines)]
        ticks = {} if unit == "CPUs" else {"tickformat": ".0%"}
        axes = {"xaxis": theme.axis("time (h)"), "yaxis": theme.axis(unit, rangemode="tozero", **ticks)}
        panels.append(Panel(label(name), {"data": data, "layout": theme.layout(240, **axes)}))
    if not panels:
        return None
    left = f"{MOST_PANELS} of {len(panels)} workloads are drawn." if len(panels) > MOST_PANELS else ""
    return Picture(question, reading, tuple(panels[:MOST_PANELS]), _keys(runs), noted(left), table=table)


def _line(run: FleetRun, index: int, values: Floats, unit: str) -> dict[str, Any]:
    every = max(1, -(-len(values) // _MOST_POINTS))
    whole = len(values) // every * every
    mean = values[:whole].reshape(-1, every).mean(axis=1)
    hours = run.times[every - 1 : whole : every] / 3600.0
    form = ".4~g" if unit == "CPUs" else ".1%"
    return {
        "type": "scatter", "mode": "lines", "name": label(run.policy),
        "x": hours.round(5).tolist(), "y": [float(f"{value:.6g}") for value in mean],
        "line": _stroke(index),
        "hovertemplate": f"{label(run.policy)}: %{{y:{form}}} {unit} at %{{x:.2f}} h<extra></extra>",
    }  # fmt: skip


def _stroke(index: int) -> dict[str, Any]:
    dash = theme.DASHES[index % len(theme.DASHES)]
    return {"color": theme.policy_colour(index), "width": 1.5, "dash": dash}


def _delays(runs: Sequence[FleetRun]) -> Picture | None:
    """How much of the time work of each workload has to wait for longer than so long."""
    edges, panels = bin_edges(), []
    for name in _names(runs):
        data = []
        for index, run in enumerate(runs):
            mine = run.where(workload=name)
            counts = run.delay[mine].sum(axis=0)
            if counts[1:].sum():
                beyond = counts[::-1].cumsum()[::-1] / run.use[mine].sum()
                seen = np.flatnonzero(beyond > 1e-7)[1:]
                data.append(_line_of(run, index, edges[seen], beyond[seen]))
        if data:
            axes = {
                "xaxis": theme.axis("waiting longer than (s)", type="log", dtick=1),
                "yaxis": theme.axis("of containers and steps", tickformat=".2~%", rangemode="tozero"),
            }
            panels.append(Panel(label(name), {"data": data, "layout": theme.layout(240, **axes)}))
    if not panels:
        return None
    reading = "Part of containers and steps whose waiting work would take longer, at the CPUs they get."
    left = f"{MOST_PANELS} of {len(panels)} workloads are drawn." if len(panels) > MOST_PANELS else ""
    return Picture("How long does work wait?", reading, tuple(panels[:MOST_PANELS]), _keys(runs), noted(left))


def _busy(runs: Sequence[FleetRun], table: Table | None) -> Picture:
    """How much of the time machines of a pool are busier than so much."""
    x = np.arange(BUSY_BINS) / (BUSY_BINS - 1)
    panels = []
    for number, (pool, machines) in enumerate(runs[0].pools.items()):
        data = []
        for index, run in enumerate(runs):
            counts = run.busy[number]
            data.append(_line_of(run, index, x, counts[::-1].cumsum()[::-1] / max(int(counts.sum()), 1)))
        axes = {
            "xaxis": theme.axis("busier than", tickformat=".0%", range=[0, 1]),
            "yaxis": theme.axis("of machines and steps", tickformat=".0%", range=[0, 1.02]),
        }
        panels.append(
            Panel(label(f"{pool} · {machines:,} nodes"), {"data": data, "layout": theme.layout(240, **axes)})
        )
    reading = "Part of machines and steps in which more of the machine's CPUs is in use."
    left = f"{MOST_PANELS} of {len(panels)} pools are drawn." if len(panels) > MOST_PANELS else ""
    shown = tuple(panels[:MOST_PANELS])
    return Picture("How busy are the machines?", reading, shown, _keys(runs), noted(left), table=table)


def _line_of(run: FleetRun, index: int, x: Floats, y: Floats) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": label(run.policy),
        "x": [float(f"{value:.5g}") for value in x], "y": [float(f"{value:.5g}") for value in y],
        "line": _stroke(index),
        "hovertemplate": f"{label(run.policy)}: %{{y:.2~%}} beyond %{{x:.3~g}}<extra></extra>",
    }  # fmt: skip


def _keys(runs: Sequence[FleetRun]) -> tuple[Key, ...]:
    if len(runs) == 1:
        return ()
    return tuple(
        Key(run.policy, "line", theme.policy_colour(index), theme.DASHES[index % len(theme.DASHES)])
        for index, run in enumerate(runs)
    )

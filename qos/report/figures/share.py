"""CPU received against CPU promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qos.model.cgroup import CgroupName, parent
from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, label, noted
from qos.report.run import Run, chosen, contended, left_out

_NODE_UNKNOWN = "The node's CPUs are not in the recording, so what the weights promise is not drawn."


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """Bars of CPUs received on average, marks of what was requested, promised by weight, and wanted."""
    runs = contended(runs)
    workloads = [
        name for name in chosen(runs) if any(run.fared(name).cpu_seconds is not None for run in runs)
    ]
    if not workloads:
        return Absent("no cpu.stat usage_usec was read")
    unknown = any(not _node_cpus(run) for run in runs)
    return Picture(
        "Did everyone get what they were promised?",
        "CPUs received on average, requested, promised by cpu.weight should all want all they may, and "
        "wanted (work that came, where the kernel tells). A bar should end left of its diamond only where "
        "the workload wanted no more.",
        tuple(Panel(run.policy, _panel(run, runs, workloads)) for run in runs),
        (
            Key("received", "box", theme.GREY),
            Key("requested", "line-ns", theme.INK),
            Key("promised by weight", "diamond", theme.PURPLE),
            Key("wanted", "circle-open", theme.INK),
        ),
        noted(left_out(runs), _NODE_UNKNOWN if unknown else ""),
    )


def promised(files: Mapping[CgroupName, Mapping[str, str]], node_cpus: float) -> dict[CgroupName, float]:
    """CPUs each cgroup is sure of when all want all: its weight's part of its parent's, level by level.

    Quotas are not counted, and weights of 0 tasks neither: this is the promise, not the prediction. On 4 CPUs
    two siblings of weight 100 and 300 are promised 1 and 3.

    Args:
        files: cgroup → file → text.
        node_cpus: CPUs of the node.
    """
    total: dict[CgroupName, float] = {}
    for name, values in files.items():
        total[parent(name)] = total.get(parent(name), 0.0) + _weight(values)
    shares: dict[CgroupName, float] = {}
    for name in sorted(files, key=lambda name: name.count("/")):
        shares[name] = shares.get(parent(name), node_cpus) * _weight(files[name]) / total[parent(name)]
    return shares


def _weight(files: Mapping[str, str]) -> float:
    """cpu.weight as a number; 100 is the kernel's default, an idle cgroup counts 0.3 as CFS has it."""
    if files.get("cpu.idle", "0").strip() == "1":
        return 0.3
    return float(files.get("cpu.weight", "100"))


def _node_cpus(run: Run) -> float:
    node = run.recording.meta.get("node")
    return float(node.get("cpus") or 0.0) if isinstance(node, Mapping) else 0.0


def _panel(run: Run, runs: Sequence[Run], workloads: Sequence[str]) -> dict[str, Any]:
    rows = [_row(run, name) for name in workloads]
    names = [label(name) for name in workloads]
    colours = [theme.class_colour(run.qos_class(name)) for name in workloads]
    marks = (
        ("requested", "request", "line-ns", theme.INK, 18, theme.INK),
        ("promised by weight", "promised", "diamond", theme.PURPLE, 9, theme.PAPER),
        ("wanted", "wanted", "circle-open", theme.INK, 9, theme.INK),
    )
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": "received",
            "x": [row["received"] for row in rows],
            "y": names,
            "marker": {"color": colours},
            "hovertemplate": "%{y}: received %{x:.3~g} CPUs<extra></extra>",
        }
    ]
    for title, key, symbol, colour, size, edge in marks:
        if any(_row(other, name)[key] is not None for other in runs for name in workloads):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": title,
                    "x": [row[key] for row in rows],
                    "y": names,
                    "marker": {
                        "symbol": symbol,
                        "color": colour,
                        "size": size,
                        "line": {"width": 2, "color": edge},
                    },
                    "hovertemplate": f"%{{y}}: {title} %{{x:.3~g}} CPUs<extra></extra>",
                }
            )
    values = [v for other in runs for name in workloads for v in _row(other, name).values() if v is not None]
    return {
        "data": traces,
        "layout": theme.layout(
            56 + 34 * len(workloads),
            bargap=0.45,
            xaxis=theme.axis("CPUs", range=[0, max(values, default=1.0) * 1.06]),
            yaxis=theme.axis(autorange="reversed", showgrid=False),
        ),
    }


def _row(run: Run, name: str) -> dict[str, float | None]:
    """The four numbers of one workload in CPUs."""
    seconds = run.summary.duration_seconds
    used = run.fared(name).cpu_seconds
    per_cgroup = promised(run.recording.files, _node_cpus(run)) if _node_cpus(run) else {}
    found = [per_cgroup[cgroup] for cgroup in run.cgroups(name) if cgroup in per_cgroup]
    limit, wanted = run.cpu_limit(name), _wanted_usec(run, name)
    return {
        "received": used / seconds if used is not None and seconds else None,
        "request": run.total(name, "cpuRequest"),
        "promised": min(sum(found), limit if limit is not None else np.inf) if found else None,
        "wanted": wanted / 1e6 / seconds if wanted and seconds else None,
    }


def _wanted_usec(run: Run, name: str) -> float:
    """CPU time of the work that came; of threads that always want more, the time they were runnable; else 0.

    Only the simulator tells. Both counters start at 0, so the highest reading is the total.
    """
    submitted, demand = run.column(name, "sim_submitted_usec"), run.column(name, "sim_demand_usec")
    if demand is None:
        return 0.0
    total = 0.0
    for index in range(demand.shape[1]):
        work = 0.0 if submitted is None else _highest(submitted[:, index])
        total += work or _highest(demand[:, index])
    return total


def _highest(series: Any) -> float:
    """The highest reading, 0 where there is none."""
    return float(np.max(np.nan_to_num(series), initial=0.0))

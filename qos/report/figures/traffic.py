"""Traffic: bytes a second over network and disk, by workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import parent
from qos.report import theme
from qos.report.picture import Absent, Key, Panel, Picture, dashes, label, noted
from qos.report.rows import Rows, span_of
from qos.report.run import Run, chosen, contended, left_out
from qos.report.series import compact, rate, summed, thinned

_WAYS: Final = {
    "network sent": "net_tx_bytes",
    "network received": "net_rx_bytes",
    "disk read": "io_stat_rbytes",
    "disk written": "io_stat_wbytes",
}


def draw(runs: Sequence[Run]) -> Picture | Absent:
    """A row a direction, a line a workload: bytes a second."""
    runs = contended(runs)
    workloads = chosen(runs)
    ways = [way for way in _WAYS if any(_moved(run, name, way) for run in runs for name in workloads)]
    if not ways:
        return Absent("no bytes of network or disk were read, or none moved")
    return Picture(
        "Who moved how many bytes?",
        "Bytes a second over the network (with their headers) and from and to disks.",
        tuple(Panel(run.policy, _panel(run, runs, ways, workloads)) for run in runs),
        tuple(
            Key(name, "line", theme.class_colour(runs[0].qos_class(name)), dash)
            for name, dash in dashes(runs[0], workloads).items()
        ),
        noted(left_out(runs)),
    )


def _bytes(run: Run, name: str, way: str) -> NDArray[np.float64] | None:
    """The counter (T,) of a workload: of its containers, or of their pods where only those are counted."""
    values = run.column(name, _WAYS[way])
    if values is not None:
        return summed(values)
    samples = run.recording.samples
    pods = [pod for pod in dict.fromkeys(map(parent, run.cgroups(name))) if pod in samples.cgroups]
    if _WAYS[way] not in samples.columns or not pods:
        return None
    return summed(samples.columns[_WAYS[way]][:, [samples.cgroups.index(pod) for pod in pods]])


def _moved(run: Run, name: str, way: str) -> bool:
    values = _bytes(run, name, way)
    return values is not None and not np.isnan(values).all() and bool(np.nanmax(values) > np.nanmin(values))


def _panel(run: Run, runs: Sequence[Run], ways: Sequence[str], workloads: Sequence[str]) -> dict[str, Any]:
    rows = Rows(len(ways), span_of(runs))
    styles = dashes(run, workloads)
    for row, way in enumerate(ways, start=1):
        rows.headline(row, way, theme.INK)
        rows.quantity(row, "bytes/s", tickformat="~s")
        for name in workloads:
            values = _bytes(run, name, way)
            if values is not None:
                x, y = thinned(*rate(run.recording.samples.times, values))
                line = {"color": theme.class_colour(run.qos_class(name)), "width": 1.4, "dash": styles[name]}
                hover = f"{label(name)} %{{y:.3~s}}B/s<extra></extra>"
                trace = {"type": "scatter", "mode": "lines", "name": label(name), "line": line}
                rows.add(row, {**trace, "x": compact(x), "y": compact(y), "hovertemplate": hover})
    return rows.figure()

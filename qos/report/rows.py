"""Charts of one row a workload over a common axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from plotly.subplots import make_subplots

from qos.report import theme
from qos.report.picture import row_titles
from qos.report.run import Run

ROW_HEIGHT: Final = 118
_ABOVE: Final = 26
_BELOW: Final = 44


def rows_figure(run: Run, workloads: Sequence[str], unit: str) -> Any:
    """An empty plotly figure with a titled row for each workload, times in seconds below."""
    count = len(workloads)
    height = _ABOVE + _BELOW + ROW_HEIGHT * count
    gap = 26 / (ROW_HEIGHT * count) if count > 1 else 0.0
    figure = make_subplots(rows=count, cols=1, shared_xaxes=True, vertical_spacing=gap)
    figure.update_layout(template=None, **theme.layout(height))
    figure.update_layout(margin={"l": 8, "r": 12, "t": _ABOVE, "b": _BELOW}, hovermode="x unified")
    figure.update_xaxes(**theme.axis(), hoverformat=".4~g")
    figure.update_xaxes(title_text="time (s)", row=count)
    figure.update_yaxes(**theme.axis(unit), rangemode="tozero", nticks=4)
    for row, (title, colour) in enumerate(row_titles(workloads, run), start=1):
        top = figure.layout[f"yaxis{row if row > 1 else ''}"].domain[1]
        figure.add_annotation(
            text=f"<b>{title}</b>",
            x=0,
            y=top,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12, "color": colour},
        )
    return figure


def level(name: str, value: float, span: tuple[float, float], dash: str) -> dict[str, Any]:
    """A horizontal line over the whole time as a trace, so that it has a hover text."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(span),
        "y": [value, value],
        "name": name,
        "line": {"color": theme.INK, "width": 1.3, "dash": dash},
        "hovertemplate": f"{name} %{{y:.4~g}}<extra></extra>",
    }


def span_of(runs: Sequence[Run]) -> tuple[float, float]:
    """The first and last time over all runs."""
    times = [run.recording.samples.times for run in runs if len(run.recording.samples.times)]
    return (min(float(t[0]) for t in times), max(float(t[-1]) for t in times)) if times else (0.0, 0.0)

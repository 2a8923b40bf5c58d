"""Charts of one row a workload, or a resource, over a common axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qos.report import theme
from qos.report.picture import row_titles
from qos.report.run import Run

_ROW_HEIGHT: Final = 92
_TITLE_HEIGHT: Final = 26
_BELOW: Final = 44


@dataclass(slots=True)
class Rows:
    """A chart under construction: rows from top to bottom, numbered from 1, times in seconds below.

    Attributes:
        count: number of rows.
        span: first and last time.
        data: traces so far.
        layout: the layout so far.
    """

    count: int
    span: tuple[float, float]
    data: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inner = self.count * (_ROW_HEIGHT + _TITLE_HEIGHT)
        margin = {"l": 8, "r": 12, "t": 4, "b": _BELOW}
        self.layout = theme.layout(inner + 4 + _BELOW, margin=margin, hovermode="x unified", annotations=[])
        for row in range(1, self.count + 1):
            bottom = 1 - row / self.count
            top = bottom + _ROW_HEIGHT / inner
            time = theme.axis(
                "time (s)" if row == self.count else "", range=list(self.span), hoverformat=".4~g"
            )
            time |= {"anchor": self._axis("y", row), "showticklabels": row == self.count}
            if row > 1:
                time["matches"] = "x"
            self.layout[self._axis("xaxis", row)] = time
            self.layout[self._axis("yaxis", row)] = {"domain": [max(0.0, bottom), top]}

    @staticmethod
    def _axis(name: str, row: int) -> str:
        return f"{name}{row if row > 1 else ''}"

    def quantity(self, row: int, title: str, **more: Any) -> None:
        """The vertical axis of a row: what it shows and its unit."""
        self.layout[self._axis("yaxis", row)] |= theme.axis(
            title, rangemode="tozero", nticks=4, anchor=self._axis("x", row), **more
        )

    def headline(self, row: int, text: str, colour: str) -> None:
        """The title of a row, above it, behind a square of its colour."""
        top = self.layout[self._axis("yaxis", row)]["domain"][1]
        self.layout["annotations"].append(
            {
                "text": f'<span style="color:{colour}">■</span> <b>{text}</b>',
                "x": 0,
                "y": top,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12, "color": theme.INK},
            }
        )

    def add(self, row: int, trace: dict[str, Any]) -> None:
        """Draw a trace in a row."""
        self.data.append(trace | {"xaxis": self._axis("x", row), "yaxis": self._axis("y", row)})

    def figure(self) -> dict[str, Any]:
        """The finished plotly figure as plain data."""
        return {"data": self.data, "layout": self.layout}


def workload_rows(run: Run, workloads: Sequence[str], span: tuple[float, float]) -> Rows:
    """An empty chart with a titled row for each workload."""
    rows = Rows(len(workloads), span)
    for row, (title, colour) in enumerate(row_titles(workloads, run), start=1):
        rows.headline(row, title, colour)
    return rows


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

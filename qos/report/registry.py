"""Every picture of a report, in order: a figure is a file in ``figures/`` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from qos.report.figures import (
    cpu_over_time,
    events,
    latency,
    memory,
    policies,
    pressure,
    share,
    throttling,
    traffic,
    tree,
)
from qos.report.picture import Absent, Picture
from qos.report.run import Run

Draw = Callable[[Sequence[Run]], Picture | Absent]

FIGURES: Final[Mapping[str, Draw]] = MappingProxyType(
    {
        "policies": policies.draw,
        "latency": latency.draw,
        "throttling": throttling.draw,
        "cpu-over-time": cpu_over_time.draw,
        "share": share.draw,
        "memory": memory.draw,
        "events": events.draw,
        "pressure": pressure.draw,
        "traffic": traffic.draw,
        "tree": tree.draw,
    }
)

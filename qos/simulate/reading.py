"""A reading: every counter and gauge of every cgroup at one time."""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import BACKLOG, COUNTERS, FIRST_LOCAL, REQUESTS
from qos.simulate.memory import write_memory


@inner
def read_row(
    nodes: Any,
    sources: Any,
    keys: Any,
    groups: Any,
    holders: Any,
    counters: Any,
    row: Any,
    picked: Any,
    out: Any,
) -> None:
    """Write one reading: the counters of every cgroup with those of its descendants.

    ``row`` (C, COUNTERS) is scratch; ``out`` (K, C) receives the counters ``picked`` (K,).
    """
    for index in range(len(nodes)):
        for column in range(COUNTERS):
            row[index, column] = counters[index, column]
    write_memory(groups, holders, row)
    for index in range(len(sources)):
        source = sources[index]
        if source.alive:
            left = source.backlog
            if source.kind == REQUESTS:
                for place in range(source.heap, source.heap + source.in_service):
                    left += keys[place] - source.virtual
            row[source.node, BACKLOG] = left
    for index in range(len(nodes) - 1, 0, -1):
        above = nodes[index].parent
        for column in range(FIRST_LOCAL):
            row[above, column] += row[index, column]
    for place in range(len(picked)):
        column = picked[place]
        for index in range(len(nodes)):
            out[place, index] = row[index, column]

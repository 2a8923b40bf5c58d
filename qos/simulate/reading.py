"""A reading: the wanted counters and gauges of every cgroup at one time."""

from __future__ import annotations

from typing import Any

from qos.simulate.jit import inner
from qos.simulate.layout import BACKLOG, FIRST_LOCAL, REQUESTS
from qos.simulate.memory import write_memory


@inner
def write_backlog(sources: Any, keys: Any, counters: Any) -> None:
    """Put the work submitted and not yet served into the counters."""
    for index in range(len(counters)):
        counters[index, BACKLOG] = 0.0
    for index in range(len(sources)):
        source = sources[index]
        if source.alive:
            left = source.backlog
            if source.kind == REQUESTS:
                for place in range(source.heap, source.heap + source.in_service):
                    left += keys[place] - (0.0 if source.sliced else source.virtual)
            counters[source.node, BACKLOG] = left


@inner
def read_row(
    nodes: Any, sources: Any, keys: Any, groups: Any, holders: Any, counters: Any, picked: Any, out: Any
) -> None:
    """Write one reading: ``out`` (K, C) receives the counters ``picked`` (K,), leaves summed up the tree."""
    write_memory(groups, holders, counters)
    write_backlog(sources, keys, counters)
    for place in range(len(picked)):
        column = picked[place]
        for index in range(len(nodes)):
            out[place, index] = counters[index, column]
        if column < FIRST_LOCAL:
            for index in range(len(nodes) - 1, 0, -1):
                out[place, nodes[index].parent] += out[place, index]

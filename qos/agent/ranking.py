"""The order in which the kubelet evicts pods. The QoS class plays no part in it.

Source: pkg/kubelet/eviction/helpers.go of Kubernetes 1.36 (rankMemoryPressure, rankPIDPressure,
rankDiskPressureFunc). The kubelet's sort is not stable: pods equal in every key may come in any order;
here they keep the order they were given in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from qos.agent.thresholds import SIGNALS
from qos.model.quantity import Quantity

_NOTHING: Final = Quantity.zero()


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What ranking looks at.

    Attributes:
        key: whatever tells the pod apart to the caller.
        priority: ``spec.priority``, 0 where unset.
        found: whether there are statistics of the pod at all; one without is evicted first.
        request: resource → the request ranking is relative to ("memory", "ephemeral-storage").
        used: resource → used ("memory" in bytes of working set, "ephemeral-storage", "inodes", "pids");
            a figure that is missing counts as 0.
    """

    key: str
    priority: int
    found: bool
    request: Mapping[str, Quantity]
    used: Mapping[str, Quantity]


SortKey = tuple[int, ...]


def rank(signal: str, pods: Iterable[PodUsage]) -> tuple[PodUsage, ...]:
    """The pods in the order in which they would be evicted under pressure of ``signal``.

    Memory and disk: those without statistics, then those above their request, then lower priority, then
    larger usage minus request. Process numbers: lower priority, then no statistics, then more processes.
    Inodes: the last step compares the inodes used minus the request of ephemeral-storage, as the
    kubelet does.

    Raises:
        KeyError: not an eviction signal.
    """
    key = sort_key(signal)
    return tuple(sorted(pods, key=key))


def sort_key(signal: str) -> Callable[[PodUsage], SortKey]:
    """What :func:`rank` sorts by; equal keys are the kubelet's ties.

    Raises:
        KeyError: not an eviction signal.
    """
    resource = SIGNALS[signal][1]
    if resource == "pids":
        return _by_processes
    final = "ephemeral-storage" if resource == "inodes" else resource

    def key(pod: PodUsage) -> SortKey:
        if not pod.found:
            return (0, 0, pod.priority, 0)
        used = pod.used.get(resource, _NOTHING)
        within = used <= pod.request.get(resource, _NOTHING)
        over = used - pod.request.get(final, _NOTHING)
        return (1, int(within), pod.priority, -over.nano)

    return key


def _by_processes(pod: PodUsage) -> SortKey:
    if not pod.found:
        return (pod.priority, 0, 0)
    return (pod.priority, 1, -pod.used.get("pids", _NOTHING).nano)

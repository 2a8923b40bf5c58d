"""Pods as the API server stores them: defaults, and the LimitRanges of their namespace."""

from __future__ import annotations

from collections.abc import Sequence

from qos.model.limit_range import LimitRange
from qos.model.pod import Pod
from qos.policy.decisions.limit_range import default_limit_range, fill_from_limit_range
from qos.policy.defaults import apply_defaults


def as_stored(pods: Sequence[Pod], limit_ranges: Sequence[LimitRange] = ()) -> list[Pod]:
    """The pods after API defaulting, each then filled from the LimitRanges of its own namespace.

    A manifest says less than the kubelet is told: a limit without a request becomes the request.
    """
    defaults = [default_limit_range(each) for each in limit_ranges]
    return [_as_stored(pod, defaults) for pod in pods]


def _as_stored(pod: Pod, limit_ranges: Sequence[LimitRange]) -> Pod:
    pod = apply_defaults(pod)
    for limit_range in limit_ranges:
        if (limit_range.metadata.namespace or "default") == pod.namespace:
            pod = fill_from_limit_range(pod, limit_range)
    return pod

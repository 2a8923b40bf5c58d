"""`qos explain --before`: what an edit or an injected sidecar changes, pod by pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qos.experiment.explain import ExplainedPod, Explanation, explain_manifests
from qos.policy.decisions.compare import Pair, PlannedPod, PodComparison, compare_planned
from qos.policy.features import gate
from qos.scenario.manifest import Manifests

PodKey = tuple[str, str, str]
"""Namespace, kind of the owner, name."""


@dataclass(frozen=True, slots=True)
class PodChange:
    """One workload's pod that both inputs have."""

    key: PodKey
    comparison: PodComparison

    def to_json(self) -> dict[str, Any]:
        """The machine form: class, requests, every value before and after, CPU sure to be had."""
        found = self.comparison
        return {
            "namespace": self.key[0],
            "kind": self.key[1],
            "name": self.key[2],
            "qosClass": _pair(found.qos_class),
            "reason": _pair(found.reason),
            "cgroup": _pair(found.cgroup),
            "requests": _pairs(found.requests),
            "limits": _pairs(found.limits),
            "files": _pairs(found.files),
            "sureCPUs": _pair(found.cpus),
            "injected": list(found.injected),
            "containers": [
                {
                    "name": one.name,
                    "type": one.type,
                    "fate": one.fate,
                    "oomScoreAdj": _pair(one.oom_score_adj),
                    "files": _pairs(one.files),
                    "sureCPUs": _pair(one.cpus),
                }
                for one in found.containers
            ],
        }


@dataclass(frozen=True, slots=True)
class Injection:
    """Two inputs side by side.

    Attributes:
        before, after: each explained as a whole, on the same node.
        changes: pods that both have and that differ, in order of the later input.
        added, removed: pods that only one has.
        same: how many pods both have that do not differ.
    """

    before: Explanation
    after: Explanation
    changes: tuple[PodChange, ...]
    added: tuple[PodKey, ...]
    removed: tuple[PodKey, ...]
    same: int

    def to_json(self) -> dict[str, Any]:
        """The machine form."""
        return {
            "profile": str(self.after.profile),
            "changes": [one.to_json() for one in self.changes],
            "added": [list(key) for key in self.added],
            "removed": [list(key) for key in self.removed],
            "same": self.same,
        }


def compare_manifests(before: Manifests, after: Manifests, **options: Any) -> Injection:
    """What the second input changes against the first; ``options`` as of :func:`explain_manifests`.

    Pods are matched by namespace, kind and name, their containers by name.

    Raises:
        InputError: an option is wrong.
    """
    new = explain_manifests(after, **options)
    old = explain_manifests(before, **{**options, "node": new.node})
    first, second = _by_key(old), _by_key(new)
    both = [key for key in second if key in first]
    found = [
        PodChange(key, compare_planned(_planned(first[key], old), _planned(second[key], new))) for key in both
    ]
    changes = tuple(one for one in found if not one.comparison.same)
    return Injection(
        before=old,
        after=new,
        changes=changes,
        added=tuple(key for key in second if key not in first),
        removed=tuple(key for key in first if key not in second),
        same=len(found) - len(changes),
    )


def _by_key(explanation: Explanation) -> dict[PodKey, ExplainedPod]:
    return {
        (one.details.pod.namespace, one.sourced.owner_kind, one.details.pod.name): one
        for one in explanation.pods
    }


def _planned(pod: ExplainedPod, explanation: Explanation) -> PlannedPod:
    pod_level = gate(explanation.profile, explanation.node.kubelet, "PodLevelResources")
    return PlannedPod(explanation.details, pod.details, explanation.shares, pod_level)


def _pair(pair: Pair[Any]) -> dict[str, Any]:
    return {"before": _plain(pair.before), "after": _plain(pair.after)}


def _pairs(pairs: Mapping[str, Pair[Any]]) -> dict[str, Any]:
    return {name: _pair(pair) for name, pair in pairs.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    return round(value, 6) if isinstance(value, float) else str(value)

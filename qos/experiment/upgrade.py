"""`qos explain --profile A..B`: what changes for the same pods on the same node, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qos.experiment.explain import Explanation, explain_manifests, node_json
from qos.model.cgroup import CgroupName, CgroupSpec
from qos.scenario.manifest import Manifests


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One file of one cgroup: text before and after (None: not written), and the formula after."""

    cgroup: CgroupName
    file: str
    before: str | None
    after: str | None
    formula: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The same manifests explained under two profiles.

    Attributes:
        changes: in order of the cgroups; empty where nothing changes.
    """

    before: Explanation
    after: Explanation
    changes: tuple[ValueChange, ...]

    def to_json(self) -> dict[str, Any]:
        """The machine form: changes, and CPU sure to be had before and after of every cgroup that changes."""
        touched = dict.fromkeys(change.cgroup for change in self.changes)
        return {
            "from": str(self.before.profile),
            "to": str(self.after.profile),
            "node": node_json(self.after.node, assumed=self.after.node_assumed),
            "changes": [
                {
                    "cgroup": each.cgroup,
                    "file": each.file,
                    "before": each.before,
                    "after": each.after,
                    "why": each.formula,
                }
                for each in self.changes
            ],
            "sureCPUs": {
                name: {
                    "before": round(self.before.shares.get(name, 0.0), 6),
                    "after": round(self.after.shares.get(name, 0.0), 6),
                }
                for name in touched
            },
        }


def upgrade(manifests: Manifests, before: str, after: str, **options: Any) -> Upgrade:
    """What changes from one profile to another; ``options`` as of :func:`explain_manifests`.

    Raises:
        InputError: an option is wrong.
    """
    old = explain_manifests(manifests, profile=before, **options)
    new = explain_manifests(manifests, profile=after, **options)
    return Upgrade(old, new, tuple(_changes(old, new)))


def _changes(old: Explanation, new: Explanation) -> Iterator[ValueChange]:
    names = dict.fromkeys([*old.shown_cgroups, *new.shown_cgroups])
    for name in names:
        was = old.details.plan.cgroups.get(name, CgroupSpec()).files()
        now = new.details.plan.cgroups.get(name, CgroupSpec()).files()
        values = new.details.cgroups.get(name, {})
        for file in dict.fromkeys([*was, *now]):
            if was.get(file) != now.get(file):
                explained = values.get(file.replace(".", "_"))
                formula = explained.formula if explained else "no longer written"
                yield ValueChange(name, file, was.get(file), now.get(file), formula)

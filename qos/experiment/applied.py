"""What a run of the enforcer did, told by object instead of by cgroup."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from enforcer.apply import Applied, Outcome
from enforcer.drift import Difference
from qos.model.cgroup import CgroupName

_ORDER: Final[tuple[Outcome, ...]] = ("created", "removed", "configured", "unchanged")


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What became of one object.

    Attributes:
        name: ``pod/default/web``, or ``cgroup/kubepods`` for what pods share.
        outcome: created, configured, unchanged or removed.
        differences: the files that were (would be) written.
    """

    name: str
    outcome: Outcome
    differences: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable machine form."""
        return {
            "object": self.name,
            "outcome": self.outcome,
            "values": [
                {
                    "cgroup": each.name,
                    "path": each.cgroup,
                    "file": each.file,
                    "live": each.live,
                    "wanted": each.wanted,
                    "written": each.written,
                    "foreign": each.foreign,
                }
                for each in self.differences
            ],
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did, by object; ``writes`` counts the calls that changed the tree."""

    objects: tuple[ObjectResult, ...]
    writes: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def differs(self) -> bool:
        """Whether anything is not as wanted."""
        return any(each.outcome != "unchanged" for each in self.objects)

    def to_json(self) -> dict[str, Any]:
        """The stable machine form."""
        return {
            "objects": [each.to_json() for each in self.objects],
            "writes": self.writes,
            "notes": list(self.notes),
        }


def result_of(
    applied: Applied, pod_cgroups: Mapping[CgroupName, str], warnings: Collection[str] = ()
) -> Result:
    """A run told by object: pods with all below them, and each cgroup they share."""

    def owner(name: CgroupName) -> str:
        parts = name.split("/")
        above = (CgroupName("/".join(parts[:count])) for count in range(len(parts), 0, -1))
        return next((pod_cgroups[each] for each in above if each in pod_cgroups), f"cgroup/{name}")

    outcomes: dict[str, set[Outcome]] = {}
    for name, outcome in applied.outcomes.items():
        outcomes.setdefault(owner(name), set()).add(outcome)
    differences: dict[str, list[Difference]] = {}
    for difference in applied.differences:
        differences.setdefault(owner(difference.name), []).append(difference)
    top = {pod: applied.outcomes[cgroup] for cgroup, pod in pod_cgroups.items() if cgroup in applied.outcomes}
    objects = tuple(
        ObjectResult(name, _outcome(top.get(name), found), tuple(differences.get(name, ())))
        for name, found in outcomes.items()
    )
    return Result(objects, applied.writes, (*warnings, *applied.notes))


def _outcome(of_pod: Outcome | None, found: Collection[Outcome]) -> Outcome:
    """A pod is created or removed with its own cgroup; any other change within it configures it."""
    if of_pod in ("created", "removed"):
        return of_pod
    if of_pod is not None:
        return "unchanged" if found == {"unchanged"} else "configured"
    return next(outcome for outcome in _ORDER if outcome in found)

"""A Plan: the tree of cgroups and the value for each file. The one thing both kernels run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from qos.errors import PlanError
from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, knobs, parent

_EMPTY_SPEC = CgroupSpec()

ChangeKind = Literal["create", "set", "remove"]


@dataclass(frozen=True, slots=True)
class Plan:
    """CgroupName → CgroupSpec, parents before children, plus oom_score_adj of leaf cgroups.

    Attributes:
        cgroups: every cgroup, in an order where a parent stands before its children.
        oom_score_adj: value for every process started in a leaf cgroup.
    """

    cgroups: Mapping[CgroupName, CgroupSpec]
    oom_score_adj: Mapping[CgroupName, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        cgroups: Mapping[CgroupName, CgroupSpec],
        oom_score_adj: Mapping[CgroupName, int] | None = None,
    ) -> Plan:
        """A plan with its cgroups sorted and missing ancestors added with nothing managed.

        Raises:
            PlanError: a name is empty, absolute, or has an empty, ``.`` or ``..`` component.
        """
        complete: dict[CgroupName, CgroupSpec] = {}
        for name, spec in cgroups.items():
            _check_name(name)
            complete[name] = spec
            above = parent(name)
            while above != ROOT and above not in cgroups:
                complete.setdefault(above, _EMPTY_SPEC)
                above = parent(above)
        ordered = {name: complete[name] for name in sorted(complete, key=lambda name: name.split("/"))}
        adj = dict(sorted((oom_score_adj or {}).items()))
        return cls(MappingProxyType(ordered), MappingProxyType(adj))

    def __iter__(self) -> Iterator[CgroupName]:
        return iter(self.cgroups)

    def leaves(self) -> tuple[CgroupName, ...]:
        """The cgroups without children: only there processes may run (the no-internal-process rule)."""
        inner = {parent(name) for name in self.cgroups}
        return tuple(name for name in self.cgroups if name not in inner)

    def children(self, name: CgroupName) -> tuple[CgroupName, ...]:
        """The cgroups directly below ``name``."""
        return tuple(child for child in self.cgroups if parent(child) == name)

    def to_text(self) -> dict[str, Any]:
        """The plan as plain data; :meth:`from_text` gives it back."""
        return {
            "cgroups": {name: spec.files() for name, spec in self.cgroups.items()},
            "oomScoreAdj": dict(self.oom_score_adj),
        }

    @classmethod
    def from_text(cls, data: Mapping[str, Any]) -> Plan:
        """The plan of :meth:`to_text`'s data.

        Raises:
            PlanError: a name is not one of a cgroup.
            pydantic.ValidationError: an unknown file or a value out of range.
        """
        specs = {CgroupName(name): CgroupSpec.from_files(files) for name, files in data["cgroups"].items()}
        return cls.of(specs, {CgroupName(name): adj for name, adj in data.get("oomScoreAdj", {}).items()})


@dataclass(frozen=True, slots=True)
class Change:
    """One step from one plan to another.

    ``create`` and ``remove`` concern the cgroup itself; ``set`` one knob, its old and new value
    (None: not managed before, or no longer).
    """

    kind: ChangeKind
    cgroup: CgroupName
    knob: str | None = None
    old: Any = None
    new: Any = None


def diff(old: Plan, new: Plan) -> tuple[Change, ...]:
    """What leads from ``old`` to ``new``: creations parents first, sets, removals children first."""
    changes: list[Change] = [Change("create", name) for name in new if name not in old.cgroups]
    for name, spec in new.cgroups.items():
        before = old.cgroups.get(name, _EMPTY_SPEC)
        if spec == before:
            continue
        for knob in knobs():
            was, wanted = getattr(before, knob), getattr(spec, knob)
            if was != wanted:
                changes.append(Change("set", name, knob, was, wanted))
    changes += [Change("remove", name) for name in reversed(tuple(old)) if name not in new.cgroups]
    return tuple(changes)


def apply_changes(plan: Plan, changes: tuple[Change, ...] | list[Change]) -> Plan:
    """The plan after ``changes``: ``apply_changes(a, diff(a, b))`` has the cgroups of ``b``."""
    specs = dict(plan.cgroups)
    for change in changes:
        if change.kind == "create":
            specs.setdefault(change.cgroup, _EMPTY_SPEC)
        elif change.kind == "remove":
            specs.pop(change.cgroup, None)
        elif change.knob is not None:
            spec = specs.get(change.cgroup, _EMPTY_SPEC)
            specs[change.cgroup] = CgroupSpec.model_validate(spec.model_dump() | {change.knob: change.new})
    adj = {name: value for name, value in plan.oom_score_adj.items() if name in specs}
    return Plan.of(specs, adj)


def _check_name(name: CgroupName) -> None:
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        msg = f"cgroup {name!r}: a name is made of non-empty components without '.' and '..'"
        raise PlanError(msg)
    if any(len(part.encode()) > 255 for part in parts):  # NAME_MAX of the kernel's kernfs
        msg = f"cgroup {name[:60]!r}…: a component is longer than 255 bytes"
        raise PlanError(msg)

"""From what was found to the steps of a run: controllers, creations, writes in order, removals.

Source: cgroup-v2.rst, "Controlling Controllers": a controller's files are in a cgroup once it is in
``cgroup.subtree_control`` of every cgroup above.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from enforcer.cgroup_text import parse_words
from enforcer.drift import Difference, View, Wanted
from enforcer.ownership import Record
from enforcer.readback import is_vacuous, knob_of, restoring
from enforcer.steps import Create, Disable, Enable, Put, Remove, Step
from enforcer.tree import Tree
from qos.errors import HostError
from qos.model.cgroup import CgroupName, parse_value
from qos.model.plan import Change, Plan
from qos.model.write_order import order_writes


class Lacking:
    """What this kernel cannot enforce of a plan, told all at once.

    Args:
        offered: ``cgroup.controllers`` of the tree's root.
    """

    def __init__(self, offered: frozenset[str]) -> None:
        self._offered = offered
        self._lacks: dict[str, list[str]] = defaultdict(list)
        self._vacuous: dict[str, int] = defaultdict(int)

    def without(self, path: str, cgroup: Wanted) -> Wanted:
        """The cgroup without the files of controllers that are not offered."""
        missing = [file for file in cgroup.files if not self._is_offered(file)]
        if not missing:
            return cgroup
        for file in missing:
            controller = file.partition(".")[0]
            if file in cgroup.restored or is_vacuous(file, cgroup.files[file]):
                self._vacuous[controller] += 1
            else:
                self._lacks[controller].append(f"{path}/{file}")
        kept = {file: text for file, text in cgroup.files.items() if file not in missing}
        return replace(cgroup, files=kept, restored=cgroup.restored - set(missing))

    def refuse(self) -> None:
        """Stop where a limit would not be kept.

        Raises:
            HostError: a line for each controller, with the files it would take and the remedy.
        """
        if self._lacks:
            raise HostError("\n".join(self._in_words(*lack) for lack in self._lacks.items()))

    def notes(self) -> list[str]:
        """What was left out because it limits nothing here."""
        return [
            f"the {controller} controller is not offered here: {count} values that limit nothing are left out"
            for controller, count in self._vacuous.items()
        ]

    def _is_offered(self, file: str) -> bool:
        controller = file.partition(".")[0]
        return controller == "cgroup" or controller in self._offered

    @staticmethod
    def _in_words(controller: str, files: Sequence[str]) -> str:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return (
            f"the {controller} controller is not offered at the top of this cgroup tree, so {files[0]}{more} "
            "cannot be enforced; see qos doctor for the remedy, or try it in qos lab"
        )


def needs_of(planned: Mapping[str, Wanted], accounted: Iterable[str]) -> dict[str, frozenset[str]]:
    """Which controllers must be on in each cgroup above a planned one (``""`` is the root).

    Args:
        planned: path → the cgroup as it shall be.
        accounted: controllers that every planned cgroup has, for what they count.
    """
    needs: dict[str, set[str]] = defaultdict(set)
    always = frozenset(accounted)
    for path, cgroup in planned.items():
        wanted = {file.partition(".")[0] for file in cgroup.files if file not in cgroup.restored}
        wanted = (wanted | always) - {"cgroup"}
        above = path
        while above:
            above = above.rpartition("/")[0]
            if wanted <= needs[above]:
                break
            needs[above] |= wanted
    return {cgroup: frozenset(controllers) for cgroup, controllers in needs.items()}


def enabling(
    tree: Tree, view: View, record: Record, needs: Mapping[str, frozenset[str]]
) -> dict[str, tuple[str, ...]]:
    """The controllers to switch on: cgroup → names; only above what is new or lacks a file.

    Raises:
        CgroupError: ``cgroup.subtree_control`` cannot be read.
    """
    lacking = {difference.cgroup for difference in view.differences if difference.live is None}
    lacking |= {path for path in view.wanted if path not in record.cgroups}
    lacking |= {*view.missing, *view.foreign_made}
    check: set[str] = set()
    for path in lacking:
        above = path
        while above:
            above = above.rpartition("/")[0]
            if above in check:
                break
            check.add(above)
    missing = set(view.missing)
    found: dict[str, tuple[str, ...]] = {}
    for cgroup in sorted(check, key=lambda path: (path.count("/") + bool(path), path)):
        on = () if cgroup in missing else parse_words(tree.read(cgroup, "cgroup.subtree_control"))
        off = needs.get(cgroup, frozenset()) - set(on)
        if off:
            found[cgroup] = tuple(sorted(off))
    return found


def plan_steps(
    tree: Tree,
    view: View,
    record: Record,
    plan: Plan,
    needs: Mapping[str, frozenset[str]],
    enable: Mapping[str, tuple[str, ...]],
    *,
    prune: bool,
) -> list[Step]:
    """The steps in order: make and switch on from the top down, write, give back, remove, switch off.

    Raises:
        CgroupError: what a cgroup to be removed has switched on cannot be read.
    """
    steps: list[Step] = []
    missing = set(view.missing)
    for path in _top_down({*view.missing, *enable}):
        if path in missing:
            steps.append(Create(path))
        if path in enable:
            steps.append(Enable(path, enable[path]))
    steps += _writes(view, plan, missing)
    if prune:
        steps += _removals(tree, view, record)
        steps += [
            Disable(cgroup, controller)
            for cgroup, controller in reversed(record.controllers)
            if controller not in needs.get(cgroup, frozenset())
        ]
    return steps


def _top_down(paths: Iterable[str]) -> list[str]:
    return sorted(paths, key=lambda path: path.split("/") if path else [])


def _writes(view: View, plan: Plan, missing: set[str]) -> list[Step]:
    """Existing cgroups as the kubelet orders a resize, then the new ones, whose limits bind nobody yet."""
    existing: dict[tuple[CgroupName, str], Difference] = {}
    changes: list[Change] = []
    fresh: list[Change] = []
    for difference in view.differences:
        knob = knob_of(difference.file)
        if knob is None:
            continue
        key = (difference.name, knob.field)
        existing[key] = difference
        new = _value(difference.file, difference.wanted)
        if difference.cgroup in missing:
            fresh.append(Change("set", *key, None, new))
        else:
            old = None if difference.live is None else _value(difference.file, difference.live)
            changes.append(Change("set", *key, old, new))
    ordered = [*order_writes(changes, plan), *order_writes(fresh, plan)]
    return [_put(existing[change.cgroup, change.knob or ""], view) for change in ordered]


def _value(file: str, text: str) -> object:
    knob = knob_of(file)
    return parse_value(knob, text.removeprefix("default ")) if knob else text


def _put(difference: Difference, view: View) -> Put:
    path, file, live = difference.cgroup, difference.file, difference.live
    if file in view.wanted[path].restored and live is not None:
        return Put(path, file, restoring(file, difference.wanted, live), live, difference.wanted)
    return Put(path, file, difference.wanted, live)


def _removals(tree: Tree, view: View, record: Record) -> list[Step]:
    inner = {path.rpartition("/")[0] for path in record.cgroups}
    steps: list[Step] = []
    for path in view.surplus:
        values = record.cgroups[path].values.items()
        files = tuple((file, value.written) for file, value in values if value.written is not None)
        on = tree.read_or_none(path, "cgroup.subtree_control") if path in inner else None
        steps.append(Remove(path, files, parse_words(on or "")))
    return steps

"""The record before and after a run: what is pending, what was read back, whose the rest is."""

from __future__ import annotations

from collections.abc import Sequence

from enforcer.drift import View, companions, identity_or_none
from enforcer.ownership import OwnedCgroup, OwnedValue, Record
from enforcer.steps import Disable, Enable, Progress, Put, Step
from enforcer.tree import Tree


def begin(tree: Tree, record: Record, view: View, steps: Sequence[Step]) -> None:
    """Write into the record all that is about to happen, so that it may be killed anywhere.

    Raises:
        CgroupError: a value that will be lost cannot be read.
    """
    missing = set(view.missing)
    for path in view.foreign_made:
        record.cgroups[path] = OwnedCgroup(
            record.cgroups[path].name, made=False, identity=tree.identity(path)
        )
    for path, cgroup in view.wanted.items():
        if path in missing:
            record.cgroups[path] = OwnedCgroup(cgroup.name, made=True)
        elif path not in record.cgroups:
            record.cgroups[path] = OwnedCgroup(cgroup.name, made=False, identity=tree.identity(path))
        _keep_companions(tree, path, record.cgroups[path], cgroup.files.keys() - cgroup.restored)
    for step in steps:
        if isinstance(step, Put):
            owned = record.cgroups[step.cgroup]
            before = None if owned.made else step.old
            value = owned.values.setdefault(step.file, OwnedValue(before))
            value.pending = step.text if step.back is None else step.back
        elif isinstance(step, Enable) and step.cgroup not in missing:
            made = step.cgroup in record.cgroups and record.cgroups[step.cgroup].made
            if not made:
                entries = [(step.cgroup, name) for name in step.controllers]
                record.controllers += [entry for entry in entries if entry not in record.controllers]


def _keep_companions(tree: Tree, path: str, owned: OwnedCgroup, files: frozenset[str] | set[str]) -> None:
    for file in companions(files) - files:
        if not owned.made and file not in owned.values:
            owned.values[file] = OwnedValue(tree.read(path, file).rstrip("\n"))


def settle(tree: Tree, record: Record, view: View, progress: Progress) -> None:
    """Write into the record what came of it: nothing is pending any more."""
    absent = set(progress.absent)
    for path, cgroup in view.wanted.items():
        owned = record.cgroups[path]
        for file in cgroup.files:
            _settle_value(owned, path, file, view, progress, absent)
        for file in cgroup.restored:
            owned.values.pop(file, None)
        if cgroup.given_back:
            del record.cgroups[path]
        if owned.identity is None:
            owned.identity = identity_or_none(tree, path)
    for path in view.surplus:
        record.cgroups.pop(path, None)
    gone = [(step.cgroup, step.controller) for step in progress.done if isinstance(step, Disable)]
    gone += progress.kept_on
    record.controllers = [entry for entry in record.controllers if entry not in gone]


def _settle_value(
    owned: OwnedCgroup, path: str, file: str, view: View, progress: Progress, absent: set[tuple[str, str]]
) -> None:
    key = (path, file)
    if key in absent:
        owned.values.pop(file, None)
        return
    live = progress.printed.get(key, view.live.get(key))
    if live is None:
        return
    value = owned.values.get(file)
    if value is None:  # it held already what is wanted: ours from now on, and before as it is
        value = owned.values[file] = OwnedValue(None if owned.made else live)
    value.written, value.pending = live, None

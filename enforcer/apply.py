"""Bringing a cgroup tree to a plan and back: look, refuse, record, write, read back, record.

:class:`Enforcer` is the whole of it. Applying nothing with ``prune`` is deleting: the same steps, the
same record, so there is one thing to get right. What may interrupt it, and what is then left, is
tested point by point (docs/fault-matrix.md).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from enforcer.drift import Difference, Resets, Spell, View, Wanted, look, never, shrinks, want
from enforcer.ownership import Record
from enforcer.planning import Lacking, enabling, needs_of, plan_steps
from enforcer.settle import begin, settle
from enforcer.state import StateStore
from enforcer.steps import Progress, Put, Step, perform, undo
from enforcer.tree import Tree
from qos.errors import ConflictError, HostError, SupersededError
from qos.model.cgroup import CgroupName
from qos.model.plan import Plan

Outcome = Literal["created", "configured", "unchanged", "removed"]
ACCOUNTED: Final = ("cpu", "io", "memory", "pids")
"""Controllers that are switched on where offered even if no value needs them: they count."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run did, or would do.

    Attributes:
        outcomes: every cgroup of the plan, and of what was given back.
        differences: files that were (would be) written, in the plan's order.
        writes: calls that changed the tree: 0 says that everything was as wanted.
        notes: what the user should know: values that limit nothing here, what was left alone.
    """

    outcomes: Mapping[CgroupName, Outcome]
    differences: tuple[Difference, ...] = ()
    writes: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was as wanted."""
        return all(outcome == "unchanged" for outcome in self.outcomes.values())


class Enforcer:
    """One cgroup tree, kept to a plan.

    Args:
        tree: where to write, :class:`enforcer.cgroupfs.CgroupFS` or a driver with its words.
        store: where the record of ownership lies.
        boot_id: of this boot; a record of another boot is of a tree that is gone.
        spell: a cgroup's name in the driver's spelling; None: as it is.
        root: the tree's root, for messages and so that a record is not used for another tree.
        driver_resets: files the driver puts back by itself (:meth:`enforcer.systemd.SystemdFS.resets`).
    """

    def __init__(
        self,
        tree: Tree,
        store: StateStore,
        *,
        boot_id: str,
        spell: Spell | None = None,
        root: str = "",
        driver_resets: Resets = never,
    ) -> None:
        self._tree = tree
        self._store = store
        self._boot_id = boot_id
        self._spell: Spell = spell or str
        self._root = root
        self._driver_resets = driver_resets

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock that every change takes, for what must not be cut in two.

        Raises:
            HostError: another run holds it all the time.
        """
        with self._store.locked():
            yield

    def keep_objects(self, data: Mapping[str, Any]) -> None:
        """Keep plain data with the record, by the caller's own keys, beside what was applied.

        Nothing is kept where nothing was applied.

        Raises:
            HostError: another run is at work, or the record cannot be written.
        """
        with self._store.locked():
            record = self.record()
            if record.objects and not data.items() <= record.objects.items():
                record.objects |= data
                self._store.save(record)

    def record(self) -> Record:
        """What qos did to this tree so far; empty after a reboot.

        Raises:
            HostError: the record is damaged, or of another tree that is still there.
        """
        identity = self._tree.identity("")
        found = self._store.load()
        if found is None or found.boot_id != self._boot_id:
            return Record(self._boot_id, self._root, identity)
        if found.root != self._root:
            raise HostError(
                f"{self._store.directory} holds the record of {found.root}, not of {self._root}; "
                "give another --state-dir"
            )
        if found.root_identity != identity:
            return Record(self._boot_id, self._root, identity)
        return found

    def diff(self, plan: Plan, *, prune: bool = False) -> Applied:
        """What :meth:`apply` would do, without writing anything.

        Raises:
            HostError: something cannot be read, or this kernel cannot enforce the plan.
        """
        record = self.record()
        view, notes, steps = self._prepare(plan, record, prune=prune)
        return Applied(_outcomes(view, record), tuple(view.differences), len(steps), tuple(notes))

    def apply(
        self,
        plan: Plan,
        *,
        objects: Mapping[str, Any] | None = None,
        prune: bool = False,
        force_conflicts: bool = False,
        force_shrink: bool = False,
        dry_run: bool = False,
        only_if: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> Applied:
        """Bring the tree to the plan; all or nothing.

        Args:
            plan: the cgroups and values that shall be.
            objects: plain data kept with the record, by the caller's own keys.
            prune: give back what qos owns and the plan does not name.
            force_conflicts: overwrite what somebody else changed.
            force_shrink: push memory.max below current use, whatever it kills.
            dry_run: look and refuse as usual, but write nothing.
            only_if: asked, under the lock, whether what is kept with the record still is what the plan is of.

        Raises:
            SupersededError: ``only_if`` says no.
            ConflictError: somebody else changed a value; each is named with whose it is.
            CgroupError: the kernel refused one file; what was written is undone.
            HostError: another run is at work, the record cannot be written, a limit would fall below
                use, or this kernel lacks a controller.
        """
        with self._store.locked():
            record = self.record()
            if only_if is not None and not only_if(record.objects):
                raise SupersededError("another run applied something newer meanwhile")
            view, notes, steps = self._prepare(plan, record, prune=prune)
            _refuse(self._tree, view, force_conflicts=force_conflicts, force_shrink=force_shrink)
            outcomes, differences = _outcomes(view, record), tuple(view.differences)
            if dry_run:
                return Applied(outcomes, differences, len(steps), tuple(notes))
            before = copy.deepcopy(record)
            begin(self._tree, record, view, steps)
            if objects is not None:
                record.objects = dict(objects)
            progress = self._perform(before, record, view, steps)
            notes += self._commit(before, record, progress)
            return Applied(outcomes, differences, progress.writes, tuple(notes))

    def delete(self, *, force_conflicts: bool = False, force_shrink: bool = False) -> Applied:
        """Give everything back: the tree is as it was before the first apply.

        Raises:
            HostError: as :meth:`apply`; a cgroup that still holds processes is named.
        """
        return self.apply(
            Plan.of({}),
            objects={},
            prune=True,
            force_conflicts=force_conflicts,
            force_shrink=force_shrink,
        )

    def _prepare(self, plan: Plan, record: Record, *, prune: bool) -> tuple[View, list[str], list[Step]]:
        offered = self._tree.controllers("")
        wanted = want(plan, self._spell, record, prune=prune)
        wanted, notes = _enforceable(wanted, offered)
        notes += _fleeting(wanted, self._driver_resets)
        planned = {path: cgroup for path, cgroup in wanted.items() if not cgroup.given_back}
        needs = needs_of(planned, [name for name in ACCOUNTED if name in offered])
        view = look(self._tree, wanted, record, prune=prune, driver_resets=self._driver_resets)
        if prune:
            _refuse_populated(self._tree, view)
        enable = enabling(self._tree, view, record, needs)
        steps = plan_steps(self._tree, view, record, plan, needs, enable, prune=prune)
        steps.sort(key=lambda step: isinstance(step, Put) and self._driver_resets(step.cgroup, step.file))
        return view, notes, steps

    def _perform(self, before: Record, record: Record, view: View, steps: Sequence[Step]) -> Progress:
        progress = Progress()
        if steps:
            self._store.save(record)
        try:
            perform(self._tree, steps, progress)
            settle(self._tree, record, view, progress)
        except (HostError, KeyboardInterrupt) as error:
            self._undo(before, progress, error)
            raise
        return progress

    def _undo(self, before: Record, progress: Progress, error: BaseException) -> None:
        left = undo(self._tree, progress.done)
        if left:  # the record on disk still says what was pending, so the next run converges
            error.add_note("not everything could be undone: " + "; ".join(left))
            return
        if not progress.done:
            return
        try:
            self._store.save(before)
        except HostError as failure:
            error.add_note(str(failure))

    def _commit(self, before: Record, record: Record, progress: Progress) -> list[str]:
        notes = [f"{cgroup}/{file}: not on this kernel, nothing to limit" for cgroup, file in progress.absent]
        notes += [
            f"{cgroup or '/'}: {controller} stays on, somebody's cgroups below use it"
            for cgroup, controller in progress.kept_on
        ]
        if record == before and not progress.done:
            return notes
        try:
            self._store.save(record)
        except HostError as error:
            if not progress.done:
                raise
            # Every value is in place, and the record on disk says "pending" of each: nothing is lost.
            notes.append(f"{error}; the values are in force, the next run completes the record")
        return notes


def _enforceable(
    wanted: Mapping[str, Wanted], offered: frozenset[str]
) -> tuple[dict[str, Wanted], list[str]]:
    lacking = Lacking(offered)
    kept = {path: lacking.without(path, cgroup) for path, cgroup in wanted.items()}
    lacking.refuse()
    return kept, lacking.notes()


def _fleeting(wanted: Mapping[str, Wanted], resets: Resets) -> list[str]:
    found = [
        f"{path}/{file}"
        for path, cgroup in wanted.items()
        for file in cgroup.files.keys() - cgroup.restored
        if resets(path, file)
    ]
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    words = (
        f"{found[0]}{more}: systemd writes 0 there at every daemon-reload and has no setting that keeps it; "
        "the next apply, or --watch within seconds, writes it again"
    )
    return [words]


def _refuse(tree: Tree, view: View, *, force_conflicts: bool, force_shrink: bool) -> None:
    if not force_conflicts and (conflicts := view.conflicts):
        lines = [conflict.conflict for conflict in conflicts]
        raise ConflictError("\n".join([*lines, "--force-conflicts overwrites them"]))
    if not force_shrink and (found := shrinks(tree, view)):
        raise HostError("\n".join([*map(str, found), "--force lets it happen"]))


def _refuse_populated(tree: Tree, view: View) -> None:
    surplus = set(view.surplus)
    busy = []
    for path in view.surplus:
        if path.rpartition("/")[0] not in surplus:
            events = tree.read_or_none(path, "cgroup.events")
            if events is not None and "populated 1" in events:
                busy.append(f"{path}: still holds processes; kill or move them first (qos kill)")
    if busy:
        raise HostError("\n".join(busy))


def _outcomes(view: View, record: Record) -> dict[CgroupName, Outcome]:
    changed = {difference.cgroup for difference in view.differences}
    missing = set(view.missing)
    outcomes: dict[CgroupName, Outcome] = {
        cgroup.name: "created" if path in missing else "configured" if path in changed else "unchanged"
        for path, cgroup in view.wanted.items()
        if path in changed or not cgroup.given_back
    }
    for path in view.surplus:
        outcomes[CgroupName(record.cgroups[path].name)] = "removed"
    return outcomes

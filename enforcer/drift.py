"""Looking before writing: what is wanted, what the kernel has, whose it is, and what stands in the way.

Nothing here writes. :func:`look` reads every managed file once; its :class:`View` answers what a run
would change, what somebody else changed, and which shrinking of ``memory.max`` would kill.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from enforcer.ownership import OwnedCgroup, OwnedValue, Record
from enforcer.readback import agrees, default_text, is_vacuous, keeping, printed, restoring
from enforcer.tree import Tree
from qos.errors import CgroupError
from qos.model.cgroup import CgroupName
from qos.model.plan import Plan

Spell = Callable[[CgroupName], str]
"""A cgroup's path in the driver's spelling, relative to the tree's root."""

Resets = Callable[[str, str], bool]
"""Whether the driver puts a file (path of its cgroup, name) back to the kernel's default by itself."""

_DESTROYS: Final = MappingProxyType({"cpu.idle": "cpu.weight", "cpu.weight.nice": "cpu.weight"})
"""Writing the first loses the second's exact value, so that one is recorded, and restored, too."""


def never(_cgroup: str, _file: str) -> bool:
    """The :data:`Resets` of a driver that leaves everything as it is written."""
    return False


@dataclass(frozen=True, slots=True)
class Wanted:
    """One cgroup as it shall be.

    Attributes:
        name: in the plan.
        files: file → text as written.
        restored: files among them that the plan no longer manages and that go back to what they were.
        given_back: the plan no longer names the cgroup itself, which is somebody else's.
    """

    name: CgroupName
    files: Mapping[str, str]
    restored: frozenset[str] = frozenset()
    given_back: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One file that does not hold what is wanted.

    Attributes:
        cgroup: path in the driver's spelling; ``name`` as in the plan.
        live: what the kernel says, stripped; None: the cgroup or the file is not there yet.
        wanted: what shall be written.
        written: what qos wrote last; None: never.
        foreign: somebody else changed it since.
    """

    cgroup: str
    name: CgroupName
    file: str
    live: str | None
    wanted: str
    written: str | None
    foreign: bool

    def __str__(self) -> str:
        return f"{self.cgroup}/{self.file}: {_shown(self.live)} → {_shown(self.wanted)}"

    @property
    def conflict(self) -> str:
        """Whose which value is, in words."""
        return (
            f"{self.cgroup}/{self.file}: qos wrote {_shown(self.written)}, "
            f"somebody else made it {_shown(self.live)}, wanted is {_shown(self.wanted)}"
        )


def _shown(text: str | None) -> str:
    return "absent" if text is None else (text.replace("\n", ", ") or "empty")


@dataclass(slots=True)
class View:
    """What was found.

    Attributes:
        wanted: path → the cgroup as it shall be, parents first.
        missing: wanted cgroups that are not there.
        foreign_made: recorded cgroups that somebody else removed and made again.
        differences: files that must be written, in the plan's order.
        live: (path, file) → text of every wanted file that was there, stripped.
        surplus: recorded cgroups that are not wanted, children first.
    """

    wanted: dict[str, Wanted]
    missing: list[str] = field(default_factory=list)
    foreign_made: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    live: dict[tuple[str, str], str] = field(default_factory=dict)
    surplus: list[str] = field(default_factory=list)

    @property
    def conflicts(self) -> list[Difference]:
        """Differences that somebody else made."""
        return [difference for difference in self.differences if difference.foreign]


def want(plan: Plan, spell: Spell, record: Record, *, prune: bool) -> dict[str, Wanted]:
    """Every cgroup to be brought about, and what was managed once and goes back to what it was.

    Args:
        plan: what shall be.
        spell: a name in the driver's spelling.
        record: what qos did so far.
        prune: whether recorded cgroups outside the plan are given back; else they are left alone.
    """
    wanted: dict[str, Wanted] = {}
    for name, spec in plan.cgroups.items():
        path = spell(name)
        files = spec.files()
        owned = record.cgroups.get(path)
        if owned is None:
            wanted[path] = Wanted(name, files)
            continue
        dropped = {}
        lost = companions(files)
        for file, value in owned.values.items():
            if file in files:
                files[file] = keeping(file, files[file], value.written or value.pending, value.before)
            elif file not in lost and (text := _given_back(file, value)) is not None:
                dropped[file] = text
        wanted[path] = Wanted(name, files | dropped, frozenset(dropped))
    if prune:
        for path, owned in record.cgroups.items():
            if path not in wanted and not owned.made:
                back = {
                    file: text
                    for file, value in owned.values.items()
                    if (text := _given_back(file, value)) is not None
                }
                wanted[path] = Wanted(CgroupName(owned.name), back, frozenset(back), given_back=True)
    return wanted


def _given_back(file: str, value: OwnedValue) -> str | None:
    """The text a file goes back to: what was there before, in our own cgroup the kernel's default."""
    return default_text(file) if value.before is None else value.before


def look(
    tree: Tree,
    wanted: dict[str, Wanted],
    record: Record,
    *,
    prune: bool,
    driver_resets: Resets = never,
) -> View:
    """Read every wanted file of every wanted cgroup once.

    Args:
        tree: where to look.
        wanted: path → the cgroup as it shall be.
        record: what qos did so far.
        prune: whether recorded cgroups that are not wanted are surplus.
        driver_resets: whether the driver puts a file (path, name) back to the kernel's default by itself;
            that is drift to be repaired, nobody's conflict.

    Raises:
        CgroupError: a file cannot be read.
    """
    view = View(wanted)
    absent: set[str] = set()
    for path, cgroup in wanted.items():
        above = path.rpartition("/")[0]
        owned = record.cgroups.get(path)
        identity = None if above in absent else identity_or_none(tree, path)
        if identity is None:
            absent.add(path)
            _note_missing(path, cgroup, view)
            continue
        if owned is not None and owned.identity not in (None, identity):
            view.foreign_made.append(path)
            owned = None
        _look_inside(tree, path, cgroup, owned, view, driver_resets)
    if prune:
        surplus = [path for path, owned in record.cgroups.items() if owned.made and path not in wanted]
        view.surplus = sorted(surplus, key=lambda path: path.count("/"), reverse=True)
    return view


def _note_missing(path: str, cgroup: Wanted, view: View) -> None:
    if cgroup.given_back:
        return
    view.missing.append(path)
    view.differences += [
        Difference(path, cgroup.name, file, None, text, None, foreign=False)
        for file, text in cgroup.files.items()
        if file not in cgroup.restored
    ]


def _look_inside(
    tree: Tree,
    path: str,
    cgroup: Wanted,
    owned: OwnedCgroup | None,
    view: View,
    driver_resets: Resets,
) -> None:
    for file, text in cgroup.files.items():
        live = tree.read_or_none(path, file)
        if live is not None:
            live = live.rstrip("\n")
            view.live[path, file] = live
        elif is_vacuous(file, text) and file.partition(".")[0] in tree.controllers(path):
            continue  # the controller is on and this kernel has no such file: nothing to limit
        value = owned.values.get(file) if owned else None
        difference = _compare(path, cgroup, file, text, live, value)
        if difference is not None and live == default_text(file) and driver_resets(path, file):
            difference = replace(difference, foreign=False)
        if difference is not None:
            view.differences.append(difference)


def _compare(
    path: str, cgroup: Wanted, file: str, text: str, live: str | None, value: OwnedValue | None
) -> Difference | None:
    restored = file in cgroup.restored
    if restored and (live is None or value is None):
        return None
    if restored and live is not None:
        same = live == text or not restoring(file, text, live)
    else:
        same = agrees(file, text, live)
    if same:
        return None
    foreign = live is not None and value is not None and not value.is_ours(file, live)
    return Difference(path, cgroup.name, file, live, text, value.written if value else None, foreign)


def identity_or_none(tree: Tree, cgroup: str) -> int | None:
    """The cgroup's inode, None where it is not there.

    Raises:
        CgroupError: not permitted, or no name of a cgroup.
    """
    try:
        return tree.identity(cgroup)
    except CgroupError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR):
            return None
        raise


def companions(files: Iterable[str]) -> frozenset[str]:
    """Files whose value is lost by writing some other ones: ``cpu.weight`` by ``cpu.idle``."""
    return frozenset(_DESTROYS[file] for file in files if file in _DESTROYS)


@dataclass(frozen=True, slots=True)
class Shrink:
    """A ``memory.max`` that would fall below what the cgroup uses now: the OOM killer would come."""

    cgroup: str
    current_bytes: int
    wanted_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.cgroup}/memory.max: {self.wanted_bytes} is below the {self.current_bytes} bytes in use; "
            "the kernel would reclaim, then kill"
        )


def shrinks(tree: Tree, view: View) -> list[Shrink]:
    """The limits that a run would push below current use.

    Raises:
        CgroupError: memory.current cannot be read.
    """
    found = []
    for difference in view.differences:
        if difference.file != "memory.max" or difference.live is None:
            continue
        wanted = printed("memory.max", difference.wanted)
        current = tree.read_or_none(difference.cgroup, "memory.current")
        if wanted != "max" and current is not None and int(current) > int(wanted):
            found.append(Shrink(difference.cgroup, int(current), int(wanted)))
    return found

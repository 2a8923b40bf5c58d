"""What a run does to the tree, one step after another, each read back; and its undoing.

Source: the order of steps is the kernel's (a controller's files appear once it is on in every cgroup
above) and :func:`qos.model.write_order.order_writes`'s.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from enforcer.readback import agrees, is_keyed, is_vacuous, restoring
from enforcer.tree import Tree
from qos.errors import CgroupError, HostError

_GONE: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
_SUBTREE: Final = "cgroup.subtree_control"


@dataclass(frozen=True, slots=True)
class Create:
    """Make a cgroup."""

    cgroup: str


@dataclass(frozen=True, slots=True)
class Enable:
    """Switch controllers on for the cgroups below."""

    cgroup: str
    controllers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a file.

    Attributes:
        cgroup: its cgroup.
        file: its name.
        text: what is written.
        old: what it held; None: its cgroup, or the file, was not there.
        back: what it shall read afterwards, to the byte, because it is given back; None: what text means.
    """

    cgroup: str
    file: str
    text: str
    old: str | None
    back: str | None = None

    def is_done(self, live: str) -> bool:
        """Whether the file reads as it shall."""
        if self.back is None:
            return agrees(self.file, self.text, live)
        return live == self.back or (
            # "root invalid (reason)": the reason is the kernel's of today
            self.file == "cpuset.cpus.partition" and live.split(" ", maxsplit=1)[0] == self.back.split(" ")[0]
        )


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a cgroup that qos made; ``files`` is what it held, to make it again."""

    cgroup: str
    files: tuple[tuple[str, str], ...]
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disable:
    """Switch a controller off again."""

    cgroup: str
    controller: str


Step = Create | Enable | Put | Remove | Disable


@dataclass(slots=True)
class Progress:
    """What has been done so far.

    Attributes:
        done: the steps that changed something, in order.
        printed: (cgroup, file) → what the file read after it was written, stripped.
        absent: files the kernel lacks and whose wanted value limits nothing.
        kept_on: controllers that could not be switched off because somebody uses them below.
        writes: system calls that changed the tree.
    """

    done: list[Step] = field(default_factory=list)
    printed: dict[tuple[str, str], str] = field(default_factory=dict)
    absent: list[tuple[str, str]] = field(default_factory=list)
    kept_on: list[tuple[str, str]] = field(default_factory=list)
    writes: int = 0


def perform(tree: Tree, steps: Iterable[Step], progress: Progress) -> None:
    """Do the steps; ``progress`` tells what was done also when one fails.

    Raises:
        CgroupError: the kernel refused, or a file does not read back as written.
        HostError: a cgroup appeared that was not there a moment ago.
    """
    for step in steps:
        if isinstance(step, Put):
            _put(tree, step, progress)
        elif isinstance(step, Create):
            if not tree.create(step.cgroup):
                raise HostError(f"{step.cgroup}: somebody else made this cgroup meanwhile; run again")
            _note(progress, step)
        elif isinstance(step, Enable):
            tree.write(step.cgroup, _SUBTREE, " ".join(f"+{name}" for name in step.controllers))
            _note(progress, step)
        elif isinstance(step, Remove):
            if tree.remove(step.cgroup):
                _note(progress, step)
        else:
            _disable(tree, step, progress)


def _note(progress: Progress, step: Step) -> None:
    progress.done.append(step)
    progress.writes += 1


def _put(tree: Tree, step: Put, progress: Progress) -> None:
    try:
        progress.done.append(step)  # first: of a keyed file, some lines may be written when one is refused
        if not tree.write(step.cgroup, step.file, step.text):
            progress.absent.append((step.cgroup, step.file))
            return
    except CgroupError as error:
        lacking = error.errno == errno.ENOENT and is_vacuous(step.file, step.text)
        if lacking and tree.exists(step.cgroup):
            progress.absent.append((step.cgroup, step.file))
            return
        raise
    progress.writes += 1
    live = tree.read(step.cgroup, step.file).rstrip("\n")
    if not step.is_done(live):
        reason = f"written, but the kernel says {live!r}"
        raise CgroupError(f"{step.cgroup}/{step.file}", step.text, reason)
    progress.printed[step.cgroup, step.file] = live


def _disable(tree: Tree, step: Disable, progress: Progress) -> None:
    try:
        tree.write(step.cgroup, _SUBTREE, f"-{step.controller}")
    except CgroupError as error:
        if error.errno in _GONE:
            return
        if error.errno == errno.EBUSY:
            progress.kept_on.append((step.cgroup, step.controller))
            return
        raise
    _note(progress, step)


def undo(tree: Tree, done: Sequence[Step]) -> list[str]:
    """Take steps back, the last one first; a cgroup that vanished meanwhile is passed over.

    Returns:
        What could not be taken back, in words; empty when the tree is as before.
    """
    left: list[str] = []
    for step in reversed(done):
        try:
            _take_back(tree, step)
        except HostError as error:
            if not (isinstance(error, CgroupError) and error.errno in _GONE):
                left.append(str(error))
    return left


def _take_back(tree: Tree, step: Step) -> None:
    if isinstance(step, Put):
        _put_back(tree, step)
    elif isinstance(step, Create):
        tree.remove(step.cgroup)
    elif isinstance(step, Enable):
        tree.write(step.cgroup, _SUBTREE, " ".join(f"-{name}" for name in step.controllers))
    elif isinstance(step, Remove):
        tree.create(step.cgroup)
        if step.controllers:
            tree.write(step.cgroup, _SUBTREE, " ".join(f"+{name}" for name in step.controllers))
        for file, text in step.files:
            with suppress(CgroupError):  # it was ours; the next run writes what it still wants
                tree.write(step.cgroup, file, text)
    else:
        tree.write(step.cgroup, _SUBTREE, f"+{step.controller}")


def _put_back(tree: Tree, step: Put) -> None:
    if step.old is None:
        return
    live = tree.read(step.cgroup, step.file).rstrip("\n")
    text = restoring(step.file, step.old, live)
    if live != step.old and (text or not is_keyed(step.file)):
        tree.write(step.cgroup, step.file, text)

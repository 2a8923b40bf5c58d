"""Whose a value is: what qos wrote, what stood there before, and what it is about to write.

The record is written to disk before the first change of a run (with every change ``pending``) and
again after the last. Between the two a value may be the old or the new one, so a run that was killed
leaves nothing that the next one cannot tell from somebody else's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from enforcer.readback import agrees, default_text, is_keyed, keyed_lines
from qos.errors import HostError

FORMAT = 1


@dataclass(slots=True)
class OwnedValue:
    """One file of one cgroup.

    Attributes:
        before: the text before qos first wrote it; None: the file was not there, or the cgroup is ours.
        written: the text that was read back after qos wrote it; None: not yet.
        pending: what is about to be written; None: nothing.

    Neither written nor pending: the value was only kept because writing another file destroys it.
    """

    before: str | None
    written: str | None = None
    pending: str | None = None

    def is_ours(self, file: str, live: str) -> bool:
        """Whether ``live`` is what qos wrote, or what an interrupted run may have left."""
        live = live.rstrip("\n")
        if live == self.written or self.is_kept:
            return True
        if self.pending is None:
            return False
        before = default_text(file) if self.before is None else self.before
        if live == before or agrees(file, self.pending, live):
            return True
        return is_keyed(file) and self._each_line_is_ours(file, live)

    @property
    def is_kept(self) -> bool:
        """Whether qos never wrote the file itself."""
        return self.written is None and self.pending is None

    def _each_line_is_ours(self, file: str, live: str) -> bool:
        texts = [keyed_lines(text or "") for text in (self.before, self.written, self.pending)]
        return all(
            any(key in text and agrees(file, f"{key} {text[key]}", f"{key} {rest}") for text in texts)
            for key, rest in keyed_lines(live).items()
        )


@dataclass(slots=True)
class OwnedCgroup:
    """One cgroup qos made, or wrote to.

    Attributes:
        name: its name in the plan, before any driver's spelling.
        made: whether qos made it, and so may remove it.
        identity: its inode once it is known; another number is somebody else's cgroup of this name.
        values: file → what qos did to it.
    """

    name: str
    made: bool
    identity: int | None = None
    values: dict[str, OwnedValue] = field(default_factory=dict)


@dataclass(slots=True)
class Record:
    """All that qos did to one cgroup tree since the machine started.

    Attributes:
        boot_id: of the boot in which it was written; after a reboot nothing of it is there any more.
        root: the tree's root, and ``root_identity`` its inode: a record is of one tree.
        cgroups: path in the driver's spelling → what qos did to it, parents first.
        controllers: ``(cgroup, controller)`` that qos switched on in ``cgroup.subtree_control``, in order.
        objects: what the caller applied, by its own key; kept, not read here.
    """

    boot_id: str
    root: str
    root_identity: int
    cgroups: dict[str, OwnedCgroup] = field(default_factory=dict)
    controllers: list[tuple[str, str]] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to undo."""
        return not (self.cgroups or self.controllers or self.objects)

    @property
    def is_pending(self) -> bool:
        """Whether a run was interrupted before it could say that it was done."""
        return any(value.pending is not None for _, _, value in self.values())

    def values(self) -> Iterator[tuple[str, str, OwnedValue]]:
        """Every (cgroup, file, value)."""
        for cgroup, owned in self.cgroups.items():
            for file, value in owned.values.items():
                yield cgroup, file, value

    def to_data(self) -> dict[str, Any]:
        """The record as plain data; :meth:`from_data` gives it back."""
        return {
            "format": FORMAT,
            "bootId": self.boot_id,
            "root": self.root,
            "rootIdentity": self.root_identity,
            "cgroups": {
                path: {
                    "name": owned.name,
                    "made": owned.made,
                    "identity": owned.identity,
                    "values": {f: [v.before, v.written, v.pending] for f, v in owned.values.items()},
                }
                for path, owned in self.cgroups.items()
            },
            "controllers": self.controllers,
            "objects": self.objects,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The record of :meth:`to_data`'s data.

        Raises:
            HostError: another format, or not a record.
        """
        if data.get("format") != FORMAT:
            raise HostError(
                f"the ownership record has format {data.get('format')!r}, this qos reads {FORMAT}"
            )
        try:
            cgroups = {
                path: OwnedCgroup(
                    owned["name"],
                    owned["made"],
                    owned["identity"],
                    {file: OwnedValue(*texts) for file, texts in owned["values"].items()},
                )
                for path, owned in data["cgroups"].items()
            }
            controllers = [(cgroup, controller) for cgroup, controller in data["controllers"]]
            return cls(
                data["bootId"],
                data["root"],
                data["rootIdentity"],
                cgroups,
                controllers,
                data["objects"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HostError(f"the ownership record is damaged: {error!r}") from error

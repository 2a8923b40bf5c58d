"""Kernel modules a job names, with what they need, laid ready for the guest in loading order.

The guest has no modprobe to rely on: the host resolves and unpacks, PID 1 loads files in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from enforcer.lab.errors import LabError
from enforcer.lab.vmlinux import unpack

_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")


def lay_ready(root: Path | None, names: Iterable[str], target: Path) -> None:
    """Copy the modules and those they depend on to ``target`` as ``000-name.ko``, ``001-…``.

    Args:
        root: the kernel's modules folder; None where everything is built in.
        names: modules, with dashes or underscores; those built into the kernel are passed over.
        target: a folder, which is made.

    Raises:
        LabError: neither a module nor built in.
    """
    target.mkdir()
    if root is None:
        return
    found = {_name(path): path for path in root.rglob("*.ko*") if path.is_file()}
    built_in = {
        _name(Path(line)) for file in root.rglob("modules.builtin") for line in file.read_text().split()
    }
    images: dict[str, bytes] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in images or name in built_in:
            return
        if name not in found:
            raise LabError(f"the guest's kernel has no module {name}")
        image = found[name].read_bytes()
        if found[name].suffix == ".xz":
            image = unpack(("xz", "-dc"), image)
        needed = _DEPENDS.search(image)
        for other in filter(None, needed[1].decode().split(",") if needed else []):
            add(other)
        images[name] = image

    for name in names:
        add(name)
    for number, (name, image) in enumerate(images.items()):
        (target / f"{number:03}-{name}.ko").write_bytes(image)


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")

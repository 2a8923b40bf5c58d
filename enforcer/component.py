"""One component of a cgroup's path: what no cgroup may be called is refused before any system call."""

from __future__ import annotations

import errno
from typing import Final

_NAME_BYTES: Final = 255  # NAME_MAX of the kernel


class ComponentError(OSError):
    """A component that no cgroup may have; found before any system call."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, name)
        self.reason = reason


def component(name: str) -> str:
    """The name itself, once it is sure to be a single component.

    Raises:
        ComponentError: empty, ``.``, ``..``, with ``/`` or NUL, not unicode, or over 255 bytes.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ComponentError(name, "no name of a cgroup: empty, '.', '..', '/' and NUL are refused")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise ComponentError(name, "no name of a cgroup: not valid unicode") from error
    if size > _NAME_BYTES:
        raise ComponentError(name, f"no name of a cgroup: {size} bytes, the kernel takes {_NAME_BYTES}")
    return name

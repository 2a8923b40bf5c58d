"""The door to containers' logs: what a command prints is kept in files of its own, for their owner only.

A file is ``NAMESPACE_POD/CONTAINER.NUMBER.log`` in a directory that nobody else can write.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from enforcer.component import ComponentError, component
from qos.errors import HostError

_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE: Final = 0o022


def log_path(directory: Path, pod: str, container: str, number: int = 0) -> Path:
    """Where a container's output is kept.

    >>> log_path(Path("/run/qos/logs"), "default/web", "app", 2).as_posix()
    '/run/qos/logs/default_web/app.2.log'

    Raises:
        HostError: a name that cannot be a file's.
    """
    namespace, _, name = pod.partition("/")
    try:
        return directory / component(f"{namespace}_{name}") / component(f"{container}.{number}.log")
    except ComponentError as error:
        raise HostError(f"log of {pod}/{container}: {error.reason}") from error


@contextmanager
def open_log(directory: Path, pod: str, container: str, number: int = 0) -> Iterator[int]:
    """A descriptor that appends to a container's log, made where missing (directory 0700, file 0600).

    Raises:
        HostError: others can write the directory, a link lies in the way, or the disk refuses.
    """
    path = log_path(directory, pod, container, number)
    try:
        for folder in (directory, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
            if (
                not stat.S_ISDIR(status.st_mode)
                or status.st_mode & _OTHERS_WRITE
                or status.st_uid != os.geteuid()
            ):
                raise HostError(f"{folder}: not a directory of this user alone; logs are not kept there")
        fd = os.open(path, _APPEND, 0o600)
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error
    try:
        yield fd
    finally:
        os.close(fd)

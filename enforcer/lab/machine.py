"""What a kind of guest tells the launcher: which programs to start, with which words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

EMULATOR_VARIABLE: Final = "QOS_LAB_EMULATOR"
"""Set inside a guest that a program emulates, to that program and its version: measurements tell by it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a guest shall have.

    Attributes:
        folder: the job folder.
        init: the words after ``init=`` on the kernel's command line, PID 1's own included.
        cpus: how many CPUs.
        memory_mib: how much memory.
        disk: an image to be the guest's block device, None for no disk.
    """

    folder: Path
    init: str
    cpus: int
    memory_mib: int
    disk: Path | None


@dataclass(frozen=True, slots=True)
class Machine:
    """A guest ready to be started.

    Attributes:
        argv: the program that is the guest; its output is the console.
        emulator: the program that is the machine, in words; "" where the kernel is a program itself.
        console: the file the guest's console goes to, None for the program's own output.
        disk: the block device inside.
        modules: modules its devices need.
        modules_root: where the kernel's modules lie on the host, None where all is built in.
        env: environment added for the program.
        helper: a program that must run beside it, and the socket that says it is ready.
    """

    argv: tuple[str, ...]
    disk: str
    emulator: str = ""
    console: Path | None = None
    modules: tuple[str, ...] = ()
    modules_root: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    helper: tuple[tuple[str, ...], Path] | None = None


Lane = Callable[[Wish], Machine]

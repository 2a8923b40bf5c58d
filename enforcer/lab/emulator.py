"""Which QEMU emulates: a sound one of the distribution's backports where the machine's own is too old.

QEMU before 10 emulates two CPUs on two threads unsoundly (the kernel's live patching, which the first and the
last cpu.max need, crashes guests), so it gets one thread, on which CPUs take turns. Newer ones get a thread
for each CPU.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from enforcer.lab.errors import LabError
from enforcer.lab.packages import Archive, backports, cache_lock, install, run_tool

PROGRAM: Final = "qemu-system-x86_64"
_SOUND_VERSION: Final = 10
_PACKAGES: Final = ("qemu-system-x86", "qemu-system-data", "seabios")
"""The program, what it gives a guest to boot, and firmware; libraries are those of the machine's own QEMU."""
_DATA: Final = ("qemu-system-data/usr/share/qemu", "seabios/usr/share/seabios")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A QEMU that runs here.

    Attributes:
        program: its path.
        version: as ``10.0.2``.
        data: folders with firmware, where they are not the machine's own.
    """

    program: str
    version: str
    data: tuple[Path, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether each emulated CPU may have a thread of its own."""
        return int(self.version.partition(".")[0]) >= _SOUND_VERSION

    def __str__(self) -> str:
        """As ``QEMU 7.2.22, all CPUs in one thread``."""
        threads = "a thread for each CPU" if self.is_sound else "all CPUs in one thread"
        return f"QEMU {self.version}, {threads}"


def emulator() -> Emulator:
    """The machine's own QEMU where it is sound, else one of backports, else the machine's own all the same.

    Raises:
        LabError: none is installed, and this is not root.
    """
    with cache_lock("qemu"):
        if shutil.which(PROGRAM) is None:
            install("qemu-system-x86")
        own = _asked(shutil.which(PROGRAM) or "")
        if own.is_sound:
            return own
        try:
            return _of_backports()
        except LabError as error:
            print(f"lab: {own}, because backports cannot be had: {error}", file=sys.stderr)
            return own


def _of_backports() -> Emulator:
    suite = backports()
    with cache_lock("qemu-backports") as cache:
        target = cache / f"qemu-{suite}"
        if not target.is_dir():
            archive = Archive(suite)
            archive.update()
            unfinished = cache / f"qemu-{suite}.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for package in _PACKAGES:
                archive.unpack(package, unfinished / package)
            unfinished.rename(target)
    return _asked(str(target / "qemu-system-x86/usr/bin" / PROGRAM), tuple(target / each for each in _DATA))


def _asked(program: str, data: tuple[Path, ...] = ()) -> Emulator:
    """What a QEMU says of itself; a library that it misses is a LabError."""
    found = re.search(r"version (\d+\.\d+(?:\.\d+)?)", run_tool(program, "--version"))
    if found is None:
        raise LabError(f"{program} does not say its version")
    return Emulator(program, found[1], data)

"""The environment of a command in a guest."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from enforcer.lab.machine import EMULATOR_VARIABLE, Machine

GUEST_VARIABLE: Final = "QOS_LAB_GUEST"
"""Set inside a guest to the lane's name: how a test knows that it may write cgroups."""
_KEPT_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV")


def environment(env: Mapping[str, str], lane: str, machine: Machine, *, with_disk: bool) -> dict[str, str]:
    """PATH and language of this process, what the lab says of itself, and ``env`` over both."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # The programs beside this Python come first: `qos` inside is the one that started the guest.
    kept["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    inside = {"TMPDIR": "/run/tmp", "HOME": "/run/home", "PYTHONDONTWRITEBYTECODE": "1", GUEST_VARIABLE: lane}
    if with_disk:
        inside["QOS_LAB_DISK"] = machine.disk
    if machine.emulator:
        inside[EMULATOR_VARIABLE] = machine.emulator
    return kept | inside | dict(env)

"""Lane 3: User Mode Linux built from Debian's kernel source with ``uml.config``, kept by version and config.

Five to eight minutes once (``make lab-kernel``); boots in a third of a second and has PSI, cpuset,
io.weight and a newer scheduler.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from enforcer.lab.errors import LabError
from enforcer.lab.kernel import GuestKernel
from enforcer.lab.packages import cache_folder

CONFIG: Final = Path(__file__).with_name("uml.config")
SOURCE_SUITE: Final = "trixie-backports"
SOURCE_PACKAGE: Final = "linux-source-7.3"


def built_folder() -> Path:
    """Where the kernel of this version and config lies, or will."""
    config = hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:12]
    return cache_folder() / f"{SOURCE_PACKAGE}-{config}"


def built_kernel() -> GuestKernel:
    """The kernel of :func:`build`.

    Raises:
        LabError: it was not built yet.
    """
    image = built_folder() / "linux"
    if not image.exists():
        raise LabError("the kernel of lane 3 is not built yet: make lab-kernel (5 to 8 minutes, once)")
    return GuestKernel(image, None)

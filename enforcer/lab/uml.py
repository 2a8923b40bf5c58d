"""Lane 1 and 3: User Mode Linux, the kernel as a program; no virtual machine and no root needed.

One CPU and a clock of 10 ms: readings move in 10-ms steps. Source: docs of Debian's user-mode-linux,
Documentation/virt/uml/user_mode_linux_howto_v2.rst.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from enforcer.lab.build import built_kernel
from enforcer.lab.kernel import GuestKernel, uml_kernel
from enforcer.lab.machine import Machine, Wish

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - UML's own choice for its memory file


def uml(wish: Wish) -> Machine:
    """Lane 1: Debian's package (bookworm: 6.1, CFS).

    Raises:
        LabError: the package cannot be had on this machine.
    """
    return _machine(wish, uml_kernel())


def built(wish: Wish) -> Machine:
    """Lane 3: the kernel of ``make lab-kernel``, with PSI, cpuset and io.weight.

    Raises:
        LabError: it was not built yet.
    """
    return _machine(wish, built_kernel())


def _machine(wish: Wish, kernel: GuestKernel) -> Machine:
    words = [
        str(kernel.image),
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "rw",
        f"mem={wish.memory_mib}M",
        "con=null",
        "con0=null,fd:1",
        "quiet",
        "panic=-1",
        f"uml_dir={wish.folder}",
    ]
    if wish.cpus > 1:
        words += [f"ncpus={wish.cpus}", "seccomp=on"]
    if wish.disk is not None:
        words.append(f"ubd0={wish.disk}")
    return Machine(
        argv=(*words, *wish.init.split()),
        disk="/dev/ubda",
        modules_root=kernel.modules,
        env={"TMPDIR": str(_memory_folder(wish))},
    )


def _memory_folder(wish: Wish) -> Path:
    """Where the file that is the guest's memory fits: /dev/shm may have 64 MB in a container."""
    needed = wish.memory_mib << 20
    if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > needed:
        return _SHARED_MEMORY
    return wish.folder

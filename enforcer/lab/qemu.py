"""Lane 2: QEMU with Debian's 6.12 cloud kernel (EEVDF), all controllers, PSI, two CPUs.

The root file system is the host's, served by virtiofsd, so there is no image and no initramfs.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from enforcer.lab.emulator import Emulator, emulator
from enforcer.lab.errors import LabError
from enforcer.lab.kernel import cloud_kernel
from enforcer.lab.machine import Machine, Wish
from enforcer.lab.packages import cache_lock, install

_C_VIRTIOFSD: Final = Path("/usr/lib/qemu/virtiofsd")  # of QEMU before 8
_RUST_VIRTIOFSD: Final = Path("/usr/libexec/virtiofsd")


def qemu(wish: Wish) -> Machine:
    """A virtual machine, by KVM where the CPU has it, emulated else.

    Raises:
        LabError: QEMU or the kernel cannot be had on this machine.
    """
    chosen = emulator()
    kernel = cloud_kernel()
    socket = wish.folder / "virtiofs"
    console = wish.folder / "console"
    argv = [
        chosen.program,
        *(word for folder in chosen.data for word in ("-L", str(folder))),
        *("-M", "q35,memory-backend=mem"),
        *_cpu_words(chosen),
        *("-smp", str(wish.cpus), "-m", str(wish.memory_mib)),
        *("-object", f"memory-backend-memfd,id=mem,size={wish.memory_mib}M,share=on"),
        *("-chardev", f"socket,id=root,path={socket}"),
        *("-device", "vhost-user-fs-pci,chardev=root,tag=root,queue-size=1024"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-serial", f"file:{console}"),
        *("-kernel", str(kernel.image)),
    ]
    if wish.disk is not None:
        argv += ["-drive", f"file={wish.disk},if=none,id=disk,format=raw"]
        argv += ["-device", "virtio-blk-pci,drive=disk"]
    line = (
        # The kernel without cx16: emulated CMPXCHG16B crashed 40 % of boots under QEMU 7.2. Programs see the
        # flag: numpy refuses a CPU without it.
        "console=ttyS0 panic=-1 quiet nokaslr mitigations=off clearcpuid=cx16 psi=1 "
        f"rootfstype=virtiofs root=root rw {wish.init}"
    )
    return Machine(
        argv=(*argv, "-append", line),
        disk="/dev/vda",
        console=console,
        emulator=str(chosen),
        modules=("virtio_blk",) if wish.disk is not None else (),
        modules_root=kernel.modules,
        helper=(_file_server(socket), socket),
    )


def kvm_is_usable() -> bool:
    """Whether KVM runs an ordinary kernel: /dev/kvm may open on a CPU without vmx and svm."""
    flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return flags is not None and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _cpu_words(chosen: Emulator) -> tuple[str, ...]:
    if kvm_is_usable():
        return ("-accel", "kvm", "-cpu", "host")
    return ("-accel", f"tcg,thread={'multi' if chosen.is_sound else 'single'}", "-cpu", "Nehalem")


def _file_server(socket: Path) -> tuple[str, ...]:
    if os.geteuid() != 0:
        raise LabError("QEMU guests need root: their file server gives out the host's files as root")
    with cache_lock("virtiofsd"):
        if not (_C_VIRTIOFSD.exists() or _RUST_VIRTIOFSD.exists()):
            install("virtiofsd")
    if _RUST_VIRTIOFSD.exists():
        options = ("--shared-dir=/", "--cache=auto", "--sandbox=chroot")
        return (str(_RUST_VIRTIOFSD), f"--socket-path={socket}", *options)
    c_options = ("-o", "source=/", "-o", "cache=auto", "-o", "sandbox=chroot")
    return (str(_C_VIRTIOFSD), f"--socket-path={socket}", *c_options)

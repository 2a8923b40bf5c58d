"""Kernels and their modules from the cache, fetched once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from enforcer.lab.errors import LabError
from enforcer.lab.packages import Archive, cache_lock, codename
from enforcer.lab.vmlinux import unpack_vmlinux


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel to boot and the folder of its modules (None: everything is built in)."""

    image: Path
    modules: Path | None


def uml_kernel() -> GuestKernel:
    """User Mode Linux of the machine's Debian release (bookworm: 6.1, CFS); no root needed.

    Raises:
        LabError: not Debian on x86-64, or the package cannot be fetched.
    """
    with cache_lock("uml") as cache:
        target = cache / f"uml-{codename()}"
        if not target.is_dir():
            archive = Archive(codename())
            archive.update()
            archive.unpack("user-mode-linux", target)
        (image,) = target.glob("usr/bin/linux.uml")
        return GuestKernel(image, target / "usr/lib/uml/modules")


def cloud_kernel() -> GuestKernel:
    """Debian's 6.12 cloud kernel (EEVDF) as an uncompressed vmlinux, which boots 2 s sooner.

    Raises:
        LabError: not Debian on x86-64, or the package cannot be fetched.
    """
    with cache_lock("cloud") as cache:
        release = codename()
        suite = "bookworm-backports" if release == "bookworm" else release
        target = cache / f"cloud-{suite}"
        if not target.is_dir():
            archive = Archive(suite)
            archive.update()
            names = [
                name for name in archive.depends("linux-image-cloud-amd64") if name.startswith("linux-image-")
            ]
            if not names:
                raise LabError(f"linux-image-cloud-amd64 of {suite} names no kernel package")
            archive.unpack(names[0], target)
        image = target / "vmlinux"
        if not image.exists():
            (packed,) = target.glob("boot/vmlinuz-*")
            unfinished = target / "vmlinux.new"
            unfinished.write_bytes(unpack_vmlinux(packed.read_bytes()))
            unfinished.rename(image)
        return GuestKernel(image, target / "lib/modules")

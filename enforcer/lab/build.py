"""Lane 3: User Mode Linux built from Debian's kernel source with ``uml.config``.

Five to eight minutes once (``make lab-kernel``), kept by version and config; boots in a third of a
second and has PSI, cpuset, io.weight and a newer scheduler. ``python -m enforcer.lab.build`` builds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from enforcer.lab.errors import LabError
from enforcer.lab.kernel import GuestKernel
from enforcer.lab.packages import Archive, cache_folder, cache_lock, install, run_tool

CONFIG: Final = Path(__file__).with_name("uml.config")
SOURCE_SUITE: Final = "trixie-backports"
SOURCE_PACKAGE: Final = "linux-source-7.3"
TICKS_PER_SECOND: Final = 1000
"""CONFIG_HZ. User Mode Linux fixes it at 100, and its scheduler's clock moves with the tick: 10 ms, coarser
than what quotas and waits are made of. It is a default without a prompt: the Kconfig file is changed."""
_TICK_OF_UML: Final = "config HZ\n\tint\n\tdefault 100\n"
_TOOLS: Final = {
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "tar": "tar",
}


def built_kernel() -> GuestKernel:
    """The kernel of :func:`build`.

    Raises:
        LabError: it was not built yet.
    """
    image = built_image()
    if not image.exists():
        raise LabError("the kernel of this lane is not built yet: make lab-kernel (5 to 8 minutes, once)")
    return GuestKernel(image, None)


def is_built() -> bool:
    """Whether :func:`built_kernel` has one."""
    return built_image().exists()


def build() -> Path:
    """Build the kernel unless it is there; where it lies.

    Raises:
        LabError: tools are missing and this is not root, or the source cannot be fetched or built.
    """
    with cache_lock("built") as cache:
        image = built_image()
        if not image.exists():
            _get_tools()
            with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as folder:
                unfinished = _compile(_source(Path(folder)))
                run_tool("strip", str(unfinished))
                image.parent.mkdir(exist_ok=True)
                shutil.move(unfinished, image.with_suffix(".new"))
            image.with_suffix(".new").rename(image)
        return image


def built_image() -> Path:
    """Where the kernel of today's config is, or would be."""
    config = hashlib.sha256(CONFIG.read_bytes() + str(TICKS_PER_SECOND).encode()).hexdigest()[:12]
    return cache_folder() / f"{SOURCE_PACKAGE}-{config}" / "linux"


def _get_tools() -> None:
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing and os.geteuid() != 0:
        raise LabError(f"missing to build a kernel; as root: apt-get install {' '.join(missing)}")
    for package in missing:
        install(package)


def _source(folder: Path) -> Path:
    archive = Archive(SOURCE_SUITE)
    archive.update()
    package = folder / "package"
    archive.unpack(SOURCE_PACKAGE, package)
    (packed,) = package.glob(f"usr/src/{SOURCE_PACKAGE}.tar.*")
    run_tool("tar", "-xf", str(packed), "-C", str(folder))
    shutil.rmtree(package)
    return folder / SOURCE_PACKAGE


def _compile(source: Path) -> Path:
    def make(*words: str) -> None:
        run_tool("make", "ARCH=um", *words, cwd=source)

    kconfig = source / "arch" / "um" / "Kconfig"
    text = kconfig.read_text()
    if _TICK_OF_UML not in text:
        raise LabError(f"{SOURCE_PACKAGE}: arch/um/Kconfig does not set HZ where it is expected")
    kconfig.write_text(text.replace(_TICK_OF_UML, _TICK_OF_UML.replace("100", str(TICKS_PER_SECOND))))
    make("defconfig")
    run_tool("sh", "scripts/kconfig/merge_config.sh", "-m", ".config", str(CONFIG), cwd=source)
    make("olddefconfig")
    make(f"-j{os.cpu_count() or 1}", "linux")
    return source / "linux"


def main() -> int:
    """Build and say where; 2 with one line where it cannot be done."""
    try:
        print(build())
    except LabError as error:
        print(f"lab-kernel: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A disk of this machine set up for loads: a file system to use up, and io.cost with a known model.

Source: cgroup-v2.rst, "IO Interface Files" (io.cost.qos, io.cost.model); block/blk-iocost.c.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enforcer.cgroupfs import CgroupFS
from qos.errors import HostError
from qos.model.node import Disk


def device_of(path: Path) -> str:
    """A block device as cgroup files name it: ``MAJOR:MINOR``.

    Raises:
        HostError: no such device.
    """
    try:
        number = path.stat().st_rdev
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error
    return f"{os.major(number)}:{os.minor(number)}"


@contextmanager
def file_system(device: Path, folder: Path) -> Iterator[Path]:
    """A new ext4 on a device whose content is lost, mounted at ``folder`` meanwhile.

    Raises:
        HostError: no mkfs.ext4 or mount here, or one of them failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # no lazy tables: the kernel would write them while something is measured
    _call("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(device))
    _call("mount", "-o", "noatime", str(device), str(folder))
    try:
        yield folder
    finally:
        _call("umount", str(folder))


def cost_model(disk: Disk) -> str:
    """A disk's figures as io.cost.model takes them, without the device.

    >>> cost_model(Disk(read_bytes_per_second=1000, read_iops=10, write_bytes_per_second=500, write_iops=5))
    'ctrl=user model=linear rbps=1000 rseqiops=10 rrandiops=10 wbps=500 wseqiops=5 wrandiops=5'
    """
    read, write = disk.read_iops, disk.write_iops
    return (
        f"ctrl=user model=linear rbps={disk.read_bytes_per_second} rseqiops={read} rrandiops={read} "
        f"wbps={disk.write_bytes_per_second} wseqiops={write} wrandiops={write}"
    )


@contextmanager
def io_cost(fs: CgroupFS, device: str, disk: Disk) -> Iterator[None]:
    """io.cost on for a device, with exactly this disk's figures as what it can do; off again afterwards.

    Raises:
        CgroupError: this kernel has no io.cost, or this is not the root of the tree.
    """
    fs.write("", "io.cost.model", f"{device} {cost_model(disk)}")
    fs.write("", "io.cost.qos", f"{device} enable=1 ctrl=user rpct=0 wpct=0 min=100.00 max=100.00")
    try:
        yield
    finally:
        fs.write("", "io.cost.qos", f"{device} enable=0")


def _call(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    except OSError as error:
        raise HostError(f"{words[0]}: {error.strerror}; it comes with e2fsprogs or mount") from error
    if done.returncode != 0:
        raise HostError(f"{' '.join(words)}: {done.stderr.strip()}")

"""The system calls PID 1 needs and Python lacks: mount, init_module, reboot, and the loopback device."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

MS_RDONLY: Final = 0x1
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
_SYS_INIT_MODULE: Final = 175  # x86-64, as all guests of the lab
_RB_POWER_OFF: Final = 0x4321FEDC
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_RUNNING: Final = 0x41

_libc = ctypes.CDLL(None, use_errno=True)


def _fail(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """Mount a file system, as mount of section 2 does.

    Raises:
        OSError: as the call.
    """
    kind_bytes = kind.encode() if kind else None
    if _libc.mount(source.encode(), target.encode(), kind_bytes, flags, options.encode()) != 0:
        raise _fail(f"mount {source} on {target}")


def load_module(path: Path) -> None:
    """init_module(2) of an uncompressed kernel module; one that is loaded already is fine.

    Raises:
        OSError: as the call.
    """
    image = path.read_bytes()
    if _libc.syscall(_SYS_INIT_MODULE, image, len(image), b"") != 0 and ctypes.get_errno() != errno.EEXIST:
        raise _fail(f"load module {path.name}")


def loopback_up() -> None:
    """Bring the loopback device up, so that programs can talk over 127.0.0.1.

    Raises:
        OSError: the kernel has no network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))


def power_off() -> None:
    """Write everything out and end the guest."""
    os.sync()
    _libc.reboot(_RB_POWER_OFF)

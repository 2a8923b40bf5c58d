"""Packed kernel files: the ELF kernel inside a bzImage, and compressed modules."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from enforcer.lab.errors import LabError

_SETUP_SECTORS: Final = 0x1F1  # of the x86 boot protocol's header, as the two below
_PAYLOAD_OFFSET: Final = 0x248
_PAYLOAD_LENGTH: Final = 0x24C
_UNPACKERS: Final = {
    b"\xfd7zX": ("xz", "-dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "-dc"),
    b"\x02\x21\x4c\x18": ("lz4", "-dc"),
    b"\x1f\x8b\x08\x00": ("gzip", "-dc"),
}


def unpack_vmlinux(packed: bytes) -> bytes:
    """The ELF kernel inside an x86 bzImage.

    Source: Documentation/arch/x86/boot.rst, payload_offset and payload_length.

    Raises:
        LabError: packed by a method unknown here, or not a kernel.
    """

    def word(at: int) -> int:
        return int.from_bytes(packed[at : at + 4], "little")

    start = ((packed[_SETUP_SECTORS] or 4) + 1) * 512 + word(_PAYLOAD_OFFSET)
    payload = packed[start : start + word(_PAYLOAD_LENGTH)]
    unpacker = _UNPACKERS.get(payload[:4])
    if unpacker is None:
        raise LabError(f"the kernel is packed by an unknown method ({payload[:4].hex()})")
    image = unpack(unpacker, payload[:-4])  # the last four bytes are the unpacked size
    if image[:4] != b"\x7fELF":
        raise LabError("no ELF kernel in the package's image")
    return image


def unpack(tool: tuple[str, ...], packed: bytes) -> bytes:
    """What an unpacking program makes of some bytes.

    Raises:
        LabError: the program is not installed.
    """
    path = shutil.which(tool[0])
    if path is None:
        raise LabError(f"{tool[0]} is not installed on this machine")
    done = subprocess.run([path, *tool[1:]], input=packed, capture_output=True, check=False)
    return done.stdout

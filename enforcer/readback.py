"""What the kernel prints after a write: rounding, spelling and the lines of keyed files.

A value is applied when the file reads back as :func:`printed` says. The kernel rounds memory down to
pages and huge pages, spells percentages with two decimals, sorts CPU lists, and of keyed files prints
only the devices that are not at their default.

Source: mm/page_counter.c (``page_counter_memparse``), mm/hugetlb_cgroup.c, kernel/sched/core.c
(``cpu_uclamp_print``), block/blk-throttle.c (``tg_prfill_limit``) of Linux 6.12.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from qos.model.cgroup import Knob, format_cpu_list, knobs, parse_cpu_list

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_UNBOUNDED_BYTES: Final = 1 << 62  # what the kubelet writes for "no limit" on huge pages of a QoS level
_COUNTER_MAX_BYTES: Final = 2**63 - 1
_HUGE_UNITS: Final = MappingProxyType({"KB": 1024, "MB": 1024**2, "GB": 1024**3})
_KEYED_RESET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "io.max": "rbps=max wbps=max riops=max wiops=max",
        "io.latency": "target=0",
        "io.weight": "default",
        "io.cost.qos": "enable=0",
        "io.cost.model": "ctrl=auto",
    }
)
"""What puts one device of a keyed file back to its default: it then disappears from the file."""


@cache
def knob_of(file: str) -> Knob | None:
    """The knob whose file this is, None for a file that no plan can set."""
    return next((knob for knob in knobs().values() if knob.file == file), None)


def default_text(file: str) -> str | None:
    """What the file reads in a cgroup that was just made; None for a file that no plan can set.

    >>> default_text("cpu.weight")
    '100'
    """
    knob = knob_of(file)
    return knob.default if knob else None


def is_vacuous(file: str, text: str) -> bool:
    """Whether a kernel that lacks the file limits as wanted all the same: there is nothing to limit.

    >>> is_vacuous("hugetlb.1GB.max", "0"), is_vacuous("memory.max", "max")
    (True, False)
    """
    if file.startswith("hugetlb."):
        return text in ("0", "max") or int(text) >= _UNBOUNDED_BYTES
    return file.startswith(("memory.swap.", "memory.zswap.")) and text == "max"


def is_keyed(file: str) -> bool:
    """Whether the file has a line a device."""
    return file in _KEYED_RESET


def printed(file: str, text: str, page_bytes: int = PAGE_BYTES) -> str:
    """A value as the kernel prints it once written; keyed files are left as they are.

    >>> printed("memory.max", "4095", 4096), printed("cpu.uclamp.min", "10"), printed("cpuset.cpus", "3,1-2")
    ('0', '10.00', '1-3')

    Args:
        file: the file's name.
        text: what is written, or was read.
        page_bytes: the machine's page size in bytes.

    Raises:
        ValueError: not a value of this file.
    """
    text = text.strip()
    if file.startswith("memory.") and file not in ("memory.oom.group", "memory.zswap.writeback"):
        return _rounded(text, page_bytes)
    if file.startswith("hugetlb."):
        size = file.split(".")[1]
        return _rounded(text, int(size[:-2]) * _HUGE_UNITS[size[-2:]])
    if file.startswith("cpu.uclamp.") and text != "max":
        return "max" if float(text) == 100 else f"{float(text):.2f}"
    if file in ("cpuset.cpus", "cpuset.mems", "cpuset.cpus.exclusive"):
        return format_cpu_list(parse_cpu_list(text))
    if file == "io.bfq.weight" and text.isdecimal():
        return f"default {text}"
    return text


def _rounded(text: str, unit_bytes: int) -> str:
    if text == "max":
        return text
    units = int(text) // unit_bytes
    return "max" if units >= _COUNTER_MAX_BYTES // unit_bytes else str(units * unit_bytes)


def keyed_lines(text: str) -> dict[str, str]:
    r"""Key → rest of the line.

    >>> keyed_lines("8:0 rbps=max wbps=1\ndefault 100\n")
    {'8:0': 'rbps=max wbps=1', 'default': '100'}
    """
    pairs = (line.strip().partition(" ") for line in text.splitlines() if line.strip())
    return {key: rest.strip() for key, _, rest in pairs}


def agrees(file: str, wanted: str, live: str | None) -> bool:
    """Whether the file holds what was wanted; devices of a keyed file that are not wanted do not matter.

    >>> agrees("io.max", "8:0 wbps=1048576", "8:0 rbps=max wbps=1048576 riops=max wiops=max")
    True
    >>> agrees("memory.max", "max", "1048576")
    False
    """
    if live is None:
        return False
    if live.rstrip("\n") == wanted:
        return True
    if not is_keyed(file):
        return printed(file, wanted) == printed(file, live)
    have = keyed_lines(live)
    return all(_line_agrees(file, rest, have.get(key)) for key, rest in keyed_lines(wanted).items())


def _line_agrees(file: str, wanted: str, have: str | None) -> bool:
    reset = _KEYED_RESET[file]
    if have is None:
        have = reset
    if file == "io.weight":
        return wanted == have
    fields = dict(word.partition("=")[::2] for word in have.split())
    defaults = dict(word.partition("=")[::2] for word in reset.split())
    return all(
        fields.get(sub, defaults.get(sub)) == value
        for sub, value in (word.partition("=")[::2] for word in wanted.split())
    )


def keeping(file: str, wanted: str, written: str | None, before: str | None) -> str:
    r"""The wanted text, completed so that devices once written and no longer wanted go back to before.

    >>> keeping("io.max", "8:0 rbps=1", "8:0 rbps=1\n8:16 rbps=2", "")
    '8:0 rbps=1\n8:16 rbps=max wbps=max riops=max wiops=max'
    """
    if written is None or not is_keyed(file):
        return wanted
    lines, old = keyed_lines(wanted), keyed_lines(before or "")
    for key in keyed_lines(written):
        lines.setdefault(key, old.get(key, _KEYED_RESET[file]))
    return "\n".join(f"{key} {rest}" for key, rest in lines.items())


def restoring(file: str, before: str, live: str) -> str:
    """What to write so that the file reads ``before`` again: for keyed files a line a device.

    >>> restoring("io.max", "", "8:0 rbps=1 wbps=max riops=max wiops=max")
    '8:0 rbps=max wbps=max riops=max wiops=max'
    """
    before = before.strip("\n")
    if file == "io.bfq.weight":
        return before.removeprefix("default ")
    if file == "cpuset.cpus.partition":
        return before.split(" ")[0]  # "root invalid (reason)": the reason is the kernel's
    if not is_keyed(file):
        return before
    old, have = keyed_lines(before), keyed_lines(live)
    lines = {key: old.get(key, _KEYED_RESET[file]) for key in [*have, *old]}
    return "\n".join(f"{key} {rest}" for key, rest in lines.items() if have.get(key) != rest)

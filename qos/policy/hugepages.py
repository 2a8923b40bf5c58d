"""Huge pages: sizes of resource names, and the names of their cgroup files.

Source: pkg/apis/core/v1/helper (HugePageSizeFromResourceName, HugePageUnitSizeFromByteSize).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from qos.model.pod import HUGEPAGES_PREFIX
from qos.model.quantity import Quantity

_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")


@cache
def page_bytes(resource: str) -> int | None:
    """The page size of a resource name; None where it is no huge page or its size cannot be read.

    >>> page_bytes("hugepages-2Mi"), page_bytes("cpu")
    (2097152, None)
    """
    if not resource.startswith(HUGEPAGES_PREFIX):
        return None
    try:
        return Quantity.parse(resource.removeprefix(HUGEPAGES_PREFIX)).value()
    except ValueError:
        return None


@cache
def unit_size(size_bytes: int) -> str:
    """A page size as the hugetlb controller spells it.

    >>> unit_size(2097152), unit_size(1 << 30)
    ('2MB', '1GB')
    """
    unit = 0
    while size_bytes % 1024 == 0 and unit < len(_UNITS) - 1:
        size_bytes //= 1024
        unit += 1
    return f"{size_bytes}{_UNITS[unit]}"


def hugepage_limits(resources: Mapping[str, Quantity]) -> dict[int, int]:
    """Page size → bytes, summed where two spellings name one size.

    >>> hugepage_limits({"hugepages-2Mi": Quantity.parse("4Mi")})
    {2097152: 4194304}
    """
    limits: dict[int, int] = {}
    for name, quantity in resources.items():
        size = page_bytes(name)
        if size is not None:
            limits[size] = limits.get(size, 0) + quantity.value()
    return limits


@cache
def knobs_of_size(size_bytes: int) -> tuple[str, str]:
    """The two knobs of a page size: in use, and reserved.

    >>> knobs_of_size(2097152)
    ('hugetlb_2MB_max', 'hugetlb_2MB_rsvd_max')
    """
    unit = unit_size(size_bytes)
    return f"hugetlb_{unit}_max", f"hugetlb_{unit}_rsvd_max"

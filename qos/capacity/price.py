"""What an hour of a CPU, of a GiB or of a whole node costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HOURS_A_MONTH: Final = 730.0
GIB: Final = float(1 << 30)


@dataclass(frozen=True, slots=True)
class Price:
    """Prices an hour, in any currency; 0 where not given."""

    cpu_hour: float = 0.0
    gib_hour: float = 0.0

    def a_month(self, cpus: float, count: float) -> float:
        """The cost of 730 hours of so many CPUs and bytes.

        >>> round(Price(0.03, 0.004).a_month(2, 8 * GIB), 2)
        67.16
        """
        return HOURS_A_MONTH * (cpus * self.cpu_hour + count / GIB * self.gib_hour)

    @property
    def known(self) -> bool:
        """Whether anything costs anything."""
        return self.cpu_hour > 0 or self.gib_hour > 0


def parse_price(text: str) -> Price:
    """``cpu=0.03,memory=0.004``; "" is free.

    Raises:
        ValueError: another resource, twice the same, or no number of 0 or more.
    """
    values: dict[str, float] = {}
    for part in text.split(",") if text else []:
        name, _, number = part.strip().partition("=")
        if name not in {"cpu", "memory"} or name in values:
            msg = "is no price"
            raise ValueError(msg)
        try:
            values[name] = float(number)
        except ValueError:
            msg = "has no such price"
            raise ValueError(msg) from None
        if not 0 <= values[name] < math.inf:
            msg = "is a price below 0 or without end"
            raise ValueError(msg)
    return Price(values.get("cpu", 0.0), values.get("memory", 0.0))

"""Progressive filling: what each of several streams gets where limits bind some of them together.

All streams grow from nothing, each at its speed; one that has what it wants, or meets a limit that is used
up, stops there, and the others go on. With speeds by weight this is weighted max-min sharing, level by
level where the speeds come from a tree, and nothing is left over that anybody could still use.

Source: Bertsekas and Gallager, Data Networks, 6.5.2 (max-min flow control).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Speeds = Callable[[NDArray[np.bool_]], Floats]

_ROUNDING: Final = 1e-9


def fill(wanted: Floats, uses: Floats, limits: Floats, speeds: Speeds) -> Floats:
    """Rates (n,) of streams, none above what it wants, no limit exceeded.

    Two streams that want 8 and 100 of a limit of 20, at equal speeds: 8 and 12.

    Args:
        wanted: (n,) the most that each can use, inf where it would take anything.
        uses: (m, n) how much of a limit a unit of a stream uses.
        limits: (m,) the limits.
        speeds: given the streams that still grow (n,), how fast each grows, relative to each other.

    Returns:
        (n,) rates; inf where a stream wants anything and no limit is in its way.
    """
    rates = np.zeros(len(wanted))
    growing = wanted > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        while growing.any():
            speed = np.where(growing, speeds(growing), 0.0)
            left = np.maximum(limits - uses @ rates, 0.0)
            until_limit = np.where(uses @ speed > 0.0, left / (uses @ speed), np.inf)
            until_wanted = np.where(growing, (wanted - rates) / speed, np.inf)
            step = min(until_limit.min(initial=np.inf), until_wanted.min())
            if step == np.inf:
                rates[growing] = np.inf
                break
            rates += speed * step
            reached = growing & (until_wanted <= step * (1.0 + _ROUNDING))
            rates[reached] = wanted[reached]
            used_up = until_limit <= step * (1.0 + _ROUNDING)
            growing &= ~reached & ~(uses[used_up] > 0.0).any(axis=0)
    return rates

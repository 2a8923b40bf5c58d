"""The pace of a load that moves bytes: how much is due when. Standard library only."""

from __future__ import annotations

import os
import time
from typing import Final

from enforcer.load_cpu import RECORD

_LATE_SECONDS: Final = 1.0


class Pace:
    """A steady rate: how much is due now, and waiting until something is.

    Args:
        per_second: units a second; None: as fast as it goes.
        start: on the monotonic clock.
        stop: no more is due after this; None: for ever.
        total: units after which no more is due; None: for ever.
    """

    def __init__(
        self,
        per_second: float | None,
        start: float,
        stop: float | None = None,
        total: float | None = None,
    ) -> None:
        self._rate = per_second
        self._total = total
        self._moved = 0.0
        self._start = start
        self._stop = stop
        self._done = 0.0

    def wait(self, unit: float) -> bool:
        """Wait until ``unit`` more is due, count it as done; False when the stop or the total was reached.

        What could not be done in time is made up for a second long, then forgotten: a rate is wanted, not
        a total.
        """
        if self._total is not None and self._moved >= self._total:
            return False
        self._moved += unit
        now = time.monotonic()
        if self._stop is not None and now >= self._stop:
            return False
        if self._rate is None:
            return True
        due = self._start + (self._done + unit) / self._rate
        if due > now:
            time.sleep(due - now)
        elif now - due > _LATE_SECONDS:
            self._done = (now - _LATE_SECONDS - self._start) * self._rate
        self._done += unit
        return True


def tell_done(results: int, start: float, began: float) -> None:
    """Write down that a finite transfer is done now.

    Args:
        results: descriptor that gets a :data:`enforcer.load_cpu.RECORD`.
        start: of the load, on the monotonic clock.
        began: when the transfer began, in seconds after it.
    """
    os.write(results, RECORD.pack(began, time.monotonic() - start - began))

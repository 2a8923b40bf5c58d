"""Random demand that changes in steps: numbers that depend on who draws and on the step, and on nothing else.

A draw is a hash of the drawer's key and the step (counter-based), so that any step of any leaf can be drawn
without those before it, by either kernel, in any order, on any number of threads, with one result.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qos.model.cgroup import CgroupName
from qos.simulate.jit import compiled, inner

_WORD: Final = (1 << 64) - 1
BEFORE: Final = np.uint32(0xFFFFFFFF)
"""The step that says whether a leaf is on before its first step."""
_GOLDEN: Final = np.uint32(0x9E3779B9)
_A1, _A2 = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_B1, _B2 = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
_S15, _S16 = np.uint32(15), np.uint32(16)
UNIT: Final = 1.0 / 4294967296.0


def key_of(seed: int, cgroup: CgroupName, starts: int) -> int:
    """The 64-bit key of a leaf's draws: of the last two components of its name, as ``demand.seed_of``.

    FNV-1a of the name, mixed with the seed and the number of the start (splitmix64's finish).
    """
    digest = 0xCBF29CE484222325
    for byte in "/".join(cgroup.split("/")[-2:]).encode():
        digest = ((digest ^ byte) * 0x100000001B3) & _WORD
    return _mix(_mix(digest ^ _mix(seed)) + starts)


def _mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)


def threshold(probability: float) -> int:
    """A probability as the number that a 32-bit draw must stay under."""
    return min(int(probability * 4294967296.0), 0xFFFFFFFF)


@inner
def draw(step: Any, key0: Any, key1: Any) -> Any:
    """32 random bits: those that decide on and off."""
    x = np.uint32(np.uint32(step * _GOLDEN) + key0)
    x = np.uint32(np.uint32(x ^ (x >> _S16)) * _A1) ^ key1
    x = np.uint32(np.uint32(x ^ (x >> _S15)) * _A2)
    return np.uint32(x ^ (x >> _S16))


@inner
def again(bits: Any) -> Any:
    """32 more bits from a draw: those that say how much."""
    x = np.uint32(bits + _GOLDEN)
    x = np.uint32(np.uint32(x ^ (x >> _S16)) * _B1)
    x = np.uint32(np.uint32(x ^ (x >> _S15)) * _B2)
    return np.uint32(x ^ (x >> _S15))


@compiled
def draw_levels(
    key0: Any, key1: Any, stay: Any, go: Any, low: float, span: float, first: int, on: int, levels: Any
) -> int:
    """Write the levels of the steps from ``first`` on; returns whether it is on after them."""
    for nth in range(len(levels)):
        bits = draw(np.uint32(first + nth), key0, key1)
        on = 1 if bits < (stay if on else go) else 0
        levels[nth] = low + span * np.float64(again(bits)) if on else 0.0
    return on


@compiled
def starts_on(key0: Any, key1: Any, part: Any) -> int:
    """Whether a leaf is on before its first step: with the part of time that it is on."""
    return 1 if draw(BEFORE, key0, key1) < part else 0


def halves(key: int) -> NDArray[np.uint32]:
    """The two 32-bit words of a key."""
    return np.array([key & 0xFFFFFFFF, key >> 32], dtype=np.uint32)

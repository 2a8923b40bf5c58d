"""A disk shared: io.max as the block layer throttles, io.weight as io.cost shares a device's time.

Source: block/blk-throttle.c (tg_within_bps_limit, tg_within_iops_limit) and block/blk-iocost.c
(calc_lcoefs, calc_vtime_cost_builtin, hweight) of Linux 6.12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from qos.model.cgroup import ROOT, CgroupName, CgroupSpec, ancestors
from qos.model.node import Disk
from qos.model.plan import Plan
from qos.simulate.fill import Floats, fill
from qos.simulate.stream import Stream

_PAGE: Final = 4096.0
_ROUNDING: Final = 1e-9
_DEFAULT_WEIGHT: Final = 100.0
_LIMITS: Final = (("rbps", "read"), ("wbps", "write"), ("riops", "read"), ("wiops", "write"))


def cost_seconds(disk: Disk, block: float, *, write: bool) -> float:
    """Device time of one operation of ``block`` bytes, by io.cost's linear model.

    128 KiB read at 500 MB/s and 100,000 operations a second: 0.262 ms for its bytes and 0.002 ms for the
    operation beyond its first page, 0.264 ms.
    """
    bps = disk.write_bytes_per_second if write else disk.read_bytes_per_second
    iops = disk.write_iops if write else disk.read_iops
    return max(block, _PAGE) / bps + max(1.0 / iops - _PAGE / bps, 0.0)


def share_disk(disk: Disk, plan: Plan, streams: Sequence[Stream], now: float) -> None:
    """Set the rate of every stream of a disk, and the part of the time it waits for the device.

    A stream that gets less than it could use waits all the time, another one the disk's latency for each
    operation. io.max alone divides evenly by operations, as throttled requests take turns. Where the device
    itself is the bottleneck, its time goes by io.weight if io.cost is on, else by turns.
    """
    wanted = np.array([stream.can_use(now) for stream in streams])
    block = np.array([stream.block for stream in streams])
    cost = np.array([cost_seconds(disk, each.block, write=each.direction == "write") for each in streams])
    cost /= block
    uses, limits = _throttles(disk.device, plan, streams, block)
    device, whole = cost[None, :], np.ones(1)
    both, both_limits = np.concatenate([uses, device]), np.concatenate([limits, whole])
    rates = fill(wanted, both, both_limits, lambda _: block)
    if disk.io_cost and rates @ cost > 1.0 - _ROUNDING:
        tree = _Tree(disk.device, plan, [stream.cgroup for stream in streams])
        rates = fill(wanted, both, both_limits, lambda growing: tree.shares(growing, cost * block) * block)
    for stream, rate, want in zip(streams, rates.tolist(), wanted, strict=True):
        stream.rate = rate
        held = rate < want * (1.0 - _ROUNDING)
        stream.waits = 1.0 if held else min(rate / stream.block * disk.latency, 1.0)


def _throttles(device: str, plan: Plan, streams: Sequence[Stream], block: Floats) -> tuple[Floats, Floats]:
    """The io.max values above the streams as limits: what a byte of each stream uses (m, n), and (m,)."""
    uses: list[Floats] = []
    limits: list[float] = []
    for name in dict.fromkeys(above for stream in streams for above in _up(stream.cgroup)):
        values = io_max(plan.cgroups.get(name), device)
        for key, direction in _LIMITS:
            if key in values:
                below = np.array([_is_below(s.cgroup, name) and s.direction == direction for s in streams])
                uses.append(below / block if key.endswith("iops") else below.astype(np.float64))
                limits.append(values[key])
    return np.array(uses).reshape(-1, len(streams)), np.array(limits)


def io_max(spec: CgroupSpec | None, device: str) -> Mapping[str, float]:
    """The limits of one device in a cgroup's io.max, those that are ``max`` left out.

    >>> dict(io_max(CgroupSpec(io_max="8:0 rbps=1048576 wiops=max"), "8:0"))
    {'rbps': 1048576.0}
    """
    text = (spec.io_max or {}).get(device, "") if spec else ""
    pairs = (word.partition("=")[::2] for word in text.split())
    return {key: float(value) for key, value in pairs if value != "max"}


def io_weight(spec: CgroupSpec | None, device: str) -> float:
    """The weight of a cgroup for one device: its own line of io.weight, else the default, else 100.

    >>> io_weight(CgroupSpec(io_weight="default 200"), "8:0"), io_weight(None, "8:0")
    (200.0, 100.0)
    """
    lines = (spec.io_weight or {}) if spec else {}
    text = lines.get(device) or lines.get("default") or next((key for key in lines if key.isdecimal()), "")
    return float(text) if text else _DEFAULT_WEIGHT


class _Tree:
    """Shares of device time by io.weight among the cgroups that have streams."""

    def __init__(self, device: str, plan: Plan, leaves: Sequence[CgroupName]) -> None:
        self._leaves = leaves
        self._weight = {
            name: io_weight(plan.cgroups.get(name), device) for leaf in leaves for name in _up(leaf)
        }

    def shares(self, growing: np.ndarray[tuple[int], np.dtype[np.bool_]], operation: Floats) -> Floats:
        """Operations a second of each stream in a second of device time; turns within a cgroup.

        Args:
            growing: (n,) the streams among which it is shared.
            operation: (n,) device seconds of one operation of each.
        """
        active = [leaf for leaf, grows in zip(self._leaves, growing, strict=True) if grows]
        siblings: dict[CgroupName, float] = {}
        for name in {name for leaf in active for name in _up(leaf)}:
            above = CgroupName(name.rpartition("/")[0])
            siblings[above] = siblings.get(above, 0.0) + self._weight[name]
        turn: dict[CgroupName, float] = {}
        for leaf, seconds, grows in zip(self._leaves, operation.tolist(), growing, strict=True):
            turn[leaf] = turn.get(leaf, 0.0) + (seconds if grows else 0.0)
        shares = np.zeros(len(self._leaves))
        for place, leaf in enumerate(self._leaves):
            if growing[place]:
                part = 1.0
                for name in _up(leaf):
                    part *= self._weight[name] / siblings[CgroupName(name.rpartition("/")[0])]
                shares[place] = part / turn[leaf]
        return shares


def _up(leaf: CgroupName) -> tuple[CgroupName, ...]:
    return (*ancestors(leaf), leaf)


def _is_below(leaf: CgroupName, name: CgroupName) -> bool:
    return name in (leaf, ROOT) or leaf.startswith(f"{name}/")

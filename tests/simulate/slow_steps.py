"""A slow, obvious model of CPU in steps that the stepped kernel must agree with: plain Python, no shortcuts.

Sharing sorts children by what fills them; every period of every quota is looked at by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

EPSILON = 1e-9
MASK = 0xFFFFFFFF


@dataclass
class Leaf:
    """A leaf: weight, threads, demand a step, and a quota (seconds, period) or none."""

    weight: float
    threads: float
    demand: list[float]
    quota: float = math.inf
    period: float = 0.1
    kept: bool = True
    backlog: float = 0.0
    usage: float = 0.0
    waited: float = 0.0
    nr_periods: int = 0
    nr_throttled: int = 0
    throttled: float = 0.0
    timer: bool = False
    want: float = 0.0
    got: float = 0.0


@dataclass
class Branch:
    """A cgroup with children."""

    weight: float
    children: list[Leaf | Branch] = field(default_factory=list)
    want: float = 0.0
    got: float = 0.0

    def leaves(self) -> list[Leaf]:
        """All leaves below."""
        return [
            leaf
            for child in self.children
            for leaf in (child.leaves() if isinstance(child, Branch) else [child])
        ]


def ask(node: Leaf | Branch, cpus: float) -> float:
    """Sum up wants."""
    if isinstance(node, Branch):
        node.want = min(sum(ask(child, cpus) for child in node.children), cpus)
    return node.want


def share(branch: Branch) -> None:
    """Sort by what fills a child up first, give each its part of what is left."""
    left = branch.got
    hungry = sorted((c for c in branch.children if c.want > 0), key=lambda c: c.want / c.weight)
    weights = sum(child.weight for child in hungry)
    for child in branch.children:
        child.got = 0.0
    for child in hungry:
        child.got = min(child.want, left * child.weight / weights)
        left -= child.got
        weights -= child.weight
    for child in branch.children:
        if isinstance(child, Branch):
            share(child)


def machine_share(root: Branch, cpus: float) -> None:
    """Share the machine."""
    root.got = min(ask(root, cpus), cpus)
    share(root)


def step(root: Branch, cpus: float, number: int, seconds: float) -> None:
    """One step of the machine."""
    leaves = root.leaves()
    for leaf in leaves:
        average = min(leaf.threads, cpus, leaf.quota / leaf.period)
        leaf.want = min(leaf.backlog / seconds + leaf.demand[number], average)
    wants = [leaf.want for leaf in leaves]
    machine_share(root, cpus)
    gots = [leaf.got for leaf in leaves]
    count_quotas(root, cpus, number, seconds)
    for leaf, want, got in zip(leaves, wants, gots, strict=True):
        work = leaf.backlog + (leaf.demand[number] - got) * seconds
        leaf.backlog = max(work, 0.0) if leaf.kept else 0.0
        leaf.usage += got * seconds
        leaf.waited += (want - got) * seconds


def count_quotas(root: Branch, cpus: float, number: int, seconds: float) -> None:
    """Look at each period of each quota; where leaves compete while they burn, at one period for all."""
    leaves = root.leaves()
    biting = {}
    for place, leaf in enumerate(leaves):
        if leaf.quota == math.inf:
            continue
        demand, width, waiting = leaf.demand[number], min(leaf.threads, cpus), leaf.backlog
        spans = []
        for _ in range(round(seconds / leaf.period)):
            if demand > 0 or waiting > EPSILON:
                leaf.nr_periods += 1
                leaf.timer = True
            elif leaf.timer:
                leaf.nr_periods += 1
                leaf.timer = False
            comes = waiting + demand * leaf.period
            if comes > leaf.quota + EPSILON and width * leaf.period > leaf.quota + EPSILON:
                slow = (leaf.quota - waiting) / demand if demand > 0 else 0.0
                fast = leaf.quota / width
                queues = (
                    math.ceil(min(demand, width) - EPSILON) if slow > fast else math.ceil(width - EPSILON)
                )
                spans.append((leaf.period - max(fast, slow)) * queues)
            if leaf.kept:
                waiting = max(comes - min(leaf.quota, width * leaf.period), 0.0)
        if spans and leaf.got >= leaf.want - EPSILON:
            biting[place] = spans
    burning = sum(min(leaf.threads, cpus) if p in biting else leaf.got for p, leaf in enumerate(leaves))
    times = burn_down(root, cpus, biting) if burning > cpus + EPSILON else {}
    for place, spans in biting.items():
        leaf = leaves[place]
        leaf.nr_throttled += len(spans)
        if place in times:
            stands = max(leaf.period - times[place], 0.0) * math.ceil(min(leaf.threads, cpus) - EPSILON)
            leaf.throttled += stands * len(spans)
        else:
            leaf.throttled += sum(spans)


def burn_down(root: Branch, cpus: float, biting: dict[int, list[float]]) -> dict[int, float]:
    """When each throttled leaf has burnt its quota in one period, all running by their weights."""
    leaves = root.leaves()
    for place, leaf in enumerate(leaves):
        starved = leaf.got < leaf.want - EPSILON
        leaf.want = min(leaf.threads, cpus) if starved or place in biting else leaf.got
    left = {place: leaves[place].quota for place in biting}
    times: dict[int, float] = {}
    now = 0.0
    while left:
        machine_share(root, cpus)
        span = min(amount / leaves[place].got for place, amount in left.items())
        now += span
        for place in list(left):
            left[place] -= leaves[place].got * span
            if left[place] <= EPSILON:
                del left[place]
                times[place] = now
                leaves[place].want = 0.0
    return times


def draws(key: int, steps: int, stay: float, go: float, part: float) -> list[float]:
    """U(0, 1) while on, -1 while off: the numbers of ``step_draw``, in plain integers."""
    key0, key1 = key & MASK, key >> 32

    def first(number: int) -> int:
        x = (number * 0x9E3779B9 + key0) & MASK
        x = ((x ^ (x >> 16)) * 0x7FEB352D & MASK) ^ key1
        x = (x ^ (x >> 15)) * 0x846CA68B & MASK
        return x ^ (x >> 16)

    def second(x: int) -> int:
        x = (x + 0x9E3779B9) & MASK
        x = (x ^ (x >> 16)) * 0x21F0AAAD & MASK
        x = (x ^ (x >> 15)) * 0x735A2D97 & MASK
        return x ^ (x >> 15)

    on = first(MASK) < min(int(part * 2**32), MASK)
    found = []
    for number in range(steps):
        bits = first(number)
        on = bits < min(int((stay if on else go) * 2**32), MASK)
        found.append(second(bits) / 2**32 if on else -1.0)
    return found

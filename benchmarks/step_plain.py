"""step_loop.c's workload in plain Python, and as SimPy's users would write it: a process a pod.

python benchmarks/step_plain.py (plain | simpy) NODES PODS STEPS SEED [FILE]: CPU seconds and the sum of all
use; the use of each pod in each step is written to FILE as float32. Random numbers are step_demand.h's.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MASK32, MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
GOLDEN = 0x9E3779B9
STAY, GO = int(0.9 * 2**32), int(0.1 * 2**32)


def mix64(x: int) -> int:
    """SplitMix64's finaliser."""
    x = (x + 0x9E3779B97F4A7C15) & MASK64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK64
    return x ^ (x >> 31)


def fnv1a(text: str) -> int:
    """Hash of a name."""
    found = 0xCBF29CE484222325
    for byte in text.encode():
        found = ((found ^ byte) * 0x100000001B3) & MASK64
    return found


def first_draw(step: int, key0: int, key1: int) -> int:
    """32 random bits of a pod in a step."""
    x = (step * GOLDEN + key0) & MASK32
    x = (((x ^ (x >> 16)) * 0x7FEB352D) & MASK32) ^ key1
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK32
    return x ^ (x >> 16)


def second_draw(x: int) -> int:
    """The next 32."""
    x = (x + GOLDEN) & MASK32
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & MASK32
    x = ((x ^ (x >> 15)) * 0x735A2D97) & MASK32
    return x ^ (x >> 15)


class Pod:
    """One pod: on or off, and what waits."""

    __slots__ = ("backlog", "key0", "key1", "on", "want", "weight")

    def __init__(self, node: int, number: int, seed: int) -> None:
        key = mix64(mix64(fnv1a(f"pod-{node}-{number:03d}/main") ^ mix64(seed)))
        self.key0, self.key1 = key & MASK32, key >> 32
        self.on = first_draw(MASK32, self.key0, self.key1) < 1 << 31
        self.weight = float(((number % 7 + 1) * 20 * 1024 + 50) // 100)
        self.backlog = self.want = 0.0

    def draw(self, step: int) -> None:
        """What the pod wants in this step."""
        x = first_draw(step, self.key0, self.key1)
        self.on = x < (STAY if self.on else GO)
        if self.on:
            self.backlog += second_draw(x) * (2.0 / 2**32)
        self.want = min(self.backlog, 2.0)


def fill(wants: list[float], weights: list[float], supply: float) -> list[float]:
    """Weighted max-min of ``supply``: the level rises until nobody more is served in full by it."""
    if sum(wants) <= supply:
        return wants
    level, served = 0.0, -1
    while True:
        rest, left, full = supply, 0.0, 0
        for want, weight in zip(wants, weights, strict=True):
            if want <= weight * level:
                rest -= want
                full += 1
            else:
                left += weight
        if full == served:
            break
        level, served = rest / left, full
    return [min(want, weight * level) for want, weight in zip(wants, weights, strict=True)]


class Node:
    """Pods of three classes below one root."""

    def __init__(self, number: int, pods: int, seed: int) -> None:
        self.pods = [Pod(number, pod, seed) for pod in range(pods)]
        self.cpus = float(int(pods * 0.5 / 0.9 + 0.5))
        third = pods // 3
        self.classes = self.pods[:third], self.pods[third : 2 * third], self.pods[2 * third :]
        self.weights = [[pod.weight for pod in pods] for pods in self.classes]

    def serve(self, row: array[float]) -> None:
        """Share the CPUs among what the pods want; use is appended to ``row``."""
        wants = [[pod.want for pod in pods] for pods in self.classes]
        if sum(map(sum, wants)) > self.cpus:
            top = [*wants[0], min(sum(wants[1]), self.cpus), min(sum(wants[2]), self.cpus)]
            got = fill(top, [*self.weights[0], 3072.0, 10.0], self.cpus)
            wants = [
                got[:-2],
                fill(wants[1], self.weights[1], got[-2]),
                fill(wants[2], self.weights[2], got[-1]),
            ]
        used = [use for uses in wants for use in uses]
        for pod, use in zip(self.pods, used, strict=True):
            pod.backlog -= use
        row.extend(used)


def run_plain(nodes: list[Node], steps: int, out: array[float]) -> None:
    """Two nested loops."""
    for step in range(steps):
        for node in nodes:
            for pod in node.pods:
                pod.draw(step)
            node.serve(out)


def run_simpy(nodes: list[Node], steps: int, out: array[float]) -> None:
    """A process a pod and one a node, which shares after its pods have drawn."""
    import simpy  # noqa: PLC0415 - the plain side needs none

    environment = simpy.Environment()

    def pod_process(pod: Pod) -> Iterator[Any]:
        while True:
            pod.draw(int(environment.now))
            yield environment.timeout(1)

    def node_process(node: Node) -> Iterator[Any]:
        while True:
            node.serve(out)
            yield environment.timeout(1)

    for node in nodes:
        for pod in node.pods:
            environment.process(pod_process(pod))
        environment.process(node_process(node))
    environment.run(until=steps)


def main() -> None:
    """One side, one size."""
    side, (count, pods, steps, seed) = sys.argv[1], map(int, sys.argv[2:6])
    nodes, out = [Node(number, pods, seed) for number in range(count)], array("f")
    began = time.process_time()
    (run_simpy if side == "simpy" else run_plain)(nodes, steps, out)
    spent = time.process_time() - began
    print(f"{spent:.6f} {sum(out):.9f}")
    if sys.argv[6:]:
        Path(sys.argv[6]).write_bytes(out.tobytes())


if __name__ == "__main__":
    main()

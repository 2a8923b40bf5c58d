"""Lint rules that look at what a manifest says of resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from qos.check.lint import Finding, LintInput
from qos.model.pod import CPU, MEMORY, Container
from qos.model.quantity import Quantity

PAGE_BYTES: Final = 4096
_RESIZED: Final = (CPU, MEMORY)


def zero_limit(given: LintInput) -> Iterator[Finding]:
    """A limit of 0 counts as none: the container may use all there is."""
    for container, _, _ in given.planned():
        for name in _RESIZED:
            limit = container.resources.limits.get(name)
            if limit is not None and limit.is_zero:
                yield Finding(
                    "zero-limit", "error", given.where(container.name),
                    f"a {name} limit of 0 counts as no limit, so {name} is unlimited",
                    f"leave the {name} limit out if that is meant, or set a real one",
                )  # fmt: skip


def memory_in_thousandths(given: LintInput) -> Iterator[Finding]:
    """``memory: 100m`` is a tenth of a byte; almost always Mi was meant."""
    for container, _, _ in given.planned():
        for side in ("requests", "limits"):
            amount: Quantity | None = getattr(container.resources, side).get(MEMORY)
            if amount is None or amount.is_zero or amount.value() >= PAGE_BYTES:
                continue
            text = str(amount)
            meant = f"{text[:-1]}Mi" if text.endswith("m") else f"{text}Mi"
            yield Finding(
                "memory-below-a-page", "error", given.where(container.name),
                f"{side}.memory {amount} is {amount.value()} bytes, less than one page of {PAGE_BYTES}",
                f"probably {meant} is meant",
            )  # fmt: skip


def empty_pod_level(given: LintInput) -> Iterator[Finding]:
    """``spec.resources: {}`` makes any pod BestEffort, whatever its containers say."""
    resources = given.pod.spec.resources
    if resources is None or resources.requests or resources.limits:
        return
    if any(one.resources.requests or one.resources.limits for one in given.pod.spec.containers):
        yield Finding(
            "empty-pod-resources", "error", given.where(),
            "spec.resources is there but empty: the pod is BestEffort although its containers ask for more",
            "remove spec.resources, or fill it in",
        )  # fmt: skip


def init_without_limit(given: LintInput) -> Iterator[Finding]:
    """One init container without a limit takes the limit from the whole pod's cgroup."""
    spec = given.pod.spec
    if spec.resources is not None:
        return
    for name in _RESIZED:
        if not all(_limited(one, name) for one in spec.containers) or not spec.containers:
            continue
        for container in spec.init_containers:
            if not _limited(container, name):
                yield Finding(
                    "init-without-limit", "warning", given.where(container.name),
                    f"all have a {name} limit but this init container, so the pod's cgroup gets none",
                    f"give the init container a {name} limit",
                )  # fmt: skip


def more_than_the_node(given: LintInput) -> Iterator[Finding]:
    """A CPU limit above the node's CPUs never throttles."""
    if given.node_cpus is None:
        return
    for container, _, _ in given.planned():
        limit = container.resources.limits.get(CPU)
        if limit is not None and limit.milli_value() > given.node_cpus * 1000:
            yield Finding(
                "limit-above-node", "info", given.where(container.name),
                f"the cpu limit of {limit} is above the node's {given.node_cpus:g} CPUs and never throttles",
                "leave it out, or set what the container shall really have",
            )  # fmt: skip


def cpu_in_bytes(given: LintInput) -> Iterator[Finding]:
    """``cpu: 512Mi`` is half a billion CPUs; cpu and memory were swapped."""
    for container, _, _ in given.planned():
        for side in ("requests", "limits"):
            amount: Quantity | None = getattr(container.resources, side).get(CPU)
            if amount is not None and str(amount).endswith("i"):
                yield Finding(
                    "cpu-in-bytes", "error", given.where(container.name),
                    f"{side}.cpu {amount} is {amount.value()} CPUs",
                    "write CPUs (500m, 2); bytes belong to memory",
                )  # fmt: skip


def _limited(container: Container, name: str) -> bool:
    limit = container.resources.limits.get(name)
    return limit is not None and limit.sign > 0

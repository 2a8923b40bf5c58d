"""The page docs/kubelet-versions.md, made from the tables of ``qos.policy.features``.

``python -m qos.policy.versions > docs/kubelet-versions.md``; a test keeps the page equal to the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from qos.model.profile import KUBERNETES_VERSIONS, Version, format_version
from qos.policy.features import DIFFERENCES, GATES, RUNTIME_QUADRATIC_SINCE, SYSTEMD_ROUNDS_SINCE, Gate
from qos.policy.formulas import milli_cpu_to_shares, shares_to_weight_linear, shares_to_weight_quadratic

_WEIGHTS_SHOWN = (10, 100, 250, 500, 1000, 2000, 4000, 16000, 64000)


def versions_page() -> str:
    """The whole page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What differs between kubelets and runtimes"
    yield ""
    yield "Made by `python -m qos.policy.versions` from the tables of"
    yield "`qos/policy/features.py`; edit those instead."
    yield ""
    yield "## Feature gates"
    yield ""
    yield "Default in each version; *locked* cannot be set. KubeletConfiguration's"
    yield "`featureGates` win over a profile's."
    yield ""
    yield _row("gate", *map(format_version, KUBERNETES_VERSIONS), "what it does", "source")
    yield _row(*["---"] * (len(KUBERNETES_VERSIONS) + 3))
    for gate in GATES.values():
        yield _row(f"`{gate.name}`", *(_stage(gate, v) for v in KUBERNETES_VERSIONS), gate.what, gate.source)
    yield ""
    yield "## Defaults and behaviour without a gate"
    yield ""
    yield _row("what", *map(format_version, KUBERNETES_VERSIONS), "source")
    yield _row(*["---"] * (len(KUBERNETES_VERSIONS) + 2))
    for difference in DIFFERENCES.values():
        values = (_value(difference.at(version)) for version in KUBERNETES_VERSIONS)
        yield _row(f"{difference.what} (`{difference.key}`)", *values, difference.source)
    yield ""
    yield from _weights()
    yield ""
    yield from _quota()


def _weights() -> Iterator[str]:
    yield "## From shares to cpu.weight"
    yield ""
    yield "kubepods, the QoS levels and pods are the kubelet's own cgroups and always linear:"
    yield "`1 + (shares - 2) · 9999 / 262142`. Containers get what the runtime writes, which"
    yield "was the same before and"
    yield "is `ceil(10^((l² + 125·l)/612 - 7/34))` with `l = log2 shares` since"
    yield ""
    for runtime, (since, source) in RUNTIME_QUADRATIC_SINCE.items():
        yield f"- {runtime} {format_version(since)} ({source})"
    yield ""
    yield _row("CPU request", "shares", "weight, linear", "weight, quadratic")
    yield _row("---", "---", "---", "---")
    for milli in _WEIGHTS_SHOWN:
        shares = milli_cpu_to_shares(milli)
        weights = (shares_to_weight_linear(shares), shares_to_weight_quadratic(shares))
        yield _row(f"{milli}m", str(shares), *map(str, weights))


def _quota() -> Iterator[str]:
    yield "## Quotas under the systemd driver"
    yield ""
    yield "Rounded up to 10 ms of CPU time per second (333m is 34000 of 100000 usec, not"
    yield "33300), and written so since"
    yield ""
    for writer, (since, source) in SYSTEMD_ROUNDS_SINCE.items():
        level = "pods" if writer == "kubelet" else "containers"
        yield f"- {writer} {format_version(since)}, in {level} ({source})"
    yield ""
    yield "Before, cpu.max has the exact quota until systemd writes the unit again (`systemctl"
    yield "daemon-reload`)."
    yield ""
    yield "## What the runtimes add of their own"
    yield ""
    yield "- containerd: memory+swap is the memory limit where the kubelet says nothing, so"
    yield "  memory.swap.max is 0; the"
    yield "  kubelet says something wherever the kernel has the file, so no plan differs by it."
    yield "- CRI-O: pids.max of containers only where its own (deprecated) `pids_limit` is"
    yield "  set; not planned here."


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _stage(gate: Gate, version: Version) -> str:
    stage = gate.at(version)
    if stage is None:
        return "–"
    return f"{'on' if stage.default else 'off'}, {stage.stage}{', locked' if stage.locked else ''}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.stdout.write(versions_page())

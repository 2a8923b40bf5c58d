"""Which Kubernetes, runtime and kernel: behaviour by version is a profile, never a constant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Version = tuple[int, ...]
Runtime = Literal["runc", "crun"]
CRI = Literal["containerd", "cri-o"]
CgroupDriver = Literal["systemd", "cgroupfs"]

KUBERNETES_VERSIONS: Final[tuple[Version, ...]] = ((1, 32), (1, 33), (1, 34), (1, 35), (1, 36), (1, 37))


@dataclass(frozen=True, slots=True)
class Profile:
    """The versions whose behaviour is meant, and feature gates set against their defaults.

    Attributes:
        kubernetes: the kubelet's minor version, (1, 36).
        runtime: the OCI runtime, which turns CPU shares into cpu.weight of containers.
        runtime_version: (1, 3, 2) is the first runc, (1, 23) the first crun with the quadratic formula.
        cri: who calls it; containerd and CRI-O differ in their own defaults.
        kernel: version of the node's kernel, (6, 12).
        cgroup_driver: who writes the files, cgroupfs as is the KubeletConfiguration's default; with systemd
            newer kubelets and runc round quotas up to 10 ms per second.
        feature_gates: gates set by the user; others have their version's default.
    """

    kubernetes: Version = (1, 36)
    runtime: Runtime = "runc"
    runtime_version: Version = (1, 3, 2)
    cri: CRI = "containerd"
    kernel: Version = (6, 12)
    cgroup_driver: CgroupDriver = "cgroupfs"
    feature_gates: Mapping[str, bool] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"kubernetes-{format_version(self.kubernetes)}/{self.runtime}-{format_version(self.runtime_version)}"
            f"/{self.cri}/linux-{format_version(self.kernel)}/{self.cgroup_driver}"
        )


def parse_version(text: str) -> Version:
    """A version's leading numbers.

    >>> parse_version("v1.36.2-gke.100")
    (1, 36, 2)

    Raises:
        ValueError: no number in front.
    """
    match = re.match(r"v?(\d{1,5}(?:\.\d{1,9})*)", text.strip())
    if match is None:
        msg = f"{text!r} is not a version; expected such as 1.36 or 1.3.2"
        raise ValueError(msg)
    return tuple(int(part) for part in match[1].split("."))


def format_version(version: Version) -> str:
    """A version as text.

    >>> format_version((1, 36))
    '1.36'
    """
    return ".".join(str(part) for part in version)

"""Profiles as users name them: a version, a full spelling, a Profile document, or two with ``..`` between."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Final

from qos.errors import InputError
from qos.model.node import Node
from qos.model.profile import KUBERNETES_VERSIONS, Profile, format_version, parse_version

RANGE: Final = ".."
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
EXPECTED: Final = "a version (1.36), a spelling (1.36/crun-1.23/cri-o/linux-6.12/cgroupfs) or a Profile file"
# the first releases with the quadratic weight formula: what a runtime without a version is taken to be
_RUNTIMES: Final = {"runc": (1, 3, 2), "crun": (1, 23)}


def read_profile(text: str, base: Profile | None = None) -> Profile:
    """The profile of a text; what it leaves out is as in ``base``.

    >>> str(read_profile("1.34/crun-1.20"))
    'kubernetes-1.34/crun-1.20/containerd/linux-6.12/cgroupfs'

    Raises:
        InputError: not a profile, a version out of range, or a file that holds none.
    """
    if PurePath(text).suffix in _SUFFIXES:
        from qos.scenario.document import ProfileDocument
        from qos.scenario.load import read_document
        from qos.scenario.validation import validate

        document = read_document(text)
        return validate(ProfileDocument, document.data, document).spec.profile()
    profile = base or Profile()
    for part in text.split("/"):
        profile = _with_part(profile, part.strip(), text)
    return profile


def _with_part(profile: Profile, part: str, text: str) -> Profile:
    name, _, version = part.partition("-")
    try:
        if name in _RUNTIMES:
            runtime_version = parse_version(version) if version else _RUNTIMES[name]
            return _replaced(profile, runtime=name, runtime_version=runtime_version)
        if part in {"containerd", "cri-o"}:
            return _replaced(profile, cri=part)
        if part in {"systemd", "cgroupfs"}:
            return _replaced(profile, cgroup_driver=part)
        if name == "linux":
            return _replaced(profile, kernel=parse_version(version))
        kubernetes = parse_version(part.removeprefix("kubernetes-"))[:2]
    except ValueError:
        raise InputError("is no profile", field="profile", value=text, expected=EXPECTED) from None
    if kubernetes not in KUBERNETES_VERSIONS:
        first, last = (format_version(KUBERNETES_VERSIONS[end]) for end in (0, -1))
        raise InputError(
            "is not known", field="profile", value=part, expected=f"Kubernetes {first} to {last}"
        )
    return _replaced(profile, kubernetes=kubernetes)


def _replaced(profile: Profile, **changes: Any) -> Profile:
    return replace(profile, **changes)


def profile_of(node: Node) -> Profile:
    """The default profile with the versions the node itself reports, as far as they are known to us."""
    info = node.status.node_info
    profile = Profile()
    # a node that reports nothing, or something else than a version, leaves the default
    with suppress(ValueError):
        kubernetes = parse_version(info.kubelet_version)[:2]
        if kubernetes in KUBERNETES_VERSIONS:
            profile = replace(profile, kubernetes=kubernetes)
    with suppress(ValueError):
        profile = replace(profile, kernel=parse_version(info.kernel_version)[:2])
    if info.container_runtime_version.startswith("cri-o"):
        profile = replace(profile, cri="cri-o")
    if node.kubelet.cgroup_driver is not None:
        profile = replace(profile, cgroup_driver=node.kubelet.cgroup_driver)
    return profile

"""What shall be in force on this host: the pods asked for, those already there, and their common plan.

The values of kubepods and the QoS levels depend on every pod of the node, so the pods applied before
are kept (as data beside the record of ownership) and planned together with the new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, BinaryIO, Final

from pydantic import TypeAdapter

from qos.errors import HostError, InputErrors
from qos.experiment.admission import as_stored
from qos.experiment.explain import choose_node
from qos.experiment.profiles import profile_of, read_profile
from qos.model.node import Node
from qos.model.plan import Plan
from qos.model.pod import Pod
from qos.model.profile import CgroupDriver, Profile, parse_version
from qos.policy.base import PlanDetails
from qos.policy.registry import find_policy, plan_node
from qos.scenario.manifest import Manifests, read_manifests
from qos.scenario.pod_document import SourcedPod

SETTINGS: Final = "settings"
_ALONE: Final = frozenset({"Pod", "PodTemplate"})


@cache
def _profiles() -> TypeAdapter[Profile]:
    return TypeAdapter(Profile)


@dataclass(frozen=True, slots=True)
class Settings:
    """How pods become values on this host: kept with them, so that a later run plans alike."""

    policy: str
    profile: Profile
    node: Node

    def to_data(self) -> dict[str, Any]:
        """As plain data; :meth:`from_data` gives it back."""
        node = self.node.model_dump(mode="json", by_alias=True, exclude_unset=True)
        profile = _profiles().dump_python(self.profile, mode="json")
        return {"policy": self.policy, "profile": profile, "node": node}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Settings:
        """The settings of :meth:`to_data`'s data."""
        profile = _profiles().validate_python(data["profile"])
        return cls(data["policy"], profile, Node.model_validate(data["node"]))


@dataclass(frozen=True, slots=True)
class Desired:
    """The pods that shall be there and what that means.

    Attributes:
        settings: policy, profile and node.
        pods: by ``namespace/name``.
        details: their plan.
        warnings: what was tolerated or skipped in the input, in words.
    """

    settings: Settings
    pods: Mapping[str, Pod]
    details: PlanDetails
    warnings: tuple[str, ...] = ()

    def objects(self) -> dict[str, Any]:
        """What is kept with the record of ownership."""
        if not self.pods:
            return {}
        return {
            SETTINGS: self.settings.to_data(),
            **{
                f"pod/{key}": pod.model_dump(mode="json", by_alias=True, exclude_unset=True)
                for key, pod in self.pods.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user gave: manifests, and options that stand above what was used before."""

    manifests: Manifests
    policy: str | None = None
    profile: str | None = None
    node: str | os.PathLike[str] | Node | None = None


def read_asked(
    paths: Sequence[str | os.PathLike[str]],
    stdin: BinaryIO | None = None,
    *,
    policy: str | None = None,
    profile: str | None = None,
    node: str | os.PathLike[str] | Node | None = None,
) -> Asked:
    """Read manifests; nothing is enforced while anything is wrong with them.

    Raises:
        InputErrors: what is wrong in the documents, all of it.
    """
    manifests = read_manifests(paths, stdin)
    if manifests.errors:
        raise InputErrors(manifests.errors)
    return Asked(manifests, policy, profile, node)


def pods_of(manifests: Manifests) -> dict[str, Pod]:
    """The pods that run on one node, as the API server stores them; replicas become ``web-0``, ``web-1``."""
    pods = [pod for sourced in manifests.pods for pod in _replicas(sourced)]
    return {f"{pod.namespace}/{pod.name}": pod for pod in as_stored(pods, manifests.limit_ranges)}


def _replicas(sourced: SourcedPod) -> Iterable[Pod]:
    pod = sourced.pod
    if sourced.owner_kind in _ALONE or sourced.per_node:
        yield pod
        return
    for number in range(sourced.replicas):
        metadata = pod.metadata.model_copy(update={"name": f"{pod.name.rstrip('-')}-{number}"})
        yield pod.model_copy(update={"metadata": metadata})


def desired(
    asked: Asked,
    host: Node,
    before: Mapping[str, Any],
    *,
    prune: bool = False,
    driver: CgroupDriver | None = None,
) -> Desired:
    """The pods asked for beside those applied before, planned together.

    Args:
        asked: manifests and options.
        host: this machine as a node, taken where no Node is given.
        before: what was kept with the record.
        prune: leave out the pods applied before that are not asked for now.
        driver: who will write; systemd takes quotas in whole percents, whatever the node's profile says.

    Raises:
        InputError: an option is wrong.
        HostError: what was kept cannot be read.
    """
    settings = _written_by(driver, _settings(asked, host, _kept_settings(before)))
    kept = {} if prune else kept_pods(before)
    warnings = [str(warning) for warning in asked.manifests.warnings]
    warnings += [f"{each.source}: {each.kind or 'document'} {each.why}" for each in asked.manifests.skipped]
    return plan_pods(kept | pods_of(asked.manifests), settings, warnings)


def plan_pods(pods: Mapping[str, Pod], settings: Settings, warnings: Sequence[str] = ()) -> Desired:
    """The plan of some pods under some settings; without pods nothing is planned, not even kubepods.

    Raises:
        InputError: the policy is not known any more.
    """
    if not pods:
        return Desired(settings, {}, PlanDetails(Plan.of({}), {}), tuple(warnings))
    details = plan_node(find_policy(settings.policy), list(pods.values()), settings.node, settings.profile)
    return Desired(settings, pods, details, tuple(warnings))


def applied_objects(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Of all that is kept with the record, what :meth:`Desired.objects` put there."""
    return {key: data for key, data in kept.items() if key == SETTINGS or key.startswith("pod/")}


def kept_pods(before: Mapping[str, Any]) -> dict[str, Pod]:
    """The pods applied before, by ``namespace/name``.

    Raises:
        HostError: they cannot be read.
    """
    pods = {key: data for key, data in before.items() if key.startswith("pod/")}
    try:
        return {key.removeprefix("pod/"): Pod.model_validate(data) for key, data in pods.items()}
    except ValueError as error:
        raise HostError(f"the pods kept with the record cannot be read: {error}") from error


def kept(before: Mapping[str, Any], host: Node, driver: CgroupDriver | None = None) -> Desired:
    """What was applied before, planned again; the arguments are :func:`desired`'s.

    Raises:
        HostError: it cannot be read.
    """
    settings = _kept_settings(before) or Settings("kubelet", host_profile(host), host)
    return plan_pods(kept_pods(before), _written_by(driver, settings))


def _written_by(driver: CgroupDriver | None, settings: Settings) -> Settings:
    if driver != "systemd":
        return settings
    return replace(settings, profile=replace(settings.profile, cgroup_driver=driver))


def _kept_settings(before: Mapping[str, Any]) -> Settings | None:
    if SETTINGS not in before:
        return None
    try:
        return Settings.from_data(before[SETTINGS])
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"the settings kept with the record cannot be read: {error!r}") from error


def _settings(asked: Asked, host: Node, before: Settings | None) -> Settings:
    node, assumed, _ = choose_node(asked.manifests, asked.node)
    if assumed:
        given = asked.manifests.kubelet_configurations
        kubelet = given[0] if len(given) == 1 else before.node.kubelet if before else host.kubelet
        node = host.model_copy(update={"kubelet": kubelet})
    profile = host_profile(node)
    if asked.profile is not None:
        profile = read_profile(asked.profile, profile)
    elif before is not None:
        profile = before.profile
    return Settings(asked.policy or (before.policy if before else "kubelet"), profile, node)


def host_profile(node: Node) -> Profile:
    """The profile of a node on this host: its own versions, this kernel's, the cgroupfs driver."""
    profile = profile_of(node)
    if not node.status.node_info.kernel_version:
        profile = replace(profile, kernel=parse_version(os.uname().release)[:2])
    return profile if node.kubelet.cgroup_driver else replace(profile, cgroup_driver="cgroupfs")

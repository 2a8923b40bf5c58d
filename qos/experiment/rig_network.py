"""Networks of pods on a real machine: a namespace each, devices with token buckets, and the other side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from qos.errors import InputError
from qos.experiment.bandwidth import bandwidth_of, pod_network
from qos.model.cgroup import CgroupName
from qos.model.network import DEFAULT_WEIGHT
from qos.model.workload import Workload
from qos.scenario.scenario import Scenario

if TYPE_CHECKING:
    from enforcer.load_peer import Peer
    from enforcer.traffic import TrafficMeter
    from qos.policy.base import PlanDetails, PodDetails

_FIRST_PORT: Final = 5001


@dataclass(frozen=True, slots=True)
class PodNetworks:
    """The networks of the pods that use one.

    Attributes:
        places: leaf → descriptor of its pod's namespace, the host's address, the pod's, and the leaf's port.
        meters: pod's cgroup → its counters.
    """

    places: Mapping[CgroupName, tuple[int, str, str, int]] = field(default_factory=dict)
    meters: Mapping[CgroupName, TrafficMeter] = field(default_factory=dict)

    def counters(self, cgroup: CgroupName) -> dict[str, float]:
        """Columns of a pod's cgroup; nothing for others."""
        return self.meters[cgroup].read() if cgroup in self.meters else {}

    def peers(self, leaf: CgroupName, workload: Workload) -> list[Peer]:
        """The other side of a leaf's traffic, for one start of it.

        Raises:
            HostError: an address cannot be listened at.
        """
        from enforcer.load_peer import Peer
        from enforcer.load_shapes import given_to

        network = workload.network
        if network is None or leaf not in self.places:
            return []
        _, host, pod, port = self.places[leaf]
        made = [] if network.egress_bits_per_second is None else [Peer.take(host, port)]
        given = given_to(workload, pod, port)
        return made if given is None else [*made, Peer.give(given)]


def check_network(scenario: Scenario) -> None:
    """Refuse what is simulated of the network and not enforced when measuring: the node's link.

    Raises:
        InputError: the scenario has it.
    """
    if not any(load.network for load in scenario.demand.values()):
        return
    weighted = [pod.name for pod in scenario.pods if pod_network(pod).weight != DEFAULT_WEIGHT]
    if scenario.node.link_bits_per_second is not None or weighted:
        raise InputError(
            "validate has no link that pods share", source=scenario.source,
            field="spec.nodes.linkBitsPerSecond",
            expected="limits of pods only: kubernetes.io/egress-bandwidth and ingress-bandwidth",
        )  # fmt: skip


@contextmanager
def pod_networks(details: PlanDetails, workloads: Mapping[CgroupName, Workload]) -> Iterator[PodNetworks]:
    """A network for each pod that has a workload with ``network:``, gone afterwards.

    Raises:
        HostError: not permitted, or this kernel has no veth or tbf.
    """
    users = {name for name, workload in workloads.items() if workload.network is not None}
    places: dict[CgroupName, tuple[int, str, str, int]] = {}
    meters: dict[CgroupName, TrafficMeter] = {}
    with ExitStack() as opened:
        for pod in details.pods:
            mine = [each.cgroup for each in pod.containers if each.cgroup in users]
            if mine:
                fd, meters[pod.cgroup] = _network(pod, opened)
                host, inside = _addresses(pod)
                places |= {
                    leaf: (fd, host, inside, _FIRST_PORT + 2 * place) for place, leaf in enumerate(mine)
                }
        yield PodNetworks(places, meters)


def _network(pod: PodDetails, opened: ExitStack) -> tuple[int, TrafficMeter]:
    from enforcer import network
    from enforcer.sandbox import Sandbox
    from enforcer.traffic import TrafficMeter

    key, bandwidth = _key(pod), bandwidth_of(pod.pod)
    sandbox = Sandbox.make({"net"}, pod.pod.name, configure=lambda pid: network.limit(key, pid, bandwidth))
    opened.callback(sandbox.close)
    opened.callback(network.remove, key)
    return sandbox.fds["net"], opened.enter_context(TrafficMeter(key, sandbox.fds["net"]))


def _addresses(pod: PodDetails) -> tuple[str, str]:
    from enforcer.network import addresses_of

    return addresses_of(_key(pod))


def _key(pod: PodDetails) -> str:
    return f"{pod.pod.namespace}/{pod.pod.name}"

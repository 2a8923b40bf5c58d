"""A pod's annotations about the network as limits of its devices, and as its weight on the node's link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from qos.errors import HostError, InputError
from qos.model.network import DEFAULT_WEIGHT, NodeNetwork, PodNetwork
from qos.model.quantity import Quantity

if TYPE_CHECKING:
    from enforcer.network import Bandwidth
    from qos.model.node import Node
    from qos.model.pod import Pod
    from qos.policy.base import PlanDetails

INGRESS: Final = "kubernetes.io/ingress-bandwidth"
EGRESS: Final = "kubernetes.io/egress-bandwidth"
WEIGHT: Final = "qos.dev/network-weight"
_WEIGHTS: Final = (1, 10_000)


def bandwidth_of(pod: Pod) -> Bandwidth:
    """The limits of ``kubernetes.io/ingress-bandwidth`` and ``egress-bandwidth``, in bits a second.

    >>> from qos.model.pod import Pod
    >>> pod = Pod.model_validate({"metadata": {"annotations": {INGRESS: "10M"}}})
    >>> bandwidth_of(pod).ingress_bits
    10000000

    Raises:
        InputError: not a quantity, or not of 1k to 1P.
    """
    from enforcer.network import Bandwidth

    return Bandwidth(_bits(pod, INGRESS), _bits(pod, EGRESS))


def pod_network(pod: Pod) -> PodNetwork:
    """A pod's limits and weight; a pod in the host's network has none of its own.

    >>> from qos.model.pod import Pod
    >>> pod_network(Pod.model_validate({"metadata": {"annotations": {WEIGHT: "400"}}})).weight
    400

    Raises:
        InputError: not a quantity, not of 1k to 1P, or not a weight.
    """
    if pod.spec.host_network:
        return PodNetwork()
    limits = bandwidth_of(pod)
    return PodNetwork(limits.ingress_bits, limits.egress_bits, _weight(pod))


def network_of(details: PlanDetails, node: Node) -> NodeNetwork:
    """What the pods of a plan may send and receive, and the node's link.

    Raises:
        InputError: as :func:`pod_network`.
    """
    return NodeNetwork({pod.cgroup: pod_network(pod.pod) for pod in details.pods}, node.link_bits_per_second)


def _weight(pod: Pod) -> int:
    text = pod.metadata.annotations.get(WEIGHT)
    if text is None:
        return DEFAULT_WEIGHT
    if not text.isdecimal() or not _WEIGHTS[0] <= int(text) <= _WEIGHTS[1]:
        raise InputError(
            "not a weight", field=f"metadata.annotations[{WEIGHT}]", value=text,
            expected=f"a whole number from {_WEIGHTS[0]} to {_WEIGHTS[1]}",
        )  # fmt: skip
    return int(text)


def require_root_for(pod: Pod, bandwidth: Bandwidth) -> None:
    """Refuse limits that an ordinary user cannot set: one end of the pod's devices is the host's.

    Raises:
        HostError: limits, without root.
    """
    if os.geteuid() != 0 and (bandwidth.ingress_bits or bandwidth.egress_bits):
        raise HostError(
            f"pod {pod.namespace}/{pod.name}: bandwidth limits need root (a device on the host's side); "
            "take the annotations out, or run qos as root"
        )


def _bits(pod: Pod, annotation: str) -> int | None:
    text = pod.metadata.annotations.get(annotation)
    if text is None:
        return None
    try:
        return Quantity.parse(text).value()
    except (InputError, ValueError) as error:
        raise InputError(
            "not a quantity",
            field=f"metadata.annotations[{annotation}]",
            value=text,
            expected="bits a second, such as 10M",
        ) from error

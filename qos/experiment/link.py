"""The node's link on this host, shared among the pods in force by ``qos.dev/network-weight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qos.errors import HostError
from qos.experiment.bandwidth import pod_network

if TYPE_CHECKING:
    from qos.experiment.desired import Desired


def keep_link(wanted: Desired) -> tuple[str, ...]:
    """Share the link as the pods in force want it; without pods, or a link of the node, give it back.

    Pods without devices on this host (nothing of them was started in a network of its own) have no share.

    Returns:
        In words, what was changed; nothing where all is as wanted.

    Raises:
        HostError: this kernel or user cannot.
    """
    from enforcer import link

    bits = wanted.settings.node.link_bits_per_second
    weights = {
        f"{pod.pod.namespace}/{pod.pod.name}": pod_network(pod.pod).weight
        for pod in wanted.details.pods
        if not pod.pod.spec.host_network
    }
    if bits is None or not weights:
        return ("the node's link is no longer shared",) if link.is_there() and link.unshare() else ()
    if not any(map(link.has_devices, weights)) and not link.is_there():
        return ()
    outcome = link.share(bits, weights)
    if outcome == "unchanged":
        return ()
    found = link.read()
    if found is None:
        raise HostError(f"{link.DEVICE}: the shared link was taken away meanwhile; run again")
    shares = ", ".join(f"pod/{pod} {one.bits}" for pod, one in sorted(found.shares.items()))
    return (f"the node's link of {bits} bits a second is shared: {shares or 'by no pod now'}",)

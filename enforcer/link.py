"""The node's link, shared among pods by weight: one queue that everything pods send goes through.

What a pod sends arrives at the host's end of its pair (:mod:`enforcer.network`). A filter there hands it to
one intermediate device (ifb) with a hierarchical token bucket (htb): a class of the link's rate, and below it
a class a pod with ``rate = link x weight / sum of weights`` and ``ceil = link``. So each pod has its share
when all want more, and what one leaves the others take, by their quanta, which go as the weights too. A
class's number is the index of its pod's device: when the pod's devices are gone, nothing is left but an
unused class, which the next call takes away. What pods receive is not shared.

Source: tc-htb(8), tc-mirred(8), tc-skbedit(8) (a priority that names a class chooses it); sch_htb.c.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from enforcer.network import Outcome, device_of, index_of, opened
from qos.errors import HostError

DEVICE: Final = "qos-link"
_ALIAS: Final = "qos pod "
_MAJOR: Final = 1 << 16
_LINK: Final = _MAJOR | 1  # lo has index 1: no pod's device has
_INGRESS: Final = 0xFFFF0000
_LEAST_QUANTUM: Final = 1_514  # a frame: less is served in turn, but not in proportion
_MOST_QUANTUM: Final = 200_000  # htb warns above
_BURST_SECONDS: Final = 0.01  # a tick of a kernel with HZ=100
_LEAST_BURST: Final = 3_200


@dataclass(frozen=True, slots=True)
class Share:
    """A pod's class as the kernel has it.

    Attributes:
        bits: what it has for sure when all want more, a second.
        sent_bytes: what went through since the class was made.
        dropped: packets.
    """

    bits: int
    sent_bytes: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """The shared link in force.

    Attributes:
        bits: its rate, a second.
        shares: ``namespace/name`` → the pod's class.
    """

    bits: int
    shares: Mapping[str, Share] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Class:
    rate: int
    ceil: int
    quantum: int


def share(bits: int, weights: Mapping[str, int]) -> Outcome:
    """Share a link of ``bits`` a second among the pods that have devices; what is as wanted is not touched.

    Args:
        bits: the link's rate; every pod's class may borrow up to it.
        weights: ``namespace/name`` → weight; pods without devices of ours are left out.

    Raises:
        HostError: not permitted, or this kernel has no ifb, htb, matchall, skbedit or mirred.
    """
    with _opened() as host:
        pods = {pod: at for pod in weights if (at := index_of(host, device_of(pod))) is not None}
        wanted = _wanted(bits, {at: weights[pod] for pod, at in pods.items()})
        queue = index_of(host, DEVICE)
        before = {} if queue is None else _classes(host, queue)
        if queue is None:
            queue = _make_queue(host)
        changed = _settle(host, queue, wanted, before)
        for at in pods.values():
            if not _is_handed_on(host, at, queue):
                _hand_on(host, at, queue)
                changed = True
    return "created" if not before else "configured" if changed else "unchanged"


def is_there() -> bool:
    """Whether a link is shared; told without netlink, as most hosts have none."""
    return DEVICE in (name for _, name in socket.if_nameindex())


def has_devices(pod: str) -> bool:
    """Whether the pod has a pair of devices of ours."""
    return device_of(pod) in (name for _, name in socket.if_nameindex())


def read() -> Link | None:
    """What is in force now; None where no link is shared.

    Raises:
        HostError: not permitted.
    """
    with _opened() as host:
        queue = index_of(host, DEVICE)
        if queue is None:
            return None
        names = _pods(host)
        bits, shares = 0, {}
        for message in host.get_classes(index=queue):
            made, counted = _class(message), message.get_attr("TCA_STATS")
            if message["handle"] == _LINK:
                bits = made.rate * 8
            elif pod := names.get(message["handle"] ^ _MAJOR):
                shares[pod] = Share(made.rate * 8, int(counted["bytes"]), int(counted["drop"]))
        return Link(bits, shares)


def unshare() -> bool:
    """Take the queue away, and the filters that lead to it; False if there was none.

    Raises:
        HostError: not permitted.
    """
    with _opened() as host:
        queue = index_of(host, DEVICE)
        if queue is None:
            return False
        for at in _pods(host):
            if _is_handed_on(host, at, queue):
                host.tc("del", "ingress", index=at)
        host.link("del", index=queue)
        return True


def _wanted(bits: int, weights: Mapping[int, int]) -> dict[int, _Class]:
    link, total = bits // 8, sum(weights.values())
    least = min(weights.values(), default=1)
    found = {_LINK: _Class(link, link, _LEAST_QUANTUM)}
    for at, weight in weights.items():
        if at >= _MAJOR:
            raise HostError(f"{DEVICE}: device number {at} is beyond what a class can have ({_MAJOR - 1})")
        quantum = min(_MOST_QUANTUM, _LEAST_QUANTUM * weight // least)
        found[_MAJOR | at] = _Class(max(1, link * weight // total), link, quantum)
    return found


def _make_queue(host: Any) -> int:
    host.link("add", ifname=DEVICE, kind="ifb")
    queue = index_of(host, DEVICE)
    assert queue is not None
    host.link("set", index=queue, state="up", ifalias="qos: the node's link, shared by pods")
    host.tc("add", "htb", index=queue, handle=_MAJOR, default=0)
    return queue


def _settle(host: Any, queue: int, wanted: Mapping[int, _Class], before: Mapping[int, _Class]) -> bool:
    """Make the classes as wanted; whether anything was changed."""
    for handle in before.keys() - wanted.keys():
        host.tc("del-class", index=queue, handle=handle)
    for handle, made in sorted(wanted.items()):
        if before.get(handle) != made:
            parent = _MAJOR if handle == _LINK else _LINK
            burst = max(_LEAST_BURST, int(made.rate * _BURST_SECONDS))
            most = max(_LEAST_BURST, int(made.ceil * _BURST_SECONDS))
            host.tc(
                "replace-class", "htb", index=queue, handle=handle, parent=parent, rate=made.rate,
                ceil=made.ceil, quantum=made.quantum, burst=burst, cburst=most,
            )  # fmt: skip
    return dict(before) != dict(wanted)


def _classes(host: Any, queue: int) -> dict[int, _Class]:
    return {message["handle"]: _class(message) for message in host.get_classes(index=queue)}


def _class(message: Any) -> _Class:
    options = message.get_attr("TCA_OPTIONS")
    parameters = options.get_attr("TCA_HTB_PARMS")
    rate = options.get_attr("TCA_HTB_RATE64") or parameters["rate"]
    ceil = options.get_attr("TCA_HTB_CEIL64") or parameters["ceil"]
    return _Class(int(rate), int(ceil), int(parameters["quantum"]))


def _hand_on(host: Any, at: int, queue: int) -> None:
    """From the host's end of a pod, all that arrives goes to the pod's class of the queue."""
    if not _has_ingress(host, at):
        host.tc("add", "ingress", index=at)
    actions = [
        {"kind": "skbedit", "priority": _MAJOR | at, "action": "pipe"},
        {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": queue},
    ]
    host.tc("add-filter", "matchall", index=at, parent=_INGRESS, prio=1, action=actions)


def _has_ingress(host: Any, at: int) -> bool:
    return any(qdisc.get_attr("TCA_KIND") == "ingress" for qdisc in host.get_qdiscs(index=at))


def _is_handed_on(host: Any, at: int, queue: int) -> bool:
    if not _has_ingress(host, at):
        return False
    return any(f"'ifindex', {queue}" in str(one) or f"'ifindex': {queue}" in str(one) for one in
               host.get_filters(index=at, parent=_INGRESS))  # fmt: skip


def _pods(host: Any) -> dict[int, str]:
    """Device → the pod whose host's end it is."""
    return {
        int(link["index"]): alias.removeprefix(_ALIAS)
        for link in host.get_links()
        if (alias := link.get_attr("IFLA_IFALIAS") or "").startswith(_ALIAS)
    }


@contextmanager
def _opened() -> Iterator[Any]:
    with opened(DEVICE) as host:
        yield host

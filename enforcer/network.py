"""Bandwidth of a pod: token buckets on the pod's own pair of virtual Ethernet devices.

One end of the pair lies in the pod's network namespace (``eth0``), the other on the host
(``qos`` and a hash). What comes to the pod leaves the host's end: the ingress limit is a token bucket
(tbf) there; the egress limit is one on the pod's end, which a container without NET_ADMIN cannot
take off. Everything goes by netlink; the device's alias says whose it is.

Source: tc-tbf(8), veth(4); ``kubernetes.io/ingress-bandwidth`` and ``egress-bandwidth``
(Kubernetes, "Network Plugins: Support traffic shaping"), pkg/util/bandwidth/utils.go for the range.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, Literal

from enforcer.procfs import ProcFS
from qos.errors import HostError, InputError
from qos.model.network import TokenBucket

LEAST_BITS: Final = 1_000
MOST_BITS: Final = 10**15
POD_END: Final = "eth0"
_SUBNET: Final = IPv4Network("169.254.64.0/18")  # link-local: collides with no routed network
_RTM_ROOT: Final = 0xFFFFFFFF
Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Limits of a pod in bits a second; None: none."""

    ingress_bits: int | None = None
    egress_bits: int | None = None

    def __post_init__(self) -> None:
        for field, bits in (("ingress", self.ingress_bits), ("egress", self.egress_bits)):
            if bits is not None and not LEAST_BITS <= bits <= MOST_BITS:
                raise InputError(
                    "bandwidth out of range",
                    field=f"kubernetes.io/{field}-bandwidth",
                    value=bits,
                    expected="1k to 1P bits a second",
                )


@dataclass(frozen=True, slots=True)
class Link:
    """A pod's pair of devices as it is now.

    Attributes:
        device: name of the host's end.
        host_address: of the host's end.
        pod_address: of the pod's end.
        bandwidth: the token buckets that are in force, as the kernel rounds them.
    """

    device: str
    host_address: str
    pod_address: str
    bandwidth: Bandwidth


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through a pod's devices since they were made, seen from the pod; packets dropped."""

    ingress_bytes: int
    egress_bytes: int
    ingress_dropped: int
    egress_dropped: int


def device_of(pod: str) -> str:
    """The host's device of a pod, within the 15 characters the kernel allows.

    >>> device_of("default/web")
    'qos82b3ade9d00'
    """
    return f"qos{hashlib.sha256(pod.encode()).hexdigest()[:11]}"


def addresses_of(pod: str) -> tuple[str, str]:
    """Link-local addresses of the two ends, the host's and the pod's, from the pod's name."""
    pairs = _SUBNET.num_addresses // 2
    number = int(hashlib.sha256(b"address " + pod.encode()).hexdigest(), 16) % pairs
    base = int(_SUBNET.network_address) + 2 * number
    return str(IPv4Address(base)), str(IPv4Address(base + 1))


def limit(pod: str, pid: int, bandwidth: Bandwidth, proc: ProcFS | None = None) -> Outcome:
    """Give a pod its pair of devices and its limits; what is as wanted is not touched.

    Args:
        pod: ``namespace/name``.
        pid: a process in the pod's network namespace, not the host's own.
        bandwidth: the limits; without any, the devices are there and unlimited.
        proc: where /proc is.

    Raises:
        HostError: no permission, no veth or tbf in this kernel, or the namespace is the host's.
    """
    proc = proc or ProcFS()
    before = read(pod, pid, proc)
    if before is not None and before.bandwidth == bandwidth:
        return "unchanged"
    with _netlink(pod, pid, proc) as (host, inside):
        if before is None:
            _make_pair(pod, pid, host, inside)
        _set_bucket(host, device_of(pod), bandwidth.ingress_bits)
        _set_bucket(inside, POD_END, bandwidth.egress_bits)
    return "created" if before is None else "configured"


def read(pod: str, pid: int, proc: ProcFS | None = None) -> Link | None:
    """What is in force now; None where the pod has no pair of ours.

    Raises:
        HostError: not permitted, or the namespace is the host's.
    """
    with _netlink(pod, pid, proc or ProcFS()) as (host, inside):
        if index_of(host, device_of(pod)) is None or index_of(inside, POD_END) is None:
            return None
        ingress, _ = _bucket(host, device_of(pod))
        egress, _ = _bucket(inside, POD_END)
    return Link(device_of(pod), *addresses_of(pod), Bandwidth(ingress, egress))


def traffic(pod: str, pid: int, proc: ProcFS | None = None) -> Traffic | None:
    """Bytes and drops since the devices were made; None where the pod has no pair of ours.

    Raises:
        HostError: not permitted, or the namespace is the host's.
    """
    with _netlink(pod, pid, proc or ProcFS()) as (host, inside):
        if index_of(host, device_of(pod)) is None or index_of(inside, POD_END) is None:
            return None
        counters = host.get_links(ifname=device_of(pod))[0].get_attr("IFLA_STATS64")
        dropped = [_bucket(host, device_of(pod))[1], _bucket(inside, POD_END)[1]]
    return Traffic(int(counters["tx_bytes"]), int(counters["rx_bytes"]), dropped[0], dropped[1])


def remove(pod: str) -> bool:
    """Take a pod's pair away, both ends and their limits; False if there was none.

    Raises:
        HostError: not permitted.
    """
    with opened(pod) as host:
        index = index_of(host, device_of(pod))
        if index is None:
            return False
        host.link("del", index=index)
    return True


def _make_pair(pod: str, pid: int, host: Any, inside: Any) -> None:
    device = device_of(pod)
    host_address, pod_address = addresses_of(pod)
    peer = {"ifname": POD_END, "net_ns_pid": pid}
    host.link("add", ifname=device, kind="veth", peer=peer)
    for end, name, address in ((host, device, host_address), (inside, POD_END, pod_address)):
        index = index_of(end, name)
        end.addr("add", index=index, address=address, prefixlen=31)
        end.link("set", index=index, state="up")
    host.link("set", index=index_of(host, device), ifalias=f"qos pod {pod}"[:255])


def _set_bucket(end: Any, device: str, bits: int | None) -> None:
    index = index_of(end, device)
    if bits is None:
        if _bucket(end, device)[0] is not None:
            end.tc("del", index=index, root=True)
        return
    bucket = TokenBucket.of(bits)
    end.tc(
        "replace", "tbf", index=index, handle="1:", rate=bucket.rate, burst=bucket.burst, limit=bucket.queue
    )  # fmt: skip


def _bucket(end: Any, device: str) -> tuple[int | None, int]:
    """Rate in bits a second of the token bucket at the root of a device, and packets it dropped."""
    qdisc = _bucket_of(end, device)
    if qdisc is None:
        return None, 0
    options = qdisc.get_attr("TCA_OPTIONS")
    rate = options.get_attr("TCA_TBF_RATE64") or options.get_attr("TCA_TBF_PARMS")["rate"]
    counted = qdisc.get_attr("TCA_STATS")
    return int(rate) * 8, int(counted["drop"]) if counted else 0


def bucket_counters(end: Any, device: str) -> Any:
    """The counters (``bytes``, ``drop``) of the token bucket at the root of a device; None without one."""
    qdisc = _bucket_of(end, device)
    return None if qdisc is None else qdisc.get_attr("TCA_STATS")


def _bucket_of(end: Any, device: str) -> Any:
    for qdisc in end.get_qdiscs(index=index_of(end, device)):
        if qdisc.get_attr("TCA_KIND") == "tbf" and qdisc["parent"] == _RTM_ROOT:
            return qdisc
    return None


def index_of(end: Any, device: str) -> int | None:
    """The number of a device in a namespace, None where it has none of this name."""
    found = end.link_lookup(ifname=device)
    return int(found[0]) if found else None


@contextmanager
def _netlink(pod: str, pid: int, proc: ProcFS) -> Iterator[tuple[Any, Any]]:
    """Netlink to the host's namespace and to the pod's."""
    own = proc.open_namespace(os.getpid(), "net")
    theirs = proc.open_namespace(pid, "net")
    try:
        if os.fstat(own).st_ino == os.fstat(theirs).st_ino:
            raise HostError(
                f"{pod}: process {pid} is in the host's network namespace; nothing to limit there"
            )
        with opened(pod) as host, opened(pod, theirs) as inside:
            yield host, inside
    finally:
        os.close(own)
        os.close(theirs)


@contextmanager
def opened(pod: str, namespace: int | None = None) -> Iterator[Any]:
    """Netlink to the host's namespace, or to one of a descriptor.

    Raises:
        HostError: no pyroute2, or the kernel refuses.
    """
    try:
        from pyroute2 import IPRoute, NetNS  # noqa: PLC0415 — an extra, and slow to import
        from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415
    except ImportError as error:
        raise HostError("network limits need pyroute2: pip install 'qos[network]'") from error
    try:
        with _plain_sigterm():
            link = IPRoute() if namespace is None else NetNS(f"/proc/self/fd/{namespace}", flags=0)
        with link:
            yield link
    except NetlinkError as error:
        raise HostError(f"{pod}: {_why(error.code)}") from error


@contextmanager
def _plain_sigterm() -> Iterator[None]:
    """pyroute2 enters a namespace in a child that it ends by SIGTERM: a handler of ours would run there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _why(code: int) -> str:
    words = {
        errno.EPERM: "not permitted to change network devices; needs root (CAP_NET_ADMIN)",
        errno.EOPNOTSUPP: "this kernel lacks a device or queue; load veth, ifb, sch_tbf, sch_htb",
        errno.ENOENT: "this kernel lacks a queue or filter; load sch_tbf, sch_htb, cls_matchall, act_skbedit",
        errno.EEXIST: "the pod's network namespace already has a device of this name",
    }
    return words.get(code, os.strerror(code))

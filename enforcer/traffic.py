"""What goes through pods' devices, read again and again: netlink sockets stay open.

Where a token bucket is in the way, bytes are as it counts them, each packet with its headers; else as the
device does, which counts the headers of a large segment once.

Source: net/core/dev.c qdisc_pkt_len_init, net/sched/sch_tbf.c of Linux 6.12.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final, Self

from enforcer.network import POD_END, bucket_counters, device_of, opened

COLUMNS: Final = ("net_rx_bytes", "net_tx_bytes", "net_rx_dropped", "net_tx_dropped")
"""As the pod sees it: received is what leaves the host's end."""


class TrafficMeter:
    """The counters of one pod's pair of devices.

    Args:
        pod: ``namespace/name``.
        namespace: descriptor of its network namespace.

    Raises:
        HostError: no pyroute2, or not permitted.
    """

    def __init__(self, pod: str, namespace: int) -> None:
        self._device = device_of(pod)
        self._stack = ExitStack()
        self._host = self._stack.enter_context(opened(pod))
        self._inside = self._stack.enter_context(opened(pod, namespace))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the sockets."""
        self._stack.close()

    def read(self) -> dict[str, float]:
        """Column → value; nothing where the devices are gone."""
        received = _passed(self._host, self._device)
        sent = _passed(self._inside, POD_END)
        if received is None or sent is None:
            return {}
        return dict(zip(COLUMNS, (received[0], sent[0], received[1], sent[1]), strict=True))


def _passed(end: Any, device: str) -> tuple[float, float] | None:
    """Bytes sent through a device, and packets its bucket dropped."""
    counted = bucket_counters(end, device)
    if counted is not None:
        return float(counted["bytes"]), float(counted["drop"])
    found = end.get_links(ifname=device)
    return (float(found[0].get_attr("IFLA_STATS64")["tx_bytes"]), 0.0) if found else None

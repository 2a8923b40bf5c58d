"""Bandwidth of pods by token buckets on a real kernel."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Start, wait_until

from enforcer import network
from enforcer.cgroupfs import CgroupFS
from enforcer.control import kill
from enforcer.launch import Child, Command, launch
from enforcer.network import Bandwidth
from qos.errors import HostError

Make = Callable[..., str]
POD = "default/web"
PORT = 5001
STATISTICS = Path("/sys/class/net")
SINK = f"""
import socket
server = socket.create_server(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    while peer.recv(65536):
        pass
"""


@pytest.fixture
def pod(fs: CgroupFS, make: Make) -> Iterator[Child]:
    """A process in a network namespace of its own that takes whatever is sent to it."""
    reader, writer = os.pipe()
    with launch(fs, make("web"), Command(("python3", "-I", "-S", "-c", SINK)), stdout=writer) as child:
        os.close(writer)
        assert os.read(reader, 5) == b"ready"
        os.close(reader)
        try:
            network.limit(POD, child.pid, Bandwidth())
        except HostError as error:
            pytest.skip(str(error))
        yield child
        network.remove(POD)
        kill(fs, "web")
        child.wait(30.0)


def test_limits_are_read_back_and_set_once(pod: Child) -> None:
    """Set, unchanged when set again, changed, and taken off: each as it is read back."""
    wanted = Bandwidth(ingress_bits=8_000_000, egress_bits=4_000_000)
    assert network.limit(POD, pod.pid, wanted) == "configured"
    assert network.limit(POD, pod.pid, wanted) == "unchanged"
    found = network.read(POD, pod.pid)
    assert found is not None
    assert found.bandwidth == wanted
    assert network.limit(POD, pod.pid, Bandwidth(egress_bits=4_000_000)) == "configured"
    found = network.read(POD, pod.pid)
    assert found is not None
    assert found.bandwidth == Bandwidth(egress_bits=4_000_000)


def test_what_comes_to_the_pod_is_held_to_its_ingress_limit(pod: Child, make: Make, start: Start) -> None:
    """A sender that wants all it can get gets 8 Mbit a second, packets' headers included."""
    network.limit(POD, pod.pid, Bandwidth(ingress_bits=8_000_000))
    found = network.read(POD, pod.pid)
    assert found is not None

    def send_for_ever() -> None:
        with socket.create_connection((found.pod_address, PORT), timeout=10.0) as sender:
            while True:
                sender.sendall(bytes(16384))

    def sent_bytes() -> int:
        return int((STATISTICS / network.device_of(POD) / "statistics/tx_bytes").read_text())

    start(make("sender"), send_for_ever)
    wait_until(lambda: sent_bytes() > 500_000, "the bucket is empty", 60.0)
    before, began = sent_bytes(), time.monotonic()
    time.sleep(3.0)
    after, seconds = sent_bytes(), time.monotonic() - began
    assert (after - before) * 8 / seconds == pytest.approx(8_000_000, rel=0.1)
    told = network.traffic(POD, pod.pid)
    assert told is not None
    assert told.ingress_bytes >= after


def test_nothing_is_left_behind(pod: Child) -> None:
    """Removing takes the device on the host and the one in the pod; a second time there is none."""
    assert network.remove(POD)
    assert network.read(POD, pod.pid) is None
    assert not network.remove(POD)
    assert network.device_of(POD) not in [name for _, name in socket.if_nameindex()]


def test_the_host_s_own_network_is_never_limited() -> None:
    """A process of the host's network namespace is refused."""
    with pytest.raises(HostError, match="in the host's network namespace"):
        network.limit(POD, os.getpid(), Bandwidth(ingress_bits=1_000_000))


def test_a_pod_that_ends_takes_its_devices_along(fs: CgroupFS, pod: Child) -> None:
    """The pair lives in the pod's namespace: when its last process is gone, so is the host's end."""
    kill(fs, "web")
    pod.wait(30.0)
    wait_until(
        lambda: network.device_of(POD) not in [name for _, name in socket.if_nameindex()],
        "the device is gone",
    )

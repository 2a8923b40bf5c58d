"""The node's link shared by pods by weight, on a real kernel: read back, changed, measured, taken away."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Measured, wait_until

from enforcer import link, network
from enforcer.cgroupfs import CgroupFS
from enforcer.control import kill
from enforcer.controllers import enable
from enforcer.launch import Child, Command, launch
from enforcer.network import Bandwidth
from qos.errors import HostError
from qos.experiment.desired import read_asked
from qos.experiment.enforce import Choice, Host
from qos.experiment.launch_pods import launch_pods

Make = Callable[..., str]
LINK_BITS = 16_000_000
PORT = 5002
SOURCE = f"""
import socket
server = socket.create_server(("0.0.0.0", {PORT}))
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    try:
        while True:
            peer.sendall(bytes(16384))
    except OSError:
        pass
"""


class Pods:
    """Pods in networks of their own that send all they can to whoever connects."""

    def __init__(self, fs: CgroupFS, make: Make) -> None:
        self._fs = fs
        self._make = make
        self.pids: dict[str, int] = {}
        self._children: dict[str, Child] = {}

    def start(self, *pods: str) -> None:
        """One process each, with devices and no limit."""
        for pod in pods:
            reader, writer = os.pipe()
            cgroup = self._make(pod.replace("/", "-"))
            child = launch(self._fs, cgroup, Command(("python3", "-I", "-S", "-c", SOURCE)), stdout=writer)
            os.close(writer)
            self._children[pod] = child
            assert os.read(reader, 5) == b"ready"
            os.close(reader)
            network.limit(pod, child.pid, Bandwidth())
            self.pids[pod] = child.pid

    def close(self) -> None:
        """Everything gone."""
        link.unshare()
        for pod, child in self._children.items():
            network.remove(pod)
            kill(self._fs, pod.replace("/", "-"))
            child.wait(30.0)
            child.close()

    def sent_bits(self, seconds: float, *pods: str) -> dict[str, float]:
        """What each sent a second over a window, by its class's counter, all of them sending all the time."""
        peers = [socket.create_connection((network.addresses_of(pod)[1], PORT), timeout=30.0) for pod in pods]
        for peer in peers:
            threading.Thread(target=_drain, args=(peer,), daemon=True).start()
        wait_until(lambda: all(sent(pod) > 300_000 for pod in pods), "the queue is full", 60.0)
        before, began = {pod: sent(pod) for pod in pods}, time.monotonic()
        time.sleep(seconds)
        after, took = {pod: sent(pod) for pod in pods}, time.monotonic() - began
        for peer in peers:
            peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        return {pod: (after[pod] - before[pod]) * 8 / took for pod in pods}


def _drain(peer: socket.socket) -> None:
    try:
        while peer.recv(65536):
            pass
    except OSError:
        pass


def sent(pod: str) -> int:
    """The counter of the pod's class."""
    found = link.read()
    assert found is not None
    return found.shares[pod].sent_bytes


@pytest.fixture
def pods(fs: CgroupFS, make: Make) -> Iterator[Pods]:
    """Two pods."""
    found = Pods(fs, make)
    try:
        found.start("default/a", "default/b")
        link.share(LINK_BITS, {"default/a": 100})
    except HostError as error:
        found.close()
        pytest.skip(str(error))
    link.unshare()
    yield found
    found.close()


def test_shares_are_read_back_set_once_and_taken_away(pods: Pods) -> None:
    """Created, unchanged, changed by a weight and by the rate, without a pod, and gone: each as read back."""
    del pods
    weights = {"default/a": 100, "default/b": 300, "default/not-here": 50}
    assert link.read() is None
    assert link.share(LINK_BITS, weights) == "created"
    assert link.share(LINK_BITS, weights) == "unchanged"
    found = link.read()
    assert found is not None
    assert found.bits == LINK_BITS
    assert {pod: one.bits for pod, one in found.shares.items()} == {
        "default/a": LINK_BITS // 4, "default/b": LINK_BITS // 4 * 3,
    }  # fmt: skip
    assert link.share(LINK_BITS, weights | {"default/b": 100}) == "configured"
    assert link.share(LINK_BITS * 2, {"default/b": 100}) == "configured"
    found = link.read()
    assert found is not None
    assert {pod: one.bits for pod, one in found.shares.items()} == {"default/b": LINK_BITS * 2}
    assert link.unshare()
    assert link.read() is None
    assert not link.unshare()


def test_two_pods_that_want_all_send_as_their_weights(pods: Pods, measured: Measured) -> None:
    """100 : 300 of a link of 16 Mbit a second: a quarter and three quarters of it, and all of it together."""
    link.share(LINK_BITS, {"default/a": 100, "default/b": 300})
    rates = pods.sent_bits(6.0, "default/a", "default/b")
    total = sum(rates.values())
    measured(
        "weights 100 : 300 of 16 Mbit/s", f"{rates['default/b'] / rates['default/a']:.3f}, {total:.0f} bit/s"
    )
    assert rates["default/b"] / total == pytest.approx(0.75, abs=0.02)
    assert total == pytest.approx(LINK_BITS, rel=0.05)


def test_what_one_leaves_the_other_takes(pods: Pods) -> None:
    """The pod of the smaller weight has the whole link while the other is silent."""
    link.share(LINK_BITS, {"default/a": 100, "default/b": 300})
    rates = pods.sent_bits(4.0, "default/a")
    assert rates["default/a"] == pytest.approx(LINK_BITS, rel=0.05)


def test_a_pod_that_ends_leaves_its_share_to_the_rest(pods: Pods) -> None:
    """Its devices are gone with it; the next call takes its class away and gives the rest all."""
    link.share(LINK_BITS, {"default/a": 100, "default/b": 300})
    network.remove("default/b")
    assert link.share(LINK_BITS, {"default/a": 100, "default/b": 300}) == "configured"
    found = link.read()
    assert found is not None
    assert {pod: one.bits for pod, one in found.shares.items()} == {"default/a": LINK_BITS}
    del pods


NODE = """
apiVersion: v1
kind: Node
metadata: {name: here}
status: {capacity: {cpu: "1", memory: 1Gi, pods: "110"}}
linkBitsPerSecond: 16000000
"""
TWO = """
apiVersion: v1
kind: Pod
metadata: {name: c}
spec: {containers: [{name: app, image: x, command: [sleep, "1000"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: d, annotations: {qos.dev/network-weight: "300"}}
spec: {containers: [{name: app, image: x, command: [sleep, "1000"]}]}
"""


def test_apply_shares_the_link_as_the_annotations_say(fs: CgroupFS, tmp_path: Path, pods: Pods) -> None:
    """With a node that has a link: shared when pods start, again without one that is deleted, then gone."""
    del pods  # this kernel can
    (tmp_path / "node.yaml").write_text(NODE)
    (tmp_path / "pods.yaml").write_text(TWO)
    fs.create("qos")
    enable(fs, "qos", fs.controllers())
    with Host(fs.root / "qos", tmp_path / "state") as host:
        wanted = host.desired(read_asked([tmp_path / "pods.yaml"], node=tmp_path / "node.yaml"))
        host.apply(wanted)
        assert link.read() is None
        launch_pods(host, wanted, tmp_path / "logs")
        found = link.read()
        assert found is not None
        assert {pod: one.bits for pod, one in found.shares.items()} == {
            "default/c": LINK_BITS // 4, "default/d": LINK_BITS // 4 * 3,
        }  # fmt: skip
        assert not any("link" in note for note in host.apply(wanted).notes)
        host.delete(Choice(["d"]), kill=True)
        wait_until(lambda: not link.has_devices("default/d"), "its devices are gone")
        host.apply(host.kept())
        found = link.read()
        assert found is not None
        assert {pod: one.bits for pod, one in found.shares.items()} == {"default/c": LINK_BITS}
        host.delete(Choice(everything=True), kill=True)
        assert link.read() is None

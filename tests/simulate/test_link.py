"""The network: token buckets of pods, and a link shared by weight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos.model.cgroup import CgroupName
from qos.model.network import NodeNetwork, PodNetwork, TokenBucket
from qos.model.node import Disk
from qos.model.workload import Workload
from qos.simulate.flows import Flows
from qos.simulate.link import on_the_wire

A, B = CgroupName("kubepods/poda"), CgroupName("kubepods/podb")
MAX_OUT = Workload.model_validate({"network": {"egressBitsPerSecond": "max"}})


def run(
    network: NodeNetwork, workloads: dict[CgroupName, Workload], seconds: float
) -> dict[str, list[float]]:
    """Bytes sent and received of each pod after ``seconds``."""
    flows = Flows((Disk(),), network)
    for pod, workload in workloads.items():
        flows.start(CgroupName(f"{pod}/c"), workload, 0.0)
    columns = flows.read(np.array([seconds]), tuple(workloads), seconds)
    return {name: columns[name][0].tolist() for name in ("net_tx_bytes", "net_rx_bytes")}


def test_a_sender_gets_its_bucket_at_once_and_then_the_rate() -> None:
    """8 Mbit/s for 5 s: 16384 bytes and 5 s of 1,000,000 bytes."""
    moved = run(NodeNetwork({A: PodNetwork(egress_bits=8_000_000)}), {A: MAX_OUT}, 5.0)
    assert moved["net_tx_bytes"] == pytest.approx([5_016_384.0], rel=1e-5)
    assert moved["net_rx_bytes"] == [0.0]


def test_traffic_below_its_limit_is_left_alone_and_counted_with_its_headers() -> None:
    """4 Mbit/s of payload under 16 Mbit/s: twelve packets' headers of 66 bytes for each 16 KiB."""
    workload = Workload.model_validate({"network": {"ingressBitsPerSecond": "4M"}})
    moved = run(NodeNetwork({A: PodNetwork(ingress_bits=16_000_000)}), {A: workload}, 4.0)
    assert moved["net_rx_bytes"] == pytest.approx([2e6 * (1 + 792 / 16384)])


def test_pods_share_a_link_by_weight_and_leave_nothing_over() -> None:
    """Weights 100 and 300 on 8 Mbit/s: a quarter and the rest; the rest of one that is limited goes on."""
    link = NodeNetwork({A: PodNetwork(), B: PodNetwork(weight=300)}, link_bits=8_000_000)
    assert run(link, {A: MAX_OUT, B: MAX_OUT}, 2.0)["net_tx_bytes"] == pytest.approx([5e5, 15e5])
    held = NodeNetwork({A: PodNetwork(), B: PodNetwork(None, 800_000, 300)}, link_bits=8_000_000)
    sent = run(held, {A: MAX_OUT, B: MAX_OUT}, 2.0)["net_tx_bytes"]
    assert sent == pytest.approx([2e6 - 2e5 - 16384, 2e5 + 16384], rel=0.02)


def test_a_finite_transfer_is_done_when_its_last_byte_went_through() -> None:
    """8 MiB through 16 Mbit/s, headers included, less the bucket: 4.39 s (User Mode Linux 6.1: 4.38 s)."""
    workload = Workload.model_validate({"network": {"egressBitsPerSecond": "max", "total": "8Mi"}})
    flows = Flows((Disk(),), NodeNetwork({A: PodNetwork(egress_bits=16_000_000)}))
    flows.start(CgroupName(f"{A}/c"), workload, 0.0)
    flows.advance(10.0)
    expected = (on_the_wire(8 * 2**20) - 20_000) / 2e6
    assert flows.done[0].seconds == pytest.approx(expected, rel=1e-3)


@given(
    bits=st.integers(100_000, 10**9),
    wanted=st.lists(st.integers(1_000, 10**10), min_size=1, max_size=4),
    seconds=st.floats(0.1, 20.0),
)
def test_no_pod_ever_sends_more_than_its_bucket_and_its_rate(
    bits: int, wanted: list[int], seconds: float
) -> None:
    """Whatever its containers want together, and never less than the least of limit and want."""
    flows = Flows((Disk(),), NodeNetwork({A: PodNetwork(egress_bits=bits)}))
    for place, each in enumerate(wanted):
        workload = Workload.model_validate({"network": {"egressBitsPerSecond": str(each)}})
        flows.start(CgroupName(f"{A}/c{place}"), workload, 0.0)
    sent = flows.read(np.array([seconds]), (A,), seconds)["net_tx_bytes"][0, 0]
    bucket = TokenBucket.of(bits)
    assert sent <= bucket.burst + bucket.rate * seconds + 2.0 * len(wanted)
    assert sent >= min(bucket.rate, sum(on_the_wire(each / 8) for each in wanted)) * seconds * 0.999 - 2.0

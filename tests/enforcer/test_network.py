"""Names, addresses and buckets of pods' devices."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.network import Bandwidth, addresses_of, device_of
from qos.errors import InputError
from qos.experiment.bandwidth import EGRESS, INGRESS, bandwidth_of
from qos.model.network import TokenBucket
from qos.model.pod import Pod


@given(st.text(min_size=1, max_size=300))
def test_any_pod_has_a_device_name_the_kernel_takes(pod: str) -> None:
    """At most 15 ASCII characters without a slash, whatever the pod is called."""
    name = device_of(pod)
    assert len(name) <= 15
    assert name.isascii()
    assert name.isalnum()


@given(st.text(min_size=1, max_size=60))
def test_the_two_ends_are_a_pair_of_link_local_addresses(pod: str) -> None:
    """Both in one /31 that no router hands on."""
    host, inside = (ipaddress.IPv4Address(address) for address in addresses_of(pod))
    assert int(inside) == int(host) + 1
    assert int(host) % 2 == 0
    assert host.is_link_local


@given(st.integers(1_000, 10**15))
def test_the_bucket_holds_a_packet_and_a_tick_of_the_rate(bits: int) -> None:
    """Less would never reach the rate on a kernel that ticks every 10 ms."""
    assert TokenBucket.of(bits).burst >= 16384
    assert TokenBucket.of(bits).burst >= bits // 8 // 100


@pytest.mark.parametrize("bits", [0, 999, 10**15 + 1])
def test_a_bandwidth_out_of_kubernetes_range_is_refused(bits: int) -> None:
    """1k to 1P, as the annotation is validated."""
    with pytest.raises(InputError, match=r"kubernetes\.io/egress-bandwidth"):
        Bandwidth(egress_bits=bits)


def test_annotations_are_quantities_of_bits_a_second() -> None:
    """Decimal and binary suffixes as everywhere in Kubernetes; without annotations no limit."""
    pod = Pod.model_validate({"metadata": {"annotations": {INGRESS: "10M", EGRESS: "1Mi"}}})
    assert bandwidth_of(pod) == Bandwidth(10_000_000, 1 << 20)
    assert bandwidth_of(Pod()) == Bandwidth()


@pytest.mark.parametrize("text", ["fast", "", "1", "2P"])
def test_an_annotation_that_is_no_bandwidth_is_refused_by_name(text: str) -> None:
    """Not a quantity, or outside of what Kubernetes takes."""
    pod = Pod.model_validate({"metadata": {"annotations": {EGRESS: text}}})
    with pytest.raises(InputError) as caught:
        bandwidth_of(pod)
    assert EGRESS in str(caught.value)

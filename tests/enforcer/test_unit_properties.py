"""Every knob systemd has a property for becomes that property, exactly, or is told to be none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.unit_properties import FILES, INFINITY, PERCENT_USEC, properties_of
from qos.model.cgroup import format_cpu_list, knobs


class TestNumbers:
    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("cpu.weight", "CPUWeight"),
            ("memory.min", "MemoryMin"),
            ("memory.low", "MemoryLow"),
            ("memory.high", "MemoryHigh"),
            ("memory.max", "MemoryMax"),
            ("memory.swap.max", "MemorySwapMax"),
            ("pids.max", "TasksMax"),
        ],
    )
    def test_a_number_and_no_limit(self, file, name):
        """A number is itself, max is the largest."""
        assert properties_of(file, "17\n") == ((name, ("t", 17)),)
        if file != "cpu.weight":
            assert properties_of(file, "max") == ((name, ("t", INFINITY)),)

    def test_no_number_is_an_error(self):
        """A word is not silently taken for something."""
        with pytest.raises(ValueError, match="lots"):
            properties_of("memory.max", "lots")


class TestQuota:
    @given(st.integers(1, 6400), st.sampled_from([10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000]))
    def test_whole_percents_come_back_to_the_microsecond(self, percent, period_usec):
        """What systemd computes from the properties is the quota that was meant."""
        quota_usec = percent * period_usec // 100
        if quota_usec < 1000:
            return
        (_, (_, per_second)), (_, (_, period)) = properties_of("cpu.max", f"{quota_usec} {period_usec}")
        assert per_second * period // 1_000_000 == quota_usec
        assert period == period_usec
        assert per_second % PERCENT_USEC == 0

    @pytest.mark.parametrize("text", ["1110 10000", "50001 100000", "1000 30000"])
    def test_a_quota_that_would_be_rounded_has_no_property(self, text):
        """The driver refuses it instead of letting a daemon-reload change it."""
        assert properties_of("cpu.max", text) is None

    def test_no_quota(self):
        """No limit keeps its period."""
        assert properties_of("cpu.max", "max 100000") == (
            ("CPUQuotaPerSecUSec", ("t", INFINITY)),
            ("CPUQuotaPeriodUSec", ("t", 100_000)),
        )


class TestSets:
    @given(st.sets(st.integers(0, 200)))
    def test_a_cpu_list_is_a_bit_mask(self, cpus):
        """Bit n of the bytes is CPU n; no CPU is no byte."""
        ((name, (signature, mask)),) = properties_of("cpuset.cpus", format_cpu_list(cpus))
        assert (name, signature) == ("AllowedCPUs", "ay")
        assert {number for number in range(len(mask) * 8) if mask[number // 8] >> number % 8 & 1} == cpus


class TestDisk:
    def test_a_device_by_its_number(self):
        """Each limit of each device is a property of its own; max is none."""
        assert properties_of("io.max", "8:0 rbps=1 wiops=max\n8:16 wbps=3") == (
            ("IOReadBandwidthMax", ("a(st)", [("/dev/block/8:0", 1)])),
            ("IOWriteIOPSMax", ("a(st)", [("/dev/block/8:0", INFINITY)])),
            ("IOWriteBandwidthMax", ("a(st)", [("/dev/block/8:16", 3)])),
        )

    def test_weights(self):
        """The default and a device's own."""
        assert properties_of("io.weight", "default 100\n8:0 200") == (
            ("IOWeight", ("t", 100)),
            ("IODeviceWeight", ("a(st)", [("/dev/block/8:0", 200)])),
        )

    def test_latency(self):
        """Microseconds stay microseconds."""
        assert properties_of("io.latency", "8:0 target=75000") == (
            ("IODeviceLatencyTargetUSec", ("a(st)", [("/dev/block/8:0", 75_000)])),
        )


def test_every_file_is_a_knob_of_the_model():
    """No property stands for a file that no plan can hold."""
    assert {knob.file for knob in knobs().values()} >= FILES


def test_files_without_a_property_are_told():
    """They are written, not set: systemd leaves them alone."""
    for file in ("hugetlb.2MB.max", "cpu.max.burst", "memory.oom.group", "cgroup.max.depth"):
        assert properties_of(file, "1") is None
